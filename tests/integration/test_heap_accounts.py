# SPDX-License-Identifier: MIT
"""Heap profiles of programs that allocate in every way, and keep accounts of it."""

import contextlib
import shutil
import subprocess

import pytest

import pprof
from profd import wait_for
from test_heap import HEAP, LIBRARIES, record_steps, start, sums, watches

JEMALLOC = f"{LIBRARIES}/libjemalloc.so.2"
TCMALLOC = f"{LIBRARIES}/libtcmalloc_minimal.so.4"
MIMALLOC = f"{LIBRARIES}/libmimalloc.so.2.0"
BY_UPROBES = {
    "glibc": ("accounts", None),
    "glibc static": ("accounts-static", None),
    "musl": ("accounts-musl", None),
    "musl static": ("accounts-musl-static", None),
    "jemalloc": ("accounts-jemalloc", None),
    "tcmalloc": ("accounts", TCMALLOC),
    "mimalloc": ("accounts", MIMALLOC),
}
BY_LIBRARY = {
    "glibc": ("accounts", None),
    "jemalloc": ("accounts-jemalloc", None),
    "tcmalloc": ("accounts", TCMALLOC),
}
CXX_BY_LIBRARY = {
    "glibc": ("accounts_cxx", None),
    "jemalloc": ("accounts_cxx-jemalloc", None),
    "tcmalloc": ("accounts_cxx", TCMALLOC),
}
# mimalloc's library is C: where it should throw it ends the program.
CXX_BY_UPROBES = {
    "glibc": ("accounts_cxx", None, 100),
    "glibc static": ("accounts_cxx-static", None, 100),
    "jemalloc": ("accounts_cxx", JEMALLOC, 100),
    "tcmalloc": ("accounts_cxx", TCMALLOC, 100),
    "mimalloc": ("accounts_cxx", MIMALLOC, 0),
}


def check(profile, output, accounts_told=11):
    """Each account is as it says, and nothing is negative."""
    told = [line.split() for line in output.splitlines()]
    accounts = {name: tuple(map(int, values)) for name, *values in (t for t in told if len(t) == 5)}
    assert len(accounts) == accounts_told
    found = {name: sums(profile, name) for name in accounts}
    wrong = {name: (found[name], told) for name, told in accounts.items() if found[name] != told}
    assert not wrong
    assert min(value for sample in profile.samples for value in sample.values) >= 0


def record_command(daemon, folder, program, *arguments, sample_bytes=1):
    """(output, profile) of a program that finds the library preloaded."""
    name, preload = program
    environment = {**daemon.environment, **({"LD_PRELOAD": preload} if preload else {})}
    out = folder / "x.pb.gz"
    result = daemon.ctl(
        *["record", "--type", "heap", "--sample-bytes", sample_bytes, "-o", out],
        *["--", HEAP / name, *arguments],
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    return result.stdout, pprof.read(out)


@pytest.mark.parametrize("case", BY_UPROBES)
def test_by_uprobes(quiet_daemon, case):
    name, preload = BY_UPROBES[case]
    with start(name, preload, arguments=()) as program:
        out, _ = record_steps(quiet_daemon, program, "--sample-bytes", 1)
        check(pprof.read(out), program.process.stdout.read())
    quiet_daemon.check_ledger()


def own(library, folder):
    """A copy, or None: kernels wait for returns of a file's functions in all processes that are
    probed there as long as anybody does it for one of them."""
    return library and shutil.copy(library, folder)


@pytest.mark.parametrize("case", CXX_BY_UPROBES)
def test_cxx_by_uprobes(quiet_daemon, tmp_path, case):
    """Exceptions find their way."""
    name, preload, throws = CXX_BY_UPROBES[case]
    with start(name, own(preload, tmp_path), arguments=(throws,)) as program:
        out, said = record_steps(quiet_daemon, program, "--sample-bytes", 1)
        output, _ = program.process.communicate(timeout=60)
        assert program.process.returncode == 0
    profile = pprof.read(out)
    check(profile, output, accounts_told=6)
    assert "in-use lacks" not in said and "may throw" not in " ".join(profile.comments)
    # Stacks are those of callers; glibc's operators are callers of malloc.
    own_names = {name for s in profile.samples if "by_new" in s.names for name in s.names}
    assert not preload or not any("operator new" in name for name in own_names)
    quiet_daemon.check_ledger()


def test_exceptions_of_several_processes(quiet_daemon, tmp_path):
    """The kernel waits in each for what is waited for in another."""
    with contextlib.ExitStack() as stack:
        preload = own(JEMALLOC, tmp_path)
        programs = [stack.enter_context(start("accounts_cxx", preload, ())) for _ in range(2)]
        pids = [word for program in programs for word in ("--pid", program.pid)]
        recorder, _ = quiet_daemon.start_record("--type", "heap", *pids)
        wait_for(lambda: watches(quiet_daemon), 60, "the probes to be attached")
        for program in programs:
            program.process.communicate("\n", timeout=60)
            assert program.process.returncode == 0
        assert recorder.wait(60) == 0


@pytest.mark.parametrize("case", ["jemalloc", "tcmalloc"])
def test_a_limit_of_memory(quiet_daemon, tmp_path, case):
    """A handler makes room once. What then fails is caught, and what is thrown is allocated, too."""
    name, preload, *_ = CXX_BY_UPROBES[case]
    with start(name, own(preload, tmp_path), arguments=(0, 300)) as program:
        out, _ = record_steps(quiet_daemon, program, "--sample-bytes", 1)
        output, _ = program.process.communicate(timeout=60)
        assert program.process.returncode == 0
    objects, size, *in_use = map(int, output.split()[1:])
    found = sums(pprof.read(out), "all_there_is")
    assert objects > 100 and in_use == [0, 0] == list(found[2:])
    assert 0 <= found[0] - objects <= 2 and 0 <= found[1] - size <= 2**20 + 1000


@pytest.mark.parametrize("case", BY_LIBRARY)
def test_by_the_library(quiet_daemon, tmp_path, case):
    """With its children, whose own leaks are theirs."""
    output, profile = record_command(quiet_daemon, tmp_path, BY_LIBRARY[case])
    assert sums(profile, "in_the_child") == (200, 8000, 200, 8000)
    parents = {s.labels["pid"] for s in profile.samples if "kept" in s.names}
    childs = {s.labels["pid"] for s in profile.samples if "in_the_child" in s.names}
    assert len(parents) == len(childs) == 1 and parents != childs
    profile.samples = [s for s in profile.samples if s.labels["pid"] in parents]
    check(profile, output)
    quiet_daemon.check_ledger()


@pytest.mark.parametrize("case", CXX_BY_LIBRARY)
def test_cxx_by_the_library(quiet_daemon, tmp_path, case):
    output, profile = record_command(quiet_daemon, tmp_path, CXX_BY_LIBRARY[case])
    check(profile, output, accounts_told=6)
    quiet_daemon.check_ledger()


@pytest.mark.parametrize("how", ["uprobes", "library"])
@pytest.mark.parametrize("case", BY_LIBRARY)
def test_a_leak_among_much(quiet_daemon, tmp_path, how, case):
    """3.2 MB among 2 GB: first of what is in use, and about as large as it is."""
    (name, preload), leaked, churned = BY_LIBRARY[case], 3200 << 10, 2 << 30
    if how == "uprobes":
        with start(name, preload, arguments=(leaked, churned)) as program:
            out, _ = record_steps(quiet_daemon, program, "--sample-bytes", 32768)
        profile = pprof.read(out)
    else:
        _, profile = record_command(
            quiet_daemon, tmp_path, (name, preload), leaked, churned, sample_bytes=32768
        )
    assert abs(sums(profile, "leak")[3] / leaked - 1) < 0.4
    assert abs(sums(profile, "churn")[1] / churned - 1) < 0.2
    by_stack = sorted(profile.samples, key=lambda sample: -sample.values[3])
    assert "leak" in by_stack[0].names
    assert sums(profile, "churn")[3] <= 1 << 20
