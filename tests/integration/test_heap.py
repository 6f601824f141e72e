# SPDX-License-Identifier: MIT
"""Heap profiles of programs whose allocations are known."""

import math
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import pprof
from profd import PROFD, PROGRAMS, Program, for_anyone, pprof_tool, unprivileged, wait_for

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


def record_steps(daemon, program, *options, lines=1):
    """The profile of a process, from before its first step to its end, for which it waits for so
    many lines."""
    recorder, out = daemon.start_record("--type", "heap", "--pid", program.pid, *options)
    # It is ready when the daemon has said so; the recorder then asks for nothing any more.
    wait_for(lambda: watches(daemon), 60, "the probes to be attached")
    program.process.stdin.write("\n" * lines)
    program.process.stdin.flush()
    output = recorder.communicate(timeout=120)
    assert recorder.returncode == 0, output
    return out, output[1]


def watches(daemon):
    return any(s["heap"].get("ready") for s in daemon.recordings() if s["type"] == "heap")


def start(name, preload=None, arguments=(STEPS,)):
    environment = {**os.environ, **({"LD_PRELOAD": preload} if preload else {})}
    words = map(str, arguments)
    return Program(HEAP / name, *words, env=environment, stdin=subprocess.PIPE)


@pytest.mark.parametrize("case", ALLOCATORS)
def test_every_allocation_by_uprobes(quiet_daemon, case):
    name, preload = ALLOCATORS[case]
    with start(name, preload) as program:
        out, _ = record_steps(quiet_daemon, program, "--sample-bytes", 1)
    check(pprof.read(out))
    quiet_daemon.check_ledger()


SIZES = {
    "by_malloc": 1000,
    "by_malloc_of_nothing": 1,
    "by_calloc": 1000,
    "by_realloc": 1000,
    "by_reallocarray": 1000,
    "by_posix_memalign": 1000,
    "by_memalign": 1000,
    "by_aligned_alloc": 1024,
}


@pytest.mark.parametrize("mean", [4096, 64])
@pytest.mark.parametrize("name", ["nested", "nested-jemalloc"])
def test_calls_that_call_others_count_once(quiet_daemon, name, mean):
    """Where most calls are no sample, and where nearly all are."""
    n = 20000
    with start(name, arguments=[n]) as program:
        out, _ = record_steps(quiet_daemon, program, "--sample-bytes", mean)
    profile = pprof.read(out)
    wrong = {}
    for function, size in SIZES.items():
        chance = 1 - math.exp(-size / mean)
        deviation = math.sqrt(n * (1 - chance) / chance)
        found = sums(profile, function)
        if abs(found[0] - n) > 5 * deviation + 1 or found[2:] != (0, 0):
            wrong[function] = (found, f"{n} ± {deviation:.0f}")
    assert not wrong
    quiet_daemon.check_ledger()


def test_the_ledger_of_a_busy_program(quiet_daemon):
    """It is stopped in the middle of what its probes do, again and again."""
    with start("nested", arguments=[10**9]) as program:
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        for _ in range(8):
            quiet_daemon.record(
                "--type", "heap", "--sample-bytes", 1, "--seconds", 1, "--pid", program.pid
            )
            quiet_daemon.check_ledger()
        assert program.process.poll() is None


def probed(pid):
    """Whether the code of its C library differs from the file's, as it does where probes are."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split()
        if len(fields) == 6 and fields[1] == "r-xp" and "/libc.so" in fields[5]:
            begin, end = (int(x, 16) for x in fields[0].split("-"))
            with open(f"/proc/{pid}/mem", "rb") as memory, open(fields[5], "rb") as file:
                memory.seek(begin)
                file.seek(int(fields[2], 16))
                return memory.read(end - begin) != file.read(end - begin)
    raise LookupError("no C library")


def test_no_probe_stays(quiet_daemon):
    with start("nested", arguments=[10**9]) as program:
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        for _ in range(10):
            recorder, _ = quiet_daemon.start_record("--type", "heap", "--pid", program.pid)
            wait_for(lambda: watches(quiet_daemon), 60, "the probes to be attached")
            assert probed(program.pid)
            recorder.send_signal(signal.SIGINT)
            assert recorder.wait(60) == 0
            wait_for(lambda: not probed(program.pid), 60, "the probes to be gone")
        assert program.process.poll() is None


@pytest.mark.parametrize(
    "program, said",
    [
        ([HEAP / "steps-stripped"], "without symbols; keep them"),
        ([PROGRAMS / "unwind/gostack", "60"], "no allocator that is known was found"),
    ],
)
def test_what_cannot_be_seen_is_named(quiet_daemon, program, said):
    with Program(*program, stdin=subprocess.PIPE) as running:
        result = quiet_daemon.ctl(
            *["record", "--type", "heap", "--seconds", 1, "--pid", running.pid],
            *["-o", quiet_daemon.store.parent / "x.pb.gz"],
        )
        assert said in result.stderr and str(running.pid) in result.stderr


@pytest.mark.parametrize(
    "command, said",
    [
        ([HEAP / "steps-stripped", STEPS], "without symbols; keep them"),
        ([PROGRAMS / "unwind/gostack", "2"], "no allocator that is known was found"),
        (["sh", "-c", f"{HEAP}/steps-static {STEPS}; :"], "has not loaded libprofd-heap.so"),
    ],
)
def test_a_command_that_cannot_be_seen(quiet_daemon, tmp_path, command, said):
    """It is named, and what is not seen is not said to leak nothing."""
    out = tmp_path / "x.pb.gz"
    result = quiet_daemon.ctl(
        *["record", "--type", "heap", "--leak-check", "-o", out, "--", *command],
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert said in result.stderr
    assert "nothing was checked for leaks" in result.stderr and "0 stacks" not in result.stderr
    assert result.returncode == 125 and out.exists()


def test_objects_of_java_are_not_seen(quiet_daemon, tmp_path):
    machine = shutil.copy(HEAP / "bump.so", tmp_path / "libjvm.so")
    with start("steps", str(machine)) as program:
        result = quiet_daemon.ctl(
            *["record", "--type", "heap", "--seconds", 1, "--pid", program.pid],
            *["-o", tmp_path / "x.pb.gz"],
        )
    assert f"the objects of process {program.pid} (steps) are not seen" in result.stderr


@pytest.mark.parametrize("mean", [1, 4096])
def test_a_strict_sandbox(quiet_daemon, mean):
    """What returns from a probed function makes a system call in newer kernels: it is not killed."""
    with start("strict", arguments=[20000]) as program:
        out, _ = record_steps(quiet_daemon, program, "--sample-bytes", mean)
        assert program.truth() == {"churned": 20000}
    found = sums(pprof.read(out), "churn")[0]
    assert found == 20000 if mean == 1 else abs(found / 20000 - 1) < 0.2


def test_a_users_own_command(new_daemon, tmp_path):
    """With his rights; others' processes are none of his."""
    profd = shutil.copy(PROFD, tmp_path)
    library = Path(shutil.copy(PROGRAMS.parent / "libprofd-heap.so", tmp_path))
    daemon = new_daemon(program=profd, types="").start()
    with for_anyone(daemon, HEAP / "steps") as (folder, environment):
        os.link(library, folder / library.name)  # profd knows its own by the inode
        options = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL}
        record = ["./profctl", "record", "--type", "heap"]
        subprocess.run(
            unprivileged([*record, "--sample-bytes", 1, "-o", "own.pb.gz", "--", "./steps", STEPS]),
            **options,
            check=True,
        )
        check(pprof.read(folder / "own.pb.gz"))
        with start("steps") as program:
            command = unprivileged([*record, "--pid", program.pid])
            other = subprocess.run(command, **options, capture_output=True, text=True)
            assert other.returncode == 1 and "belongs to root" in other.stderr
            assert not probed(program.pid)


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


def test_ages(quiet_daemon):
    """They add up to what there is without them; what is freed at once has not lived long."""
    command = ["--sample-bytes", 1, "--", HEAP / "steps", STEPS]
    profile = quiet_daemon.record("--type", "heap", "--ages", *command, stdin=subprocess.DEVNULL)
    check(profile)
    for sample in profile.samples:
        in_use = sample.values[2:]
        if "age" in sample.labels:
            assert sample.values[:2] == in_use
        else:
            assert "lifetime" in sample.labels and in_use == [0, 0]
    ages = {
        sample.labels["age"]: sample.values[2]
        for sample in profile.samples
        if "leak" in sample.names
    }
    # It takes two seconds, and leaks all the time.
    assert len(ages) > 6 and max(ages) >= 1000
    churned = [sample.labels["lifetime"] for sample in profile.samples if "churn" in sample.names]
    assert min(churned) == 0


def test_a_process_that_has_the_library(quiet_daemon):
    """It is taken at its word; its allocator is not probed as well."""
    library = shutil.copy(PROGRAMS.parent / "libprofd-heap.so", quiet_daemon.store.parent)
    environment = {**os.environ, "LD_PRELOAD": library, "PROFD_HEAP_SAMPLE_BYTES": "1"}
    with Program(HEAP / "steps", str(STEPS), env=environment, stdin=subprocess.PIPE) as program:
        out, said = record_steps(quiet_daemon, program, "--sample-bytes", 1)
    check(pprof.read(out))
    assert "warning" not in said


def test_a_program_without_the_library_after_one_that_had_it(quiet_daemon):
    """By exec, in the same process: its allocator is probed then."""
    library = PROGRAMS.parent / "libprofd-heap.so"
    script = f"echo ready; read line; exec /usr/bin/env -i {HEAP / 'steps'} {STEPS}"
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    with Program("/bin/sh", "-c", script, env=environment, stdin=subprocess.PIPE) as program:
        options = ["--type", "heap", "--sample-bytes", 1, "--pid", program.pid]
        recorder, out = quiet_daemon.start_record(*options)
        wait_for(lambda: watches(quiet_daemon), 60, "the probes to be attached")
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        assert program.process.stdout.readline() == "ready\n"
        wait_for(lambda: probed(program.pid), 60, "the probes of its allocator")
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        output = recorder.communicate(timeout=120)
    assert recorder.returncode == 0, output
    check(pprof.read(out))
    assert "warning" not in output[1]


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
    assert re.search(rf"^ *{100 * STEPS}B .* leak$", in_use, re.M)
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
        (["--ages", "--pid", "1"], "--ages needs --type heap"),
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
