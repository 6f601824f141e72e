# SPDX-License-Identifier: MIT
"""Heap profiles of programs whose allocations are known."""

import os
import shutil
import subprocess

import pytest

import pprof
from profd import PROGRAMS, Program, pprof_tool, wait_for

HEAP = PROGRAMS / "heap"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
STEPS = 100
# Of steps: alloc_objects, alloc_space, inuse_objects, inuse_space.
TRUTH = {
    "churn": (STEPS, 1000 * STEPS, 0, 0),
    "leak": (STEPS, 100 * STEPS, STEPS, 100 * STEPS),
    "grow": (10 * STEPS, 55000 * STEPS, 0, 0),
}
# By uprobes, of what is linked or preloaded.
ALLOCATORS = {
    "glibc": ("steps", None),
    "jemalloc linked": ("steps-jemalloc", None),
    "glibc static": ("steps-static", None),
    "jemalloc": ("steps", f"{LIBRARIES}/libjemalloc.so.2"),
    "tcmalloc": ("steps", f"{LIBRARIES}/libtcmalloc_minimal.so.4"),
    "mimalloc": ("steps", f"{LIBRARIES}/libmimalloc.so.2.0"),
}


def sums(profile, function):
    ours = [sample.values for sample in profile.samples if function in sample.names]
    return tuple(map(sum, zip(*ours))) if ours else (0, 0, 0, 0)


def check(profile):
    assert {function: sums(profile, function) for function in TRUTH} == TRUTH


def record_steps(daemon, program, *options):
    """The profile of a process, from before its first step to its end."""
    recorder, out = daemon.start_record("--type", "heap", "--pid", program.pid, *options)
    # It is ready when the daemon has said so; the recorder then asks for nothing any more.
    wait_for(lambda: watches(daemon), 60, "the probes to be attached")
    program.process.stdin.write("\n")
    program.process.stdin.flush()
    output = recorder.communicate(timeout=120)
    assert recorder.returncode == 0, output
    return out, output[1]


def watches(daemon):
    return any(s["heap"].get("ready") for s in daemon.recordings() if s["type"] == "heap")


def start(name, preload=None, **options):
    environment = {**os.environ, **({"LD_PRELOAD": preload} if preload else {})}
    return Program(
        HEAP / name, str(STEPS), env=environment, stdin=subprocess.PIPE, **options
    )


@pytest.mark.parametrize("case", ALLOCATORS)
def test_every_allocation_by_uprobes(quiet_daemon, case):
    name, preload = ALLOCATORS[case]
    with start(name, preload) as program:
        out, _ = record_steps(quiet_daemon, program, "--sample-bytes", 1)
    check(pprof.read(out))
    quiet_daemon.check_ledger()


def test_one_recording_after_the_other(quiet_daemon):
    """The second finds the files known already."""
    for _ in range(3):
        with start("steps") as program:
            out, _ = record_steps(quiet_daemon, program, "--sample-bytes", 1)
        check(pprof.read(out))


@pytest.mark.parametrize("name", ["steps", "steps-jemalloc"])
def test_every_allocation_of_a_command(quiet_daemon, name):
    profile = quiet_daemon.record(
        "--type", "heap", "--sample-bytes", 1, "--", HEAP / name, STEPS, stdin=subprocess.DEVNULL
    )
    check(profile)
    assert profile.sample_types == [
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ]
    quiet_daemon.check_ledger()


def test_a_process_that_has_the_library(quiet_daemon):
    """It is taken at its word; its allocator is not probed as well."""
    library = shutil.copy(PROGRAMS.parent / "libprofd-heap.so", quiet_daemon.store.parent)
    environment = {**os.environ, "LD_PRELOAD": library, "PROFD_HEAP_SAMPLE_BYTES": "1"}
    with Program(HEAP / "steps", str(STEPS), env=environment, stdin=subprocess.PIPE) as program:
        out, said = record_steps(quiet_daemon, program, "--sample-bytes", 1)
    check(pprof.read(out))
    assert "warning" not in said


def test_an_allocator_that_announces(quiet_daemon):
    with Program(HEAP / "announce", "4", "1000", "10") as program:
        profile = quiet_daemon.record("--type", "heap", "--sample-bytes", 1, "--pid", program.pid)
        churned, kept = map(int, program.process.stdout.read().split())
    assert kept > 0
    assert sums(profile, "churn") == (churned, 1000 * churned, 0, 0)
    assert sums(profile, "keep") == (kept, 1000 * kept, kept, 1000 * kept)


def test_go_reads_it(quiet_daemon, tmp_path):
    out = tmp_path / "heap.pb.gz"
    command = ["--type", "heap", "--sample-bytes", 1, "-o", out, "--", HEAP / "steps", STEPS]
    quiet_daemon.ctl("record", *command, stdin=subprocess.DEVNULL)
    in_use = pprof_tool("-sample_index=inuse_space", "-unit=B", "-top", out)
    assert any(line.split()[0] == f"{100 * STEPS}B" and "leak" in line for line in in_use.splitlines() if line)
    assert "churn" not in in_use
    assert "grow" in pprof_tool("-sample_index=alloc_space", "-top", out)
    assert "Type: inuse_space" in pprof_tool("-top", out)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--type", "heap"], "needs a target"),
        (["--type", "block", "--pid", "1"], "'block' cannot be recorded"),
        (["--type", "heap", "--timestamps", "--pid", "1"], "--timestamps"),
        (["--type", "heap", "--sample-bytes", "0", "--pid", "1"], "sample-bytes"),
    ],
)
def test_wrong_input(quiet_daemon, arguments, said):
    result = quiet_daemon.ctl("record", *arguments, check=False)
    assert result.returncode == 2 and said in result.stderr


def test_a_pid_that_is_none(quiet_daemon):
    result = quiet_daemon.ctl("record", "--type", "heap", "--pid", 4194303, check=False)
    assert result.returncode == 1 and "no process 4194303" in result.stderr


def test_the_commands_exit_code(quiet_daemon, tmp_path):
    command = ["record", "--type", "heap", "-o", tmp_path / "x.pb.gz", "--", "sh", "-c", "exit 7"]
    assert quiet_daemon.ctl(*command, check=False).returncode == 7
