# SPDX-License-Identifier: MIT
"""Profiles from servers: a real one of Go's, and one that answers in every way it should not."""

import base64
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from profd import GO, PROFCTL, ROOT
from made_up import STACKS, write_profile


class Handler(BaseHTTPRequestHandler):
    """What a path does; the server has `profile`, the bytes of one, and `asked`, a list."""

    def log_message(self, *unused):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.asked.append(self.path)
        path = self.path.split("?")[0]
        if path in ("/debug/pprof/profile", "/debug/pprof/heap", "/own"):
            self.answer(200, self.server.profile)
        elif path == "/moved":
            self.answer(302, b"", Location="/own")
        elif path == "/loop":
            self.answer(302, b"", Location="/loop")
        elif path == "/file":
            self.answer(302, b"", Location="file:///etc/hostname")
        elif path == "/busy":
            text = b"Could not enable CPU profiling: already in use\nmore\n"
            self.answer(500, text, X_Go_Pprof="1", Content_Type="text/plain; charset=utf-8")
        elif path == "/page":
            self.answer(200, b"<html>no profile</html>", Content_Type="text/html")
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(self.server.profile[:20])
        elif path == "/slow":
            self.server.over.wait(30)
            self.answer(200, self.server.profile)
        elif path == "/secret":
            wanted = "Basic " + base64.b64encode(b":TOKEN").decode()
            if self.headers["Authorization"] == wanted:
                self.answer(200, self.server.profile)
            else:
                self.answer(401, b"no")
        else:
            self.answer(404, b"not here")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = write_profile(tmp_path_factory.mktemp("server") / "p.pb.gz", STACKS)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.profile, server.asked, server.over = path.read_bytes(), [], threading.Event()
    server.at = f"127.0.0.1:{server.server_port}"
    server.base = f"http://{server.at}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()


def profctl(*arguments, **options):
    command = [PROFCTL, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


@pytest.mark.parametrize(
    "options, asked, code",
    [
        (["-u", "BASE"], "/debug/pprof/profile", 0),
        (["BASE"], "/debug/pprof/profile", 0),
        (["-u", "AT", "-t", "3"], "/debug/pprof/profile?seconds=3", 0),
        (["--url", "BASE", "--seconds=4"], "/debug/pprof/profile?seconds=4", 0),
        (["-u", "BASE", "-s", "/own"], "/own", 0),
        (["-u", "BASE/", "--suffix", "/own?pid=7", "-t", "5"], "/own?pid=7&seconds=5", 0),
        (["-u", "BASE/behind", "-s", "/own"], "/behind/own", 1),
        (["-u", "BASE/own?gc=1", "-t", "9"], "/own?gc=1&seconds=9", 0),
        (["-u", "BASE/own?gc=1", "-s", "/more"], None, 2),
        (["-s", "/own"], None, 2),
        (["--inverted", "--colors=mem", "--width=900", "--title=T", "BASE/own"], "/own", 0),
    ],
)
def test_go_torchs_command_line(server, tmp_path, options, asked, code):
    server.asked.clear()
    out = tmp_path / "out.svg"
    options = [o.replace("BASE", server.base).replace("AT", server.at) for o in options]
    result = profctl("flame", *options, "-f", out)
    assert result.returncode == code, result.stderr
    assert server.asked == ([asked] if asked else [])
    assert out.exists() == (code == 0)
    assert code or ">main</text>" in out.read_text()


def test_go_torchs_outputs(server):
    assert "<svg" in profctl("flame", "-u", server.base, "-p").stdout
    raw = profctl("flame", "-u", server.base, "-r").stdout
    assert "main;draw;paint;draw 15\n" in raw
    server.asked.clear()
    wrong = profctl("flame", "-u", server.base, "-inuse_space")
    # A CPU profile lies there, which has none.
    assert wrong.returncode == 2 and "inuse_space" in wrong.stderr
    assert server.asked == ["/debug/pprof/heap"]


def test_any_report_takes_a_url(server):
    assert "parse" in profctl("top", server.base).stdout
    top = profctl("top", f"{server.base}/own")
    assert top.returncode == 0 and "parse" in top.stdout
    both = profctl("export", "--format=folded", f"{server.base}/own", f"{server.base}/moved")
    assert both.returncode == 0 and "main;parse 60\n" in both.stdout


def test_password_in_the_url(server):
    assert profctl("top", f"http://:TOKEN@{server.at}/secret").returncode == 0
    for given in ("", "user:WRONG@"):
        result = profctl("top", f"http://{given}{server.at}/secret")
        assert result.returncode == 1
        assert f"http://{server.at}/secret answers 401; a name and password" in result.stderr
        assert "WRONG" not in result.stderr
    result = profctl("top", f"http://user:WRONG@{server.at}/page")
    assert result.returncode == 1 and "WRONG" not in result.stderr


@pytest.mark.parametrize(
    "path, reason",
    [
        ("/none", "answers 404; profiles are usually below /debug/pprof/"),
        ("/busy", "answers 500: Could not enable CPU profiling: already in use"),
        ("/page", "none that is known to be a profile"),
        ("/cut", "cannot be fetched"),
        ("/loop", "cannot be fetched"),
        ("/file", "cannot be fetched"),
    ],
)
def test_errors_say_what_is_wrong(server, path, reason):
    result = profctl("top", server.base + path)
    assert result.returncode == 1 and result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and reason in lines[0] and server.base + path in lines[0]
    assert "more" not in lines[0]


def test_no_server():
    result = profctl("flame", "-u", "http://127.0.0.1:1")
    assert result.returncode == 1
    assert "http://127.0.0.1:1/debug/pprof/profile cannot be fetched" in result.stderr
    result = profctl("flame", "-u", "no url at all")
    assert result.returncode == 2 and "not the URL of a server" in result.stderr


def test_waits_half_as_long_again_and_five_seconds(server):
    start = time.monotonic()
    result = profctl("top", f"{server.base}/slow?seconds=1")
    assert result.returncode == 1 and "did not answer within 6 s" in result.stderr
    assert time.monotonic() - start > 6


@pytest.fixture(scope="module")
def go_server(tmp_path_factory):
    program = tmp_path_factory.mktemp("go") / "goserver"
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GO111MODULE": "off"}
    source = ROOT / "tests/programs/goserver.go"
    build = [GO, "build", "-o", program, source]
    subprocess.run(build, check=True, env=environment, timeout=300)
    process = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().strip()
    process.kill()
    process.wait()


def test_a_go_program(go_server, tmp_path):
    out = tmp_path / "torch.svg"
    result = profctl("flame", "-u", f"http://{go_server}", "-t", "2", "-f", out)
    assert result.returncode == 0, result.stderr
    assert "main.burnHere (" in out.read_text()
    heap = profctl("flame", "-u", go_server, "--inuse_space", "--colors=mem", "-p")
    assert heap.returncode == 0 and "inuse_space, " in heap.stdout
    goroutines = profctl("top", f"http://{go_server}/debug/pprof/goroutine")
    assert goroutines.returncode == 0 and "main.burnHere" in goroutines.stdout
    nothing = profctl("top", f"http://{go_server}/debug/pprof/nothing")
    assert nothing.returncode == 1 and "answers 404: Unknown profile" in nothing.stderr
