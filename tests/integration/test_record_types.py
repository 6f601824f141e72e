# SPDX-License-Identifier: MIT
"""Recordings of several types at once."""

import re
import signal
import subprocess
import time

import pytest

import pprof
from profd import PROFCTL, PROGRAMS, Program, for_anyone, unprivileged, wait_for
from test_heap import HEAP, STEPS, check, start

MAX_SESSIONS = 8  # PROFD_MAX_SESSIONS
BOTH = ["--type", "cpu,heap", "--sample-bytes", 1]


def read(out):
    """(cpu, heap) of files that were named out."""
    return [pprof.read(out.with_name(f"both.{kind}.pb.gz")) for kind in ("cpu", "heap")]


def test_a_command(quiet_daemon, tmp_path):
    """Both from its first instruction to its last, and its exit code."""
    out = tmp_path / "both.pb.gz"
    command = ["sh", "-c", f"{HEAP / 'steps'} {STEPS}; {PROGRAMS / 'burn3'} 1; exit 3"]
    result = quiet_daemon.ctl(
        *["record", *BOTH, "--frequency", 997, "-o", out, "--", *command],
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 3, result.stderr
    cpu, heap = read(out)
    check(heap)
    assert cpu.cumulative()["burn_sixty"] > 20
    printed = result.stdout.splitlines()[-2:]
    assert printed == [str(out.with_name(f"both.{kind}.pb.gz")) for kind in ("cpu", "heap")]
    assert result.stderr.count(" samples of ") == 2
    assert len(re.findall(r" s \(the command ended\), \d+ lost$", result.stderr, re.M)) == 2
    assert not out.exists()
    quiet_daemon.check_ledger()


def test_a_process(quiet_daemon):
    """In the store, in the order in which they were asked for; one end is the end of both."""
    with start("steps") as program:
        recorder = subprocess.Popen(
            [PROFCTL, "record", "--type", "heap,cpu", "--pid", str(program.pid)],
            stdout=subprocess.PIPE,
            text=True,
            env=quiet_daemon.environment,
        )
        wait_for(lambda: len(quiet_daemon.recordings()) == 2, 60, "both")
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        time.sleep(0.3)
        recorder.send_signal(signal.SIGINT)
        output, _ = recorder.communicate(timeout=60)
    assert recorder.returncode == 0
    heap, cpu = output.splitlines()
    assert heap.endswith(".heap.pb.gz") and cpu.endswith(".cpu.pb.gz")
    assert pprof.read(cpu).sample_types[0] == ("samples", "count")
    assert pprof.read(heap).sample_types[0] == ("alloc_objects", "count")


def test_a_user(quiet_daemon):
    """Who may record little may record both."""
    with for_anyone(quiet_daemon, PROGRAMS / "burn3") as (folder, environment):
        with Program(*unprivileged([folder / "burn3", 60])) as his:
            command = ["./profctl", "record", *BOTH, "-o", "both.pb.gz", "--seconds", 1]
            subprocess.run(
                unprivileged([*command, "--pid", his.pid]), check=True, cwd=folder, env=environment
            )
        cpu, _ = read(folder / "both.pb.gz")
    assert {s.labels["pid"] for s in cpu.samples} == {his.pid}


def test_what_cannot_begin_leaves_nothing(quiet_daemon, tmp_path):
    out = tmp_path / "both.pb.gz"
    for target in (["--pid", 4194303], ["--", "/nothing/there"]):
        result = quiet_daemon.ctl("record", *BOTH, "-o", out, *target, check=False)
        assert result.returncode == (1 if "--pid" in target else 127), result.stderr
        assert not list(tmp_path.glob("both*"))
        assert not quiet_daemon.recordings()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--type", "cpu,heap"], "needs a target"),
        (["--type", "cpu,block", "--pid", "1"], "'block' cannot be recorded"),
        (["--type", ",", "--pid", "1"], "--type is one of"),
        ([*BOTH, "--pid", "1", "-o", "-"], "standard output takes one"),
        (["--type", "cpu", "--max-cost", "5"], "--max-cost needs --type heap"),
    ],
)
def test_wrong_input(quiet_daemon, arguments, said):
    result = quiet_daemon.ctl("record", *arguments, check=False)
    assert result.returncode == 2 and said in result.stderr


def test_a_ceiling(quiet_daemon):
    with start("steady", arguments=[300]) as program:
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        out = quiet_daemon.store.parent / "x.pb.gz"
        result = quiet_daemon.ctl(
            *["record", "--type", "heap", "--max-cost", 10, "--seconds", 6],
            *["--pid", program.pid, "-o", out],
        )
    assert f"to watch process {program.pid} (steady)" in result.stderr
    profile = pprof.read(out)
    assert [kind for kind, _ in profile.sample_types] == ["alloc_objects", "alloc_space"]
    assert "part of the time" in " ".join(profile.comments)
    quiet_daemon.check_ledger()


def test_one_begins_and_the_other_cannot(lone_daemon, tmp_path):
    """Neither is recorded then, nothing is left of the first one, and the command does not run."""
    ran, out = tmp_path / "ran", tmp_path / "both.pb.gz"
    with start("steady", arguments=[300]) as program:
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        others = [
            lone_daemon.start_record("--pid", program.pid)[0] for _ in range(MAX_SESSIONS - 1)
        ]
        wait_for(lambda: len(lone_daemon.recordings()) == MAX_SESSIONS - 1, what="the others")
        for arguments in (["-o", out, "--pid", program.pid], ["--", "touch", ran]):
            result = lone_daemon.ctl("record", *BOTH, *arguments, check=False)
            assert result.returncode == (1 if "--pid" in arguments else 125)
            assert not result.stdout and len(result.stderr.splitlines()) == 1, result
            assert "profiling sessions are running already" in result.stderr
            wait_for(lambda: len(lone_daemon.recordings()) == MAX_SESSIONS - 1, what="its end")
        for other in others:
            other.send_signal(signal.SIGINT)
            other.communicate(timeout=60)
    assert not ran.exists() and not list(tmp_path.glob("both*"))
    assert not list(lone_daemon.store.glob("records/*.pb.gz"))
