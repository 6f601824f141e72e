# SPDX-License-Identifier: MIT
"""Names from debuginfod's servers, and from some that should not be trusted."""

import gzip
import os
import pty
import signal
import subprocess
import sys

import pytest

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
from profd import PROFCTL, PROGRAMS, ROOT, wait_for

sys.path.insert(0, str(ROOT / "tests/reports"))
from files import Profile  # noqa: E402


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
    result = profctl("symbols", target[0], urls="file:///etc http://a", code=1)
    assert "DEBUGINFOD_URLS: 'file:///etc' is no server" in result.stderr


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
