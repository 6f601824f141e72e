# SPDX-License-Identifier: MIT
"""profctl leaks, of programs whose leaks are known, and of series of made-up profiles."""

import contextlib
import json
import os
import pty
import re
import subprocess

import pytest

import pprof
from made_up import HEAP, write_profile
from profd import PROFCTL, PROGRAMS, Program, pprof_tool, wait_for

LEAKS = PROGRAMS / "heap/leaks"
SECONDS = 2
RATE = 4096
KB, MB = 1 << 10, 1 << 20


def report(daemon, *arguments, **options):
    """Of `profctl leaks … -- CMD`; what the command prints comes before it."""
    command = ["leaks", "--json", "--min", "1K", *arguments]
    output = daemon.ctl(*command, stdin=subprocess.DEVNULL, **options).stdout
    return json.loads(output[output.index("{") :])


def verdicts(found):
    """{leaf function: verdict}; the likeliest leak of each comes first."""
    out = {}
    for stack in found["stacks"]:
        out.setdefault(stack["frames"][0]["function"], stack["verdict"])
    return out


def check(found, leak="leak"):
    leaks = [s for s in found["stacks"] if s["verdict"] == "grows"]
    assert [s["frames"][0]["function"] for s in leaks] == [leak], found
    assert found["stacks"][0] is leaks[0] and found["leaks"] == 1
    assert leaks[0]["growth_bytes_per_minute"] > 3 * leaks[0]["growth_deviation"] > 0
    assert leaks[0]["freed_later"] == 0 and "nothing of it is freed after" in leaks[0]["why"]
    return leaks[0]


@pytest.mark.parametrize("what", ["all", "child"])
def test_a_leak_and_what_looks_like_one(quiet_daemon, what):
    found = report(quiet_daemon, "--sample-bytes", RATE, "--", LEAKS, what, SECONDS)
    leak = check(found)
    assert leak["freed_quickly"] > 0.9
    assert sum(age["bytes"] for age in leak["ages"]) == pytest.approx(leak["bytes"])
    of = verdicts(found)
    assert of["cache"] == "stopped" and of["start_up"] in ("steady", "stopped")


def test_a_leak_of_a_library_that_is_closed(quiet_daemon):
    library = PROGRAMS / "heap/leaking.so"
    command = ["--sample-bytes", 512, "--", LEAKS, "plugin", SECONDS, library]
    assert check(report(quiet_daemon, *command), "plugin_leak")["freed_quickly"] == 0


def test_of_a_process_that_runs(quiet_daemon, tmp_path):
    """By uprobes; the file has the ages."""
    out = tmp_path / "leaks.pb.gz"
    with Program(LEAKS, "all", 30, stdin=subprocess.PIPE) as program:
        command = ["--pid", program.pid, "--seconds", SECONDS, "--sample-bytes", RATE, "-o", out]
        profctl = subprocess.Popen(
            [PROFCTL, "leaks", "--min", "1K", *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=quiet_daemon.environment,
        )
        wait_for(lambda: watches(quiet_daemon), 60, "the probes to be attached")
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        text, errors = profctl.communicate(timeout=60)
    assert profctl.returncode == 0, errors
    # What is in use for longer than a third of two seconds.
    assert re.match(r"\d+ stacks? (is|are) likely to leak; in use: ", text)
    assert re.search(r"^ +[\d.]+kB, \d+ objects: grows [\d.]+MB/min ± ", text, re.M), text
    assert re.search(r"^ +age .*\b500ms: [\d.]+kB", text, re.M)
    assert re.search(r"^        leak leaks\.c:\d+$", text, re.M)
    assert re.search(r"^ +age \S+ [▁-█ ]*█[▁-█ ]* \S+\r$", on_terminal("--min", "1K", out), re.M)
    assert any("age" in sample.labels for sample in pprof.read(out).samples)
    old = pprof_tool("-tags", "-tagshow=age", out)
    assert re.search(r"^ age: Total .*\n +[\d.]+[kM]B \([ \d.]+%\): \d+", old, re.M), old


def on_terminal(*arguments):
    """What `profctl leaks` draws on a terminal of UTF-8."""
    master, slave = pty.openpty()
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm", "NO_COLOR": "1"}
    command = [PROFCTL, "leaks", *map(str, arguments)]
    with subprocess.Popen(command, stdout=slave, env=environment):
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):  # its end
            while chunk := os.read(master, 4096):
                text += chunk
    os.close(master)
    return text.decode()


def watches(daemon):
    return any(s["heap"].get("ready") for s in daemon.recordings() if s["type"] == "heap")


# ---- series of files ----------------------------------------------------------------------------


def values(allocated, in_use, size=1000):
    return (allocated // size, allocated, in_use // size, in_use)


def series(folder, n=12, step=10):
    """Snapshots, ten seconds apart, of a leak of 6 MB a minute and its like."""
    paths = []
    for i in range(n):
        stacks = {
            ("main", "leak"): values(100 * i * MB, i * MB),
            ("main", "churn"): values(900 * i * MB, (3 + i % 2) * MB),
            ("main", "cache"): values(10 * i * MB, min(i, 5) * 4 * MB),
            ("main", "start_up"): values(30 * MB, 30 * MB),
            ("main", "batch"): values(10 * i * MB, i % 4 * 10 * MB),
        }
        path = folder / f"x.{i:04}.heap.pb.gz"
        paths.append(
            write_profile(path, stacks, types=HEAP, seconds=10**9 + step * i, period=64 * KB)
        )
    return paths


def leaks(*arguments, check=True):
    command = [PROFCTL, "leaks", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert not check or result.returncode == 0, result.stderr
    return result


def test_a_series(tmp_path):
    """In whatever order the files are named."""
    paths = series(tmp_path)
    found = json.loads(leaks("--json", *reversed(paths)).stdout)
    assert verdicts(found) == {
        "leak": "grows",
        "churn": "steady",
        "cache": "stopped",
        "start_up": "steady",
        "batch": "freed",
    }
    leak = found["stacks"][0]
    assert leak["growth_bytes_per_minute"] == pytest.approx(6 * MB, rel=1e-3)
    assert 0 < leak["growth_deviation"] < 2 * MB
    assert found["moments"] == 12 and found["seconds"] == 110 and not found["has_ages"]
    text = leaks(*paths).stdout
    assert re.search(r"11MB, 11534 objects: grows 6MB/min ± \d", text), text
    assert "it stopped growing 60s ago" in text or "it stopped growing 1m ago" in text


def test_too_few_moments(tmp_path):
    paths = series(tmp_path, n=3)
    found = json.loads(leaks("--json", *paths).stdout)
    assert found["leaks"] == 0 and verdicts(found)["leak"] == "unsure"
    one = json.loads(leaks("--json", paths[-1]).stdout)
    assert one["stacks"][0]["growth_bytes_per_minute"] is None
    assert "one moment does not tell" in one["stacks"][0]["why"]


def test_what_is_small_or_known_is_left_out(tmp_path):
    paths = series(tmp_path)
    known = tmp_path / "known"
    known.write_text("# all of these are known\n\n  ^(cache|batch)$  \n")
    found = json.loads(leaks("--json", "--min", "20M", *paths).stdout)
    assert set(verdicts(found)) == {"cache", "start_up", "batch"}
    found = json.loads(leaks("--json", "--suppressions", known, *paths).stdout)
    assert set(verdicts(found)) == {"leak", "churn", "start_up"} and found["known"] == 2
    assert "2 known stacks are left out" in leaks("--suppressions", known, *paths).stdout
    assert "and 4 more" in leaks("--stacks", 1, *paths).stdout


def test_wrong_suppressions(tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("fine\n(\n# (\nfine\n*\n")
    result = leaks("--suppressions", wrong, *series(tmp_path), check=False)
    assert result.returncode == 1
    assert f"{wrong}:2: " in result.stderr and f"{wrong}:5: " in result.stderr
    assert result.stderr.count(f"{wrong}:") == 2
    missing = leaks("--suppressions", tmp_path / "none", *series(tmp_path), check=False)
    assert missing.returncode == 1 and "No such file" in missing.stderr


def test_files_that_do_not_fit(tmp_path):
    """They are named, and the others looked at."""
    paths = series(tmp_path)
    cpu = write_profile(tmp_path / "cpu.pb.gz", {("main", "work"): 5}, seconds=10**9)
    timeless = write_profile(tmp_path / "t.pb.gz", {("main",): values(1, 1)}, types=HEAP)
    result = leaks("--json", *paths, cpu, timeless, check=False)
    assert result.returncode == 1 and verdicts(json.loads(result.stdout))["leak"] == "grows"
    assert f"{cpu} is left out: it is no heap profile" in result.stderr
    assert f"{timeless} is left out: it does not say what time it is of" in result.stderr
    assert leaks(cpu, check=False).returncode == 1


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "whose leaks?"),
        (["--min", "x", "--pid", "1"], "is not a size"),
        (["--older", "x", "--pid", "1"], "is not a duration"),
        (["x.pb.gz", "--", "true"], "not both"),
        (["--"], "no command behind --"),
        (["--pid", "1", "--", "true"], "does not go with a command"),
        (["--seconds", "3", "x.pb.gz"], "do not go with FILEs"),
        (["--children", "x.pb.gz"], "does not go with FILEs"),
    ],
)
def test_wrong_usage(arguments, said):
    result = leaks(*arguments, check=False)
    assert result.returncode == 2 and said in result.stderr


# ---- record --leak-check ------------------------------------------------------------------------


def leak_check(daemon, folder, *arguments, what="all", code=0):
    out = folder / "x.pb.gz"
    command = ["record", "--type", "heap", "--leak-check", "--sample-bytes", RATE, "-o", out]
    program = ["sh", "-c", f"{LEAKS} {what} {SECONDS}; exit {code}"]
    result = daemon.ctl(
        *command, *arguments, "--", *program, check=False, stdin=subprocess.DEVNULL
    )
    assert result.stdout.splitlines()[-1] == str(out)
    return result


def test_leaks_of_a_command(quiet_daemon, tmp_path):
    result = leak_check(quiet_daemon, tmp_path, "--min", "1K")
    assert result.returncode == 1 and "1 stack is likely to leak" in result.stderr
    assert re.search(r"^        leak leaks\.c:\d+$", result.stderr, re.M), result.stderr
    assert "it stopped growing" not in result.stderr
    assert f"profctl leaks {tmp_path}/x.pb.gz" in result.stderr
    # The file says as much.
    found = json.loads(leaks("--json", "--min", "1K", tmp_path / "x.pb.gz").stdout)
    assert found["has_ages"] and "leak" in verdicts(found)


def test_known_leaks_of_a_command(quiet_daemon, tmp_path):
    """That are known, or too small, or beside a code of its own."""
    known = tmp_path / "known"
    known.write_text("# fixed next week\n^leak$\n")
    result = leak_check(quiet_daemon, tmp_path, "--min", "1K", "--suppressions", known)
    assert result.returncode == 0 and "0 stacks are likely to leak" in result.stderr
    result = leak_check(quiet_daemon, tmp_path, "--min", "1G", code=7)
    assert result.returncode == 7 and "0 stacks are likely to leak" in result.stderr


def test_a_command_without_leaks(quiet_daemon, tmp_path):
    result = leak_check(quiet_daemon, tmp_path, "--min", "1K", what="none")
    assert result.returncode == 0 and "0 stacks are likely to leak" in result.stderr


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["--leak-check", "--pid", "1"], 2, "needs --type heap and a command"),
        (["--leak-check", "--", "true"], 2, "needs --type heap and a command"),
        (["--type", "heap", "--leak-check=most", "--", "true"], 2, "or --leak-check=full"),
        (["--type", "heap", "--min", "1K", "--", "true"], 2, "need --leak-check"),
        (["--type", "heap", "--leak-check", "--min", "x", "--", "true"], 2, "--min is a size"),
        (["--type=heap", "--leak-check", "--suppressions=/none", "--", "true"], 125, "No such"),
    ],
)
def test_wrong_leak_check(arguments, code, said):
    command = [PROFCTL, "record", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == code and said in result.stderr
