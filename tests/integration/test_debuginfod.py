# SPDX-License-Identifier: MIT
"""Names from debuginfod's servers, and from some that should not be trusted."""

import gzip
import os
import pty
import shutil
import signal
import subprocess
import sys

import pytest

import pprof
from debug_server import (
    Misbehaved,
    build_id,
    debuginfod,
    gone_url,
    has_none,
    is_endless,
    is_silent,
    is_slow,
    redirects,
    sends,
    stripped,
)
from profd import BUILD, PROFCTL, PROGRAMS, ROOT, Program, wait_for

sys.path.insert(0, str(ROOT / "tests/reports"))
from files import Profile  # noqa: E402

PROFD_NET = str(BUILD / "profd-net")


@pytest.fixture
def target(tmp_path):
    """(program without symbols, its debug file)."""
    return stripped(tmp_path)


@pytest.fixture
def profctl(tmp_path):
    """Runs it with a cache of its own, and few patience."""

    def run(*arguments, urls="", code=0, **environment):
        result = subprocess.run(
            [PROFCTL, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            env={
                **os.environ,
                "DEBUGINFOD_URLS": urls,
                "DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache"),
                "DEBUGINFOD_TIMEOUT": "1",
                **environment,
            },
        )
        assert result.returncode == code, result.stderr
        return result

    return run


def left_over(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


# ---- profctl --------------------------------------------------------------------------------------


def test_symbols_fetches_what_is_missing(tmp_path, target, profctl):
    program, debug = target
    with debuginfod(tmp_path, debug) as url:
        output = profctl("symbols", program, urls=url).stdout
        kept = tmp_path / "cache" / build_id(program) / "debuginfo"
        assert f"names: DWARF in {kept}, from debuginfod" in output
        assert "debuginfod: has it\n" in output
        assert kept.read_bytes() == debug.read_bytes()
    # Now nobody is needed for it, and others find it, too.
    output = profctl("symbols", program, urls=gone_url()).stdout
    assert f"names: DWARF in {kept}" in output and "fetched before" in output
    found = subprocess.run(
        ["debuginfod-find", "debuginfo", build_id(program)],
        env={**os.environ, "DEBUGINFOD_CACHE_PATH": str(kept.parents[1])}
        | {"DEBUGINFOD_URLS": gone_url()},
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == str(kept) or "not found" in found.stderr


def test_nobody_is_asked_for_what_is_here(tmp_path, profctl):
    paths = [PROGRAMS / name for name in ("burn3", "burn3-debuglink", "burn3-buildid")]
    with Misbehaved(has_none) as server:
        output = profctl(
            "symbols", "--debug_dirs", PROGRAMS / "debug", *paths, urls=server.url
        ).stdout
        assert not server.asked
        assert output.count("names: ") == output.count("DWARF") == 3
        profctl("symbols", PROGRAMS / "burn3-buildid", urls=server.url)
        assert server.asked == [f"/buildid/{build_id(paths[2])}/debuginfo"]


def test_nobody_is_asked_without_servers(target, profctl):
    output = profctl("symbols", target[0]).stdout
    assert "debuginfod" not in output and "has exported functions only" in output


def test_a_shared_file_is_fetched_with_the_one_that_needs_it(tmp_path, profctl):
    """A debug file that dwz took something out of."""
    program, debug = tmp_path / "burner", tmp_path / "burner.debug"
    subprocess.run(["strip", "-o", program, PROGRAMS / "burn3-dwz"], check=True)
    subprocess.run(["objcopy", "--only-keep-debug", PROGRAMS / "burn3-dwz", debug], check=True)
    common = PROGRAMS / "burn3-dwz.common"
    files = {build_id(path): path.read_bytes() for path in (debug, common)}

    def answer(handler):
        sends(files[handler.path.split("/")[2]])(handler)

    with Misbehaved(answer) as server:
        output = profctl("symbols", program, urls=server.url).stdout
    assert "from debuginfod" in output and "debuginfod, of the file that it shares" in output
    assert {path.parent.name for path in left_over(tmp_path / "cache")} == set(files)


BAD = {
    "has-none": (has_none, "no server has it"),
    "slow": (is_slow, "is too slow"),
    "silent": (is_silent, "is too slow"),
    "lying": (sends((PROGRAMS / "burn3").read_bytes()), "of another build-id: it is not used"),
    "junk": (sends(b"<html>sorry</html>" * 100), "no ELF file: it is not used"),
    "empty": (sends(b""), "no ELF file: it is not used"),
    "huge": (sends(b"", 1 << 40), "of more than 1 MiB: not fetched"),
    "endless": (is_endless, "of more than 1 MiB: not fetched"),
    "redirects": (redirects, "redirects"),
    "truncated": (sends(b"\177ELF" * 100, 4000), "cannot be used"),
    "unwell": (lambda handler: handler.send_error(503), "answers 503"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_servers_are_named_and_not_used(tmp_path, target, profctl, kind):
    answer, expected = BAD[kind]
    with Misbehaved(answer) as server:
        output = profctl(
            "symbols", target[0], urls=server.url, DEBUGINFOD_MAXSIZE=str(1 << 20)
        ).stdout
    assert "names: its .dynsym" in output
    said = next(line for line in output.splitlines() if "debuginfod:" in line)
    assert expected in said
    assert kind == "has-none" or server.url in said
    assert not left_over(tmp_path / "cache")


def test_a_server_that_is_gone(target, profctl):
    url = gone_url()
    output = profctl("symbols", target[0], urls=url).stdout
    assert f"debuginfod: {url} cannot be used: " in output


@pytest.mark.parametrize("bad", ["lying", "slow", "has-none", "redirects"])
def test_the_next_server_is_asked(tmp_path, target, profctl, bad):
    program, debug = target
    with Misbehaved(BAD[bad][0]) as first, Misbehaved(sends(debug.read_bytes())) as second:
        output = profctl("symbols", program, urls=f"{first.url}/ {second.url}").stdout
    assert "DWARF in" in output and "from debuginfod" in output


def test_servers_that_are_none(target, profctl):
    result = profctl("symbols", target[0], urls="file:///etc http://a")
    assert "DEBUGINFOD_URLS: 'file:///etc' is no server" in result.stderr
    assert "names: its .dynsym" in result.stdout and "debuginfod:" not in result.stdout


def test_a_password_is_not_shown(target, profctl):
    url = gone_url().replace("//", "//somebody:secret@")
    output = profctl("symbols", target[0], urls=url).stdout
    assert "secret" not in output and "cannot be used" in output


def test_symbolize_fetches(tmp_path, target, profctl):
    program, debug = target
    text = subprocess.run(
        ["nm", PROGRAMS / "burn3-whole-stripped"], capture_output=True, text=True, check=True
    )
    at = next(int(row.split()[0], 16) for row in text.stdout.splitlines() if "burn_sixty" in row)
    profile = Profile()
    mapping = profile.mapping(str(program), 0, 1 << 20, 0, build_id(program), flags=0)
    profile.sample([profile.location(at + 4, mapping=mapping)], [1, 1])
    path, out = tmp_path / "in.pb.gz", tmp_path / "out.pb.gz"
    path.write_bytes(gzip.compress(profile.encode()))
    with debuginfod(tmp_path, debug) as url:
        told = profctl("symbolize", "-o", out, path, urls=url).stderr
    assert "1 of 1 addresses named, by DWARF in" in told
    top = profctl("top", "-lines", "--symbolize=none", out).stdout
    assert "burn_sixty" in top and "burn3.c:" in top


def test_symbolize_fetches_programs_of_other_hosts(tmp_path, profctl):
    """Which are not here, or are other ones here."""
    whole = PROGRAMS / "burn3-whole-stripped"
    text = subprocess.run(["nm", whole], capture_output=True, text=True, check=True)
    at = next(int(row.split()[0], 16) for row in text.stdout.splitlines() if "burn_sixty" in row)
    profile = Profile()
    for path, start in (("/nowhere/burner", 0), (str(PROGRAMS / "burn3"), 1 << 30)):
        mapping = profile.mapping(path, start, start + (1 << 20), 0, build_id(whole), flags=0)
        profile.sample([profile.location(start + at + 4, mapping=mapping)], [1, 1])
    path, out = tmp_path / "in.pb.gz", tmp_path / "out.pb.gz"
    path.write_bytes(gzip.compress(profile.encode()))
    told = profctl("symbolize", "-o", out, path, urls=gone_url(), code=1).stderr
    assert "No such file" in told and "another one now" in told and "cannot be used" in told
    with debuginfod(tmp_path, whole) as url:
        told = profctl("symbolize", "-o", out, path, urls=url).stderr
    assert told.count("1 of 1 addresses named") == 2
    top = profctl("top", "-lines", "--symbolize=none", out).stdout
    assert "burn_sixty" in top and "burn3.c:" in top and "100%" in top


def test_ctrl_c_ends_a_transfer(tmp_path, target):
    """As at a terminal, which sees how far it is."""
    program, debug = target
    with Misbehaved(is_slow) as server:
        ours, theirs = pty.openpty()
        environment = {
            **os.environ,
            "DEBUGINFOD_URLS": server.url,
            "DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache"),
        }
        process = subprocess.Popen(
            [PROFCTL, "symbols", str(program)],
            stderr=theirs,
            stdout=subprocess.PIPE,
            env=environment,
            # Whoever runs the tests in the background ignores it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        shown = b""

        def progress():
            nonlocal shown
            shown += os.read(ours, 4096)
            return b"of 1.0 MiB" in shown

        wait_for(progress, 20, "progress")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=10)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == -signal.SIGINT
    assert not output and not left_over(tmp_path / "cache")


# ---- profd and profd-net --------------------------------------------------------------------------


class Fetcher:
    """A private profd-net beside a daemon."""

    def __init__(self, daemon, url, environment=(), **options):
        self.log = daemon.store.parent / "profd-net.log"
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        command = [PROFD_NET, "--foreground", "--store", daemon.store, "--debuginfod", url, *flags]
        environment = {**os.environ, "DEBUGINFOD_TIMEOUT": "1", **dict(environment)}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command)], stdout=log, stderr=log, env=environment
            )

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        print(self.log.read_text())

    def stop(self):
        self.process.terminate()
        assert self.process.wait(10) == 0, self.log.read_text()


def fetching(daemon, key=None):
    status = daemon.status()["debuginfod"]
    return status[key] if key else status


def functions(daemon, burner):
    """Names and files of the frames of one more window; others may run the same program."""
    samples = pprof.read(daemon.close_window()).select(pid=burner.pid)
    return {(f.name, bool(f.file)) for sample in samples for f in sample.frames}


def kept(daemon, number):
    return daemon.store / ".cache/debuginfod/.build-id" / number[:2] / f"{number[2:]}.debug"


def notes(daemon):
    return " ".join(daemon.status()["notes"])


def test_later_windows_have_the_names(tmp_path, target, new_daemon):
    program, debug = target
    number = build_id(program)
    with debuginfod(tmp_path, debug) as url, Program(program, 60) as burner:
        daemon = new_daemon(window=3600, frequency=99, debuginfod=url).start()
        # Nobody asks yet; no window waits for it.
        wait_for(lambda: daemon.status()["samples"]["taken"] > 150)
        assert not any(name == "burn_sixty" for name, _ in functions(daemon, burner))
        assert "systemctl enable --now profd-net" in notes(daemon)
        status = fetching(daemon)
        assert not status["profd_net_runs"] and status["servers"] == url
        with Fetcher(daemon, url) as fetcher:
            wait_for(lambda: kept(daemon, number).exists(), 20)
            wait_for(lambda: fetching(daemon, "fetched") >= 1)
            wait_for(lambda: ("burn_sixty", True) in functions(daemon, burner), 30)
            status = fetching(daemon)
            assert status["profd_net_runs"] and "profd-net" not in notes(daemon)
            assert status["kept_bytes"] >= debug.stat().st_size <= status["fetched_bytes"]
            text = daemon.ctl("status").stdout
            assert "debuginfod" in text and url in text
            assert kept(daemon, number).read_bytes() == debug.read_bytes()
            wait_for(lambda: not fetching(daemon, "waiting"), 20)
            assert fetching(daemon, "unknown_to_servers") >= 1
            fetcher.stop()
        # It is not asked for again, also not by the next profd.
        daemon.stop()
        log = tmp_path / "debuginfod.log"
        asked = f"GET /buildid/{number}"
        before = log.read_text().count(asked)
        daemon.start()
        with Fetcher(daemon, url):
            wait_for(lambda: ("burn_sixty", True) in functions(daemon, burner), 30)
            wait_for(lambda: not fetching(daemon, "waiting"), 20)
        assert log.read_text().count(asked) == before > 0


@pytest.mark.parametrize("kind", ["slow", "lying", "huge", "endless", "redirects", "truncated"])
def test_bad_servers_are_told_and_do_no_harm(tmp_path, target, new_daemon, kind):
    answer, expected = BAD[kind]
    program, _ = target
    with Misbehaved(answer) as server, Program(program, 60) as burner:
        daemon = new_daemon(window=3600, frequency=99, debuginfod=server.url).start()
        limit = {"DEBUGINFOD_MAXSIZE": str(1 << 20)}
        with Fetcher(daemon, server.url, limit) as fetcher:
            wait_for(lambda: daemon.status()["samples"]["taken"] > 150)
            functions(daemon, burner)
            wait_for(lambda: fetching(daemon, "failed"), 20)
            status = fetching(daemon)
            assert expected in status["last_failure"] and server.url in status["last_failure"]
            assert not status["fetched"] and not status["kept_files"]
            assert not any(name == "burn_sixty" for name, _ in functions(daemon, burner))
            if kind in ("slow", "redirects", "truncated"):
                # It is left alone for a while, and what it may have waits.
                asked = len(server.asked)
                assert status["waiting"]
                functions(daemon, burner)
                assert len(server.asked) == asked
            fetcher.stop()
    assert not list((daemon.store / ".cache/debuginfod").rglob("*.debug"))
    assert not list((daemon.store / ".cache/debuginfod").rglob(".fetching-*"))


def test_a_server_that_comes_back(tmp_path, target, new_daemon):
    """The second of two is gone, and then is not."""
    program, debug = target
    with Program(program, 60) as burner:
        daemon = new_daemon(window=3600, frequency=99, debuginfod=gone_url()).start()
        with Fetcher(daemon, fetching(daemon, "servers")) as fetcher:
            wait_for(lambda: daemon.status()["samples"]["taken"] > 150)
            functions(daemon, burner)
            wait_for(lambda: fetching(daemon, "failed"), 20)
            assert fetching(daemon, "waiting") and "cannot be used" in fetching(
                daemon, "last_failure"
            )
            fetcher.stop()
        assert not fetching(daemon, "profd_net_runs")
        # Requests have waited for it.
        with Misbehaved(sends(debug.read_bytes())) as server, Fetcher(daemon, server.url):
            wait_for(lambda: kept(daemon, build_id(program)).exists(), 20)
            wait_for(lambda: ("burn_sixty", True) in functions(daemon, burner), 30)


def test_a_request_is_a_build_id(tmp_path, new_daemon):
    """Whatever else lies in the folder is thrown away, and asked of nobody."""
    daemon = new_daemon(window=3600, types="").start()
    with Misbehaved(has_none) as server, Fetcher(daemon, server.url):
        wanted = daemon.store / ".cache/debuginfod/wanted"
        wait_for(wanted.is_dir)
        for name in ["..%2f..%2fetc", "x" * 40, "A" * 40, "a" * 130, "ab", "abcdef012"]:
            (wanted / name).touch()
        (wanted / ("b" * 40)).mkdir()
        (wanted / ("c" * 40)).symlink_to("/etc/passwd")
        (wanted / ("a" * 40)).touch()
        wait_for(lambda: not list(wanted.iterdir()))
        assert server.asked == [f"/buildid/{'a' * 40}/debuginfo"]
        # The cache may be deleted at any time.
        shutil.rmtree(wanted.parent, ignore_errors=True)
        wait_for(wanted.is_dir)


def test_what_is_kept_has_a_limit(tmp_path, new_daemon):
    """The least recently used file goes first, and one that is too large never comes."""
    daemon = new_daemon(window=3600, types="").start()
    image = bytearray((PROGRAMS / "burn3-whole-stripped").read_bytes())
    number = bytes.fromhex(build_id(PROGRAMS / "burn3-whole-stripped"))
    at = image.index(number)

    def answer(handler):
        wanted = bytes.fromhex(handler.path.split("/")[2])
        size = (9 if wanted[1] else 5) << 20
        data = bytes(image[:at]) + wanted + bytes(image[at + len(number) :])
        sends(data + os.urandom(size - len(data)))(handler)

    folder = daemon.store / ".cache/debuginfod"
    with Misbehaved(answer) as server, Fetcher(daemon, server.url, debuginfod_size="16M"):
        names = [f"{i:02x}" + "00" * 19 for i in range(1, 5)]
        wait_for((folder / "wanted").is_dir)
        for i, name in enumerate(names):
            (folder / "wanted" / name).touch()
            wait_for(lambda n=name: kept(daemon, n).exists(), 60)
            if i == 2:
                past = os.stat(kept(daemon, names[0])).st_mtime
                os.utime(kept(daemon, names[0]), (past + 10, past))
        wait_for(lambda: not kept(daemon, names[1]).exists(), 60)
        assert [kept(daemon, name).exists() for name in names] == [True, False, True, True]
        large = "05ff" + "00" * 18
        (folder / "wanted" / large).touch()
        wait_for(lambda: (folder / "missing" / large).exists(), 60)
        assert "of more than 8 MiB" in (folder / "state").read_text()


def test_without_servers_there_is_nothing_to_do(tmp_path, daemon):
    result = subprocess.run(
        [PROFD_NET, "--store", str(tmp_path)], capture_output=True, text=True, timeout=10
    )
    assert result.returncode == 0 and "names no server" in result.stderr
    assert daemon.status()["debuginfod"] == {"servers": ""}
    result = subprocess.run([PROFD_NET, "--nonsense"], capture_output=True, text=True, timeout=10)
    assert result.returncode == 2


def test_one_at_a_time(tmp_path, new_daemon):
    daemon = new_daemon(window=3600, types="").start()
    url = gone_url()
    with Fetcher(daemon, url):
        wait_for((daemon.store / ".cache/debuginfod/state").exists)
        command = [PROFD_NET, "--store", str(daemon.store), "--debuginfod", url]
        result = subprocess.run(command, capture_output=True, text=True, timeout=10)
        assert result.returncode == 1 and "another profd-net" in result.stderr
