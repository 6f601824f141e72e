# SPDX-License-Identifier: MIT
"""Reports where it matters what is around them: other files, a terminal, sources, binaries."""

import fcntl
import gzip
import os
import pty
import re
import socket
import struct
import subprocess
import tarfile
import termios
import unicodedata
import urllib.request

import pytest

from browser import Browser
from debug_server import build_id
from profd import PROFCTL, PROGRAMS, ROOT, wait_for
from made_up import HARD_NAMES, STACKS, field, write_profile


@pytest.mark.parametrize("report", [["top"], ["tree"], ["peek", "main"], ["traces"], ["export"]])
def test_a_broken_file_among_others_is_named(tmp_path, report):
    good, broken = write_profile(tmp_path / "good", STACKS), tmp_path / "broken"
    broken.write_text("this is no profile")
    alone = subprocess.run([PROFCTL, *report, good], capture_output=True, timeout=60)
    result = subprocess.run([PROFCTL, *report, good, broken], capture_output=True, timeout=60)
    assert alone.returncode == 0 and not alone.stderr
    assert result.returncode == 1 and result.stdout and b"broken" in result.stderr
    prompt = subprocess.run([PROFCTL, good, broken], input=b"top1", capture_output=True, timeout=60)
    assert prompt.returncode == 1 and b"draw" in prompt.stdout


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("--socket /nowhere status --json", "status --socket /nowhere --json"),
        ("--json status", "status --json"),
        ("-top profile", "top profile"),
        ("--seconds 3 record -- top", "record --seconds 3 -- top"),
        ("--json=yes --pid 4 top", "top --json=yes --pid 4"),
    ],
)
def test_a_command_behind_its_options_is_understood(tmp_path, typed, meant):
    command = [PROFCTL, *typed.split()]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2 and not result.stdout
    assert result.stderr == f"profctl: the command comes first: profctl {meant}\n"


def test_values_and_files_that_are_called_like_commands(tmp_path):
    write_profile(tmp_path / "top", STACKS)
    for typed in (["--hide", "tree", "top"], ["-lines", "top"]):
        result = subprocess.run(
            [PROFCTL, *typed], cwd=tmp_path, input=b"comments", capture_output=True, timeout=60
        )
        assert result.returncode == 0, result.stderr


# ---- on a terminal --------------------------------------------------------------------------------

COLOURS = re.compile(r"\x1b\[(?:0|1|2|1;31)m")


def on_terminal(*arguments, columns=200, typed="", **environment):
    """(exit code, what a terminal of that size gets)"""
    us, them = pty.openpty()
    fcntl.ioctl(them, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", **environment}
    environment.pop("NO_COLOR" if not environment.get("NO_COLOR") else "", None)
    program = subprocess.Popen(
        [PROFCTL, *map(str, arguments)], stdin=subprocess.PIPE, stdout=them,
        stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip
    os.close(them)
    program.stdin.write(typed.encode())
    program.stdin.close()
    text = b""
    try:
        while data := os.read(us, 65536):
            text += data
    except OSError:
        pass  # its side is closed
    os.close(us)
    return program.wait(timeout=60), text.decode().replace("\r\n", "\n")


def in_pipe(*arguments):
    result = subprocess.run([PROFCTL, *map(str, arguments)], capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout.decode()


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Short names, and long and hard ones."""
    folder = tmp_path_factory.mktemp("named")
    short = write_profile(folder / "short", STACKS)
    names = [*HARD_NAMES, "\x1b[2Jx\x1b[1;31mred", "n" * 4096, "größe::" * 30, "🔥" * 200, "日本語" * 70]
    hard = write_profile(folder / "hard", {("main", name): 5 + i for i, name in enumerate(names)})
    return short, hard


REPORTS = [["top"], ["top", "-cum"], ["tree"], ["peek", "draw"], ["traces"], ["tags"], ["raw"]]


@pytest.mark.parametrize("report", REPORTS)
def test_colours_only_on_a_terminal(named, report):
    short, _ = named
    plain = in_pipe(*report, short)
    assert "\x1b" not in plain
    code, text = on_terminal(*report, short)
    assert code == 0 and COLOURS.sub("", text) == plain
    if report[0] not in ("raw", "tags"):  # there are no labels
        assert "\x1b[1m" in text
    for line in text.splitlines():  # each ends what it began
        assert not COLOURS.search(line) or line.rfind("\x1b[0m") > line.rfind("\x1b[1")
    for unwanted in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}):
        assert on_terminal(*report, short, **unwanted) == (0, plain)


def test_shares_that_matter_are_seen(named):
    short, _ = named
    _, text = on_terminal("top", short)
    rows = {line.split()[-1]: line for line in text.splitlines() if "%" in line}
    assert rows["draw"].startswith("\x1b[1;31m") and rows["parse"].startswith("\x1b[1;31m")
    assert rows["wait"].startswith(" ") and rows["main"].startswith("\x1b[2m")
    _, text = on_terminal("top", "-cum", short)
    rows = {line.split()[-1]: line for line in text.splitlines() if "%" in line}
    assert "\x1b[1;31m" in rows["main"] and rows["main"].startswith("\x1b[2m")


def test_prompt_has_colours_too(named):
    short, _ = named
    code, text = on_terminal(short, typed="top\n")
    assert code == 0 and "\x1b[1m      flat" in text and "\x1b[1;31m" in text


def columns_of(row):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in row)


@pytest.mark.parametrize("columns", [20, 80, 132, 300])
@pytest.mark.parametrize("report", [["top"], ["traces"], ["tree"]])
def test_rows_fit(named, report, columns):
    _, hard = named
    code, text = on_terminal(*report, hard, columns=columns)
    assert code == 0
    # What others called their functions is not obeyed.
    assert "\x1b" not in COLOURS.sub("", text)
    rows = COLOURS.sub("", text).splitlines()
    used = {"top": 44, "traces": 13, "tree": 62}[report[0]]
    rows = [row for row in rows if "main" not in row and "---" not in row]
    longest = max(map(columns_of, rows))
    assert longest <= max(columns, used + 32), max(rows, key=columns_of)
    # All of the width is used, and names that fit are whole.
    assert longest == max(columns, used + 32) or columns > 200
    assert ("operator<<" in text) and ("…" in text)
    assert (("größe::" * 30) in text) == (columns - used >= 210)


def test_names_with_a_newline_do_not_break_rows(named, tmp_path):
    assert "tab\tand?line" in on_terminal("traces", named[1])[1]
    assert "tab\tand\nline" in in_pipe("traces", named[1])
    strings = ["", "samples", "count", "main", "exe", "/bin/new\nline"]
    label, mapping = field(3, field(1, 4) + field(2, 5)), field(1, 1) + field(3, 1 << 20) + field(5, 5)
    data = field(1, field(1, 1) + field(2, 2)) + field(5, field(1, 1) + field(2, 3)) + field(3, mapping)
    data += field(4, field(1, 1) + field(2, 1) + field(3, 9) + field(4, field(1, 1)))
    data += field(2, field(1, b"\1") + field(2, b"\5") + label)
    labelled = tmp_path / "labelled"
    labelled.write_bytes(gzip.compress(data + b"".join(field(6, s.encode()) for s in strings)))
    for report, n in ("top", 1), ("tags", 1), ("traces", 2):
        text = on_terminal(report, labelled)[1]
        assert text.count("new?line") == n and "new\nline" not in text, text
        assert in_pipe(report, labelled).count("new\nline") == n


def test_differences_have_colours(named, tmp_path):
    more = write_profile(tmp_path / "more", {**STACKS, ("main", "late"): 900})
    code, text = on_terminal("diff", named[0], more)
    late = next(line for line in text.splitlines() if line.endswith("late"))
    assert code == 0 and late.startswith("\x1b[1;31m") and "*" in late
    assert COLOURS.sub("", text) == in_pipe("diff", named[0], more)


def test_a_browser_that_fails_shows_nothing(named, tmp_path):
    for browser, code in ("/bin/true", 0), ("/bin/false", 1), ("/bin/false -new-window", 1):
        environment = {**os.environ, "BROWSER": browser, "TMPDIR": str(tmp_path)}
        command = [PROFCTL, "weblist", "draw", named[0]]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert result.returncode == code, result.stderr
        assert ("is being shown" in result.stderr) == (not code)
        assert (f"BROWSER: '{browser}' failed" in result.stderr) == bool(code)


# ---- sources and instructions ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def burn(tmp_path_factory):
    path = tmp_path_factory.mktemp("burn") / "burn.pb.gz"
    command = [PROFCTL, "record", "--standalone", "--frequency", "499", "-o", path, "--"]
    subprocess.run([*command, PROGRAMS / "burn3", "1"], check=True, capture_output=True, timeout=60)
    return path


def listed(burn, *arguments):
    """{line: (flat, cum)} of list; 0 for none."""
    lines = {}
    for row in in_pipe("list", *arguments, "-unit=ns", "-source_path", ROOT, burn).splitlines():
        if found := re.match(r" *(\S+) +(\S+) +(\d+):", row):
            flat, cum = (int(n.removesuffix("ns").replace(".", "0")) for n in found.groups()[:2])
            lines[int(found[3])] = flat, cum
    return lines


SHOWN = "return [...document.querySelectorAll('.asm div')].filter(d => d.checkVisibility())"


def test_weblist_opens_lines(burn, tmp_path):
    page = tmp_path / "page.html"
    in_pipe("weblist", "^burn_sixty$", "-unit=ns", "-source_path", ROOT, "-o", page, burn)
    lines = listed(burn, "^burn_sixty$")
    browser = Browser()
    try:
        browser.open(page)
        assert browser.text("h2") == "burn_sixty" and browser.problems() == []
        assert browser.run(SHOWN + ".length") == 0
        hottest = max(lines, key=lambda line: lines[line][1])
        line = f"[...document.querySelectorAll('summary.line')].find(s => +s.children[0].textContent === {hottest})"
        browser.run(f"{line}.id = 'hot'")
        browser.click("#hot")
        rows = browser.run(SHOWN + ".map(d => d.textContent)")
        found = [re.match(r" *(\S+) +(\S+) +([0-9a-f]+): +(\w+)", row) for row in rows]
        found = [row for row in found if row]
        # All that was counted in the line was counted in its instructions.
        cum = sum(int(row[2].removesuffix("ns").replace(".", "0")) for row in found)
        assert cum == lines[hottest][1] > 0
        assert len({row[3] for row in found}) == len(found) > 1
        # Without a script as well: by keyboard.
        browser.run("document.querySelector('#hot').focus()")
        browser.keys("Enter")
        assert browser.run(SHOWN + ".length") == 0
        browser.click("#open")
        everything = browser.run(SHOWN + ".map(d => d.textContent)")
        assert len(everything) > len(rows)
        # What was inlined stands with its own source.
        assert any("mark: churn-first" in row and "burn3.c:" in row for row in everything)
        for theme in ("light", "dark"):
            browser.prefer(theme)
            browser.screenshot(tmp_path / f"{theme}.png")
        browser.click("#close")
        assert browser.run(SHOWN + ".length") == 0
    finally:
        browser.close()


def test_weblist_finds_a_program_that_was_named_from_here(burn):
    command = [PROFCTL, "weblist", "^burn_sixty$", "-o", "-", "./burn3", burn]
    result = subprocess.run(command, cwd=PROGRAMS, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and "no instructions" not in result.stderr
    assert '<div class="asm">' in result.stdout


def test_weblist_without_a_binary(burn, tmp_path):
    """The lines are there; that there are no instructions is said once."""
    gone = tmp_path / "gone.pb.gz"
    name = str(PROGRAMS / "burn3").encode()
    data = gzip.decompress(burn.read_bytes())
    assert name in data
    gone.write_bytes(gzip.compress(data.replace(name, name[:-1] + b"0")))
    command = [PROFCTL, "weblist", "burn_", "-source_path", ROOT, "-o", "-", gone]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and result.stderr.count("no instructions: cannot open") == 1
    assert "burn_sixty" in result.stdout
    assert '<div class="asm">' not in result.stdout


def test_costs_are_put_at_instructions_of_the_same_build_only(burn, tmp_path):
    other = tmp_path / "other.pb.gz"
    data, ours = gzip.decompress(burn.read_bytes()), build_id(PROGRAMS / "burn3").encode()
    assert ours in data
    other.write_bytes(gzip.compress(data.replace(ours, ours[::-1])))
    assert "mov" in in_pipe("disasm", "burn_sixty", burn)
    reason = f"burn3 is another build now: the profile is of build-id {ours[::-1].decode()}"
    for report in ["disasm"], ["weblist", "-o", "-"]:
        command = [PROFCTL, *report, "burn_sixty", "-source_path", ROOT, other]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert reason in result.stderr
        assert "mov" not in result.stdout
    for function in "burn_sixty", "churn":  # which is inlined
        result = disasm(function, other)
        assert result.returncode == 1 and result.stderr.count("\n") == 1
        assert "no instructions: " in result.stderr and reason in result.stderr
    assert "no matches found for regexp nowhere" in disasm("nowhere", other).stderr


def disasm(function, file):
    command = [PROFCTL, "disasm", function, file]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_instructions_of_what_is_inlined(burn):
    result = disasm("^churn$", burn)
    assert result.returncode == 1
    assert re.search(r"matches \^churn\$ is inlined, as into burn_\w+; ", result.stderr)


def test_instructions_by_the_name_that_reports_have(burn, tmp_path):
    """Demangled, say, where the binary has the symbol."""
    other, data = tmp_path / "other.pb.gz", gzip.decompress(burn.read_bytes())
    assert b"burn_sixty" in data
    other.write_bytes(gzip.compress(data.replace(b"burn_sixty", b"ns::sixty_")))
    head, by_name = in_pipe("disasm", "ns::sixty", other).split("\n", 2)[1:]
    assert head.endswith(" ns::sixty_") and "mov" in by_name
    by_symbol = in_pipe("disasm", "burn_sixty|ns::sixty", other)
    assert " burn_sixty\n" in by_symbol and " ns::sixty_\n" not in by_symbol


# ---- debuginfod -----------------------------------------------------------------------------------

GONE = "/usr/src/gone-by-now"
BUSY = """#include <stdint.h>
volatile uint64_t sink;
__attribute__((noinline)) void busy(void)
{
	for (uint64_t i = 0; i < 2000000000; i++)
		sink += i; /* mark: sum */
}
int main(void)
{
	busy();
	return 0;
}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A profile of a program whose source only a server has, in an archive; and that server's URL."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "busy.c").write_text(BUSY)
    flags = ["-g", "-O1", f"-ffile-prefix-map={folder}={GONE}", "-Wl,--build-id=sha1"]
    subprocess.run(["cc", *flags, "-o", folder / "busy", folder / "busy.c"], check=True)
    command = [PROFCTL, "record", "--standalone", "--frequency", "499", "-o", folder / "busy.pb.gz"]
    subprocess.run([*command, "--", folder / "busy"], check=True, capture_output=True, timeout=120)
    (folder / "archives").mkdir()
    with tarfile.open(folder / "archives/busy.tar", "w") as archive:
        archive.add(folder / "busy", "usr/bin/busy")
        archive.add(folder / "busy.c", f"{GONE[1:]}/busy.c")
    (folder / "busy.c").unlink()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with open(folder / "server.log", "wb") as log:
        server = subprocess.Popen(
            ["debuginfod", "-p", str(port), "-d", ":memory:", "-Z", ".tar", folder / "archives"],
            stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
    try:
        found = re.search(r"Build ID: (\w+)", in_pipe("top", folder / "busy.pb.gz"))[1]

        def is_scanned():
            assert server.poll() is None, (folder / "server.log").read_text()
            try:
                urllib.request.urlopen(f"{url}/buildid/{found}/source{GONE}/busy.c", timeout=5)
                return True
            except OSError:
                return False

        wait_for(is_scanned, 60, "the server's scan")
        yield folder / "busy.pb.gz", url
    finally:
        server.terminate()
        server.wait(30)


def ask(report, profile, tmp_path, urls, **environment):
    environment |= {"DEBUGINFOD_URLS": urls, "DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache")}
    return subprocess.run(
        [PROFCTL, *report, profile], capture_output=True, text=True, timeout=100,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize("report", [["list", "^busy$"], ["weblist", "^busy$", "-o", "-"]])
def test_sources_come_from_debuginfod(served, tmp_path, report):
    profile, url = served
    alone = ask(report, profile, tmp_path, "")
    assert alone.returncode == 0 and "mark: sum" not in alone.stdout
    assert "no such file or directory" in alone.stdout and "debuginfod" not in alone.stdout
    result = ask(report, profile, tmp_path, url)
    assert result.returncode == 0 and "Error" not in result.stdout, result.stdout
    row = next(row for row in result.stdout.splitlines() if "mark: sum" in row)
    assert re.search(r"\d+(\.\d+)?m?s", row)
    # It is kept, and not asked for again.
    again = ask(report, profile, tmp_path, "http://127.0.0.1:9")
    assert again.stdout == result.stdout


def test_debuginfod_failures_are_explained(served, tmp_path):
    profile, url = served
    refused = ask(["list", "busy"], profile, tmp_path, "http://127.0.0.1:9")
    assert refused.returncode == 0 and "debuginfod: Connection refused" in refused.stdout
    # Another path than the server knows.
    other = tmp_path / "other.pb.gz"
    data = gzip.decompress(profile.read_bytes()).replace(b"gone-by-now/busy.c", b"gone-by-now/lazy.c")
    other.write_bytes(gzip.compress(data))
    unknown = ask(["list", "^busy$"], other, tmp_path, url)
    assert unknown.returncode == 0 and "lazy.c" in unknown.stdout
    assert "debuginfod: no server has it" in unknown.stdout
    # A profile as of gperftools, which knows no build ids.
    build_id = re.search(r"Build ID: (\w+)", in_pipe("top", profile))[1].encode()
    data = gzip.decompress(profile.read_bytes()).replace(build_id, b"?" * len(build_id))
    other.write_bytes(gzip.compress(data))
    nameless = ask(["list", "^busy$"], other, tmp_path, url)
    assert "debuginfod: the profile has no build id for it" in nameless.stdout
    # One that takes the question and never answers.
    (tmp_path / "late").mkdir()
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        silent = f"http://127.0.0.1:{mute.getsockname()[1]}"
        late = ask(["list", "busy|main"], profile, tmp_path / "late", silent, DEBUGINFOD_TIMEOUT="1")
    assert late.returncode == 0 and late.stdout.count("debuginfod: no answer in 1 s") >= 1
