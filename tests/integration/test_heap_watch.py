# SPDX-License-Identifier: MIT
"""Heaps that are profiled all the time, as the section [heap] of the settings says."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import pprof
from profd import PROGRAMS, Program, wait_for
from test_heap import HEAP, LIBRARIES, STEPS, TRUTH, probed, start, sums

JEMALLOC = f"{LIBRARIES}/libjemalloc.so.2"


# The open window is told from those before by the second in which it began.
SECOND = 1.1


@pytest.fixture
def steps(tmp_path):
    """The program steps, by a name that no other process has."""
    return shutil.copy(HEAP / "steps", tmp_path / f"s{os.getpid()}-{time.monotonic_ns() % 10**6}")


def watch(new_daemon, names, **options):
    options = {"types": "", "window": 3600, "sample_bytes": 1, **options}
    return new_daemon(watch=names, **options).start()


def session(daemon):
    found = [s for s in daemon.status()["sessions"] if s["type"] == "heap"]
    assert [s["kind"] for s in found] == ["continuous"]
    return found[0]["heap"]


def begin(daemon, program):
    """Lets it take its steps once it is watched."""
    wait_for(lambda: session(daemon)["processes"] and probed(program.pid), 60, "its probes")
    program.process.stdin.write("\n")
    program.process.stdin.flush()


def test_windows(new_daemon, steps):
    """What is allocated is in its window; what is in use goes on from one to the next."""
    daemon = watch(new_daemon, steps.name)
    with start(steps) as program, start("steps") as other:
        begin(daemon, program)
        assert session(daemon)["processes"] == 1 and not probed(other.pid)
        check_status(session(daemon), program.pid, steps.name)
        time.sleep(0.5)
        windows = [daemon.close_window("heap")]
        program.process.wait(60)
        windows.append(daemon.close_window("heap"))
        time.sleep(SECOND)
        windows.append(daemon.close_window("heap"))
    first, second, third = map(pprof.read, windows)
    for function, (objects, space, in_use, in_use_space) in TRUTH.items():
        before, after = sums(first, function), sums(second, function)
        assert 0 < before[0] < objects and before[0] + after[0] == objects
        assert 0 < before[1] < space and before[1] + after[1] == space
        assert after[2:] == (in_use, in_use_space)
    assert sums(first, "leak")[2] == sums(first, "leak")[0]
    # It has ended, with all that it had.
    assert not third.samples
    assert first.comments and f"watch {steps.name}" in " ".join(first.comments)
    # One moment's memory is not added to another's.
    top = daemon.ctl("top", *windows_of(daemon), "--sample_index=alloc_objects", "-unit=count")
    assert f"{STEPS} " in next(row for row in top.stdout.splitlines() if "churn" in row)
    daemon.check_ledger()


def check_status(heap, pid, comm):
    """It says whom it watches, and where its probes are."""
    (process,) = heap["watched"]
    assert (process["pid"], process["comm"], process["by"]) == (pid, comm, "uprobes")
    (libc,) = (file for file in heap["files"] if "/libc.so" in file["path"])
    assert libc["allocator"] == "glibc"
    places = {probe["name"]: probe for probe in libc["probes"]}
    assert {"malloc", "free", "calloc", "realloc"} <= places.keys()
    assert all(0 <= probe["from_entry"] < 64 for probe in libc["probes"])
    symbols = subprocess.run(["nm", "-D", libc["path"]], capture_output=True, text=True).stdout
    entry = int(re.search(r"^(\w+) T malloc@", symbols, re.M)[1], 16)
    assert places["malloc"]["offset"] == entry + places["malloc"]["from_entry"]


def check_hits(daemon, steps):
    """It says how often each place was hit. The last step may be under way."""
    (libc,) = (file for file in session(daemon)["files"] if "/libc.so" in file["path"])
    places = {probe["name"]: probe for probe in libc["probes"]}
    # What realloc is not given, glibc's malloc gives.
    for name, least, most in (("malloc", 2, 3), ("realloc", 10, 10), ("free", 2, 2)):
        assert least * (steps - 1) <= places[name]["hits"] <= most * (steps + 1), libc
    assert places["calloc"]["hits"] == 0 and places["malloc"]["cost"] >= 0
    said = f"malloc+{places['malloc']['from_entry']} [{places['malloc']['hits']} hits, "
    assert said in daemon.ctl("status").stdout


def windows_of(daemon):
    """How to ask for all of its windows."""
    return ["--type", "heap", "--last", "1h"]


def test_in_use_is_that_of_the_end(new_daemon, steps):
    daemon = watch(new_daemon, steps.name)
    with start(steps, arguments=[10**6]) as program:
        begin(daemon, program)
        for _ in range(2):
            time.sleep(0.3)
            daemon.close_window("heap")
        program.process.send_signal(signal.SIGSTOP)
        time.sleep(SECOND)
        last = pprof.read(daemon.close_window("heap"))
        check_hits(daemon, sum(sums(pprof.read(w), "leak")[0] for w in daemon.windows("heap")))
        merged = daemon.store.parent / "merged.pb.gz"
        daemon.ctl("export", *windows_of(daemon), "-o", merged)
    allocated = sum(sums(pprof.read(w), "leak")[0] for w in daemon.windows("heap"))
    assert sums(last, "leak")[2] == allocated > sums(last, "leak")[0]
    assert sums(pprof.read(merged), "leak")[::2] == (allocated, allocated)


def test_a_unit(new_daemon, steps):
    """All in a cgroup of its name, also what starts later, and what starts again."""
    roots = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")
    root = next(root for root in roots if os.path.exists(f"{root}/cgroup.procs"))
    unit = f"{root}/{steps.name}.service"
    os.makedirs(f"{unit}/inner")
    daemon = watch(new_daemon, f"nobody {steps.name}.service")
    try:
        for _ in range(2):
            move = f"echo $$ > {unit}/inner/cgroup.procs; exec {steps} 10"
            with Program("/bin/sh", "-c", move, stdin=subprocess.PIPE) as program:
                begin(daemon, program)
                program.process.wait(60)
            wait_for(lambda: not session(daemon)["processes"], 60, "its end to be noticed")
        profile = pprof.read(daemon.close_window("heap"))
    finally:
        wait_for(lambda: not open(f"{unit}/inner/cgroup.procs").read(), what="its end")
        os.rmdir(f"{unit}/inner")
        os.rmdir(unit)
    assert sums(profile, "churn") == (20, 20000, 0, 0)
    assert sums(profile, "leak") == (20, 2000, 20, 2000)
    assert {s.labels["cgroup"] for s in profile.samples} == {f"/{steps.name}.service/inner"}


def test_a_service_with_the_library(new_daemon, steps):
    library = PROGRAMS.parent / "libprofd-heap.so"
    daemon = watch(new_daemon, steps.name)
    environment = {**os.environ, "LD_PRELOAD": str(library), "PROFD_HEAP_SAMPLE_BYTES": "1"}
    with Program(steps, str(STEPS), env=environment, stdin=subprocess.PIPE) as program:
        wait_for(lambda: session(daemon)["links"], 60, "its probes")
        time.sleep(0.5)
        assert not probed(program.pid)
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        program.process.wait(60)
    profile = pprof.read(daemon.close_window("heap"))
    assert {function: sums(profile, function) for function in TRUTH} == TRUTH


def test_what_cannot_be_seen(new_daemon, steps):
    shutil.copy(HEAP / "steps-stripped", steps)
    daemon = watch(new_daemon, steps.name)
    with Program(steps, stdin=subprocess.PIPE) as program:
        said = wait_for(lambda: session(daemon)["trouble"], 60, "trouble")
        assert f"process {program.pid} " in said and "without symbols" in said
        assert said in daemon.log.read_text()
    # That is how things are, not how they were.
    wait_for(lambda: not session(daemon)["trouble"], 60, "no trouble")


def test_trouble_of_the_past(new_daemon, steps):
    """What could not be done of a process is told while there is the process."""
    shutil.copy(HEAP / "flawed", steps)
    daemon = watch(new_daemon, steps.name)
    for _ in range(2):
        with Program(steps, stdin=subprocess.PIPE) as program:
            said = wait_for(lambda: session(daemon)["trouble"], 60, "trouble")
            assert f"{steps} is not used: it has too few arguments" in said
            program.process.communicate(timeout=60)
        wait_for(lambda: not session(daemon)["trouble"], 60, "no trouble")
    assert daemon.log.read_text().count(said) == 1


def test_another_name(new_daemon, steps):
    """Who is watched no more has nothing in use that is known of."""
    shutil.copy(HEAP / "renames", steps)
    daemon = watch(new_daemon, steps.name)
    with start(steps, arguments=["another"]) as program:
        begin(daemon, program)
        assert program.process.stdout.readline() == "leaked\n"
        before = pprof.read(daemon.close_window("heap"))
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        assert program.process.stdout.readline() == "renamed\n"
        wait_for(lambda: not session(daemon)["processes"], 60, "the name to be noticed")
        time.sleep(SECOND)
        after = pprof.read(daemon.close_window("heap"))
        assert program.process.poll() is None
    assert sums(before, "leak") == (10, 1000, 10, 1000)
    assert not after.samples


def test_new_settings(new_daemon, steps, tmp_path):
    settings = tmp_path / "profd.conf"
    nothing = "[profile]\ntypes =\n[heap]\nsample_bytes = 1\n"
    settings.write_text(nothing)
    daemon = new_daemon(config=settings, window=3600).start()
    assert not daemon.status()["sessions"]
    with start(steps) as program:
        settings.write_text(f"{nothing}watch = {steps.name}\n")
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: daemon.status()["sessions"], 60, "a session")
        begin(daemon, program)
        time.sleep(0.3)
        settings.write_text(nothing)
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not daemon.status()["sessions"], 60, "no session")
        wait_for(lambda: not probed(program.pid), 60, "the probes to be gone")
        assert program.process.poll() is None
    (window,) = daemon.windows("heap")
    assert sums(pprof.read(window), "leak")[0] > 0


def test_rets_below_a_ceiling(new_daemon, steps, tmp_path):
    """Operators that may throw have probes on their rets, unless nobody knows what is freed."""
    shutil.copy(HEAP / "steady", steps)
    library = shutil.copy(JEMALLOC, tmp_path)
    daemon = watch(new_daemon, steps.name, max_cost=5, sample_bytes=524288)

    def rets():
        """None: it is not watched just now."""
        files = [file for file in session(daemon)["files"] if file["path"] == library]
        return [[p for p in file["probes"] if p["name"] == "ret"] for file in files] or None

    with start(steps, library, arguments=[200]) as program:
        [places] = wait_for(lambda: probed(program.pid) and rets(), 60, "its probes")
        code = Path(library).read_bytes()
        assert places and all(place["single_stepped"] for place in places)
        assert {code[place["offset"]] for place in places} == {0xC3}
        shown = daemon.ctl("status").stdout
        assert all(f"ret at {place['offset']:#x} (single-stepped)" in shown for place in places)
        begin(daemon, program)
        wait_for(lambda: session(daemon)["watched"][0]["limited"], 60, "the ceiling")
        assert wait_for(rets, 60, "another second of it") == [[]]


def test_a_ceiling(new_daemon, steps):
    """Who calls his allocator too often is watched a part of the time, and counts for all of it."""
    rate = 300000
    daemon = watch(new_daemon, f"steady {steps.name}", max_cost=15, sample_bytes=4096)
    calm, busy = start(steps, arguments=[10**6]), start("steady", arguments=[rate // 1000])
    with calm, busy:
        os.setpriority(os.PRIO_PROCESS, busy.pid, -9)  # it has to come to its rate
        for program in (calm, busy):
            begin(daemon, program)
        said = wait_for(lambda: session(daemon)["trouble"], 60, "the ceiling")
        assert f"process {busy.pid} (steady)" in said and "LD_PRELOAD" in said
        daemon.close_window("heap")
        before = spent(daemon)
        time.sleep(8)
        after, told = spent(daemon), session(daemon)
        window = pprof.read(daemon.close_window("heap"))
        calm.process.kill()
        wait_for(lambda: session(daemon)["processes"] == 1, 60, "its end")
        daemon.close_window("heap")
        alone = pprof.read(daemon.close_window("heap"))
    assert (after[0] - before[0]) / (after[1] - before[1]) < 0.3
    watched = {process["pid"]: process["limited"] for process in told["watched"]}
    assert watched == {busy.pid: True, calm.pid: False}
    seen = sums(window, "churn")[0] / (rate * window.duration_nanos / 1e9)
    assert 0.5 < seen < 1.6
    # Of the other one all is known; where there is none, nothing is said of what is in use.
    assert sums(window, "leak")[2] > 0 and len(window.sample_types) == 4
    assert [kind for kind, _ in alone.sample_types] == ["alloc_objects", "alloc_space"]
    assert "part of the time" in " ".join(alone.comments)
    daemon.check_ledger()


def spent(daemon):
    """(CPU seconds of probes, seconds) so far."""
    (heap,) = (s for s in daemon.status()["sessions"] if s["type"] == "heap")
    return heap["heap"]["cost"] * heap["elapsed"], heap["elapsed"]
