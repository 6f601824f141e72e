# SPDX-License-Identifier: MIT
"""Servers of debug files: Debian's debuginfod, and one that misbehaves as it is told."""

import contextlib
import http.server
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from profd import PROGRAMS, wait_for


def build_id(path):
    text = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True)
    return re.search(r"Build ID: ([0-9a-f]+)", text.stdout)[1]


def stripped(folder, kind="stripped"):
    """(program, its debug file) that only who is told finds together: a copy of tests/programs'."""
    program, debug = folder / "burner", folder / "elsewhere.debug"
    whole = PROGRAMS / f"burn3-whole-{kind}"
    subprocess.run(["strip", "-o", program, whole], check=True)
    subprocess.run(["objcopy", "--only-keep-debug", whole, debug], check=True)
    return program, debug


class Misbehaved:
    """A server that answers with answer(handler), and remembers what it was asked for."""

    def __init__(self, answer):
        self.asked = []
        self.stopping = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                with contextlib.suppress(ConnectionError):
                    answer(self)

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.outer = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *unused):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()


def head(handler, length=None, code=200):
    handler.send_response(code)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()


def sends(data, length=None):
    """Sends bytes, and says that they are as many as `length`."""

    def answer(handler):
        head(handler, len(data) if length is None else length)
        handler.wfile.write(data)

    return answer


def has_none(handler):
    head(handler, 0, 404)


def is_slow(handler):
    """A byte now and then."""
    head(handler, 1 << 20)
    while not handler.server.outer.stopping.wait(0.2):
        handler.wfile.write(b".")
        handler.wfile.flush()


def is_silent(handler):
    handler.server.outer.stopping.wait(60)


def is_endless(handler):
    head(handler)
    while not handler.server.outer.stopping.is_set():
        handler.wfile.write(b"\177ELF" + bytes(65536))


def redirects(handler):
    handler.send_response(302)
    handler.send_header("Location", handler.path + "x")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def gone_url():
    """Where nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}"


@contextlib.contextmanager
def debuginfod(folder, *files):
    """The URL of a debuginfod that has these files."""
    found = folder / "served"
    found.mkdir()
    for path in files:
        shutil.copy(path, found)
    url = gone_url()
    command = ["debuginfod", "-d", ":memory:", "-p", url.rsplit(":", 1)[1], "-t", "1", "-F", found]
    environment = {k: v for k, v in os.environ.items() if k != "DEBUGINFOD_URLS"}
    with open(folder / "debuginfod.log", "w") as log:
        process = subprocess.Popen(
            [*map(str, command)], stdout=log, stderr=log, env={**environment, "HOME": str(folder)}
        )
    try:
        for path in files:
            wait_for(lambda p=path: has(url, build_id(p)), 60, "debuginfod to index")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def has(url, number):
    try:
        with urllib.request.urlopen(f"{url}/buildid/{number}/debuginfo", timeout=5) as answer:
            return answer.read(4) == b"\177ELF"
    except (urllib.error.URLError, OSError):
        time.sleep(0.1)
        return False
