# SPDX-License-Identifier: MIT
"""What heap recordings must not harm: programs that they do not understand, and touchy ones."""

import contextlib
import os
import shutil
import signal
import subprocess

import pytest

import pprof
from profd import PROGRAMS, Program, wait_for
from test_heap import HEAP, sums, watches

CHURNED = 20000


@pytest.fixture
def touchy(tmp_path):
    """(comm, programs): all of one name, each at the start of its way."""
    comm = f"t{os.getpid()}"
    commands = {
        "strict": (HEAP / "strict", CHURNED),
        "without symbols": (HEAP / "steps-stripped", 20),
        "go": (PROGRAMS / "unwind/gostack", 60),
    }
    with contextlib.ExitStack() as stack:
        programs = {}
        for name, (program, argument) in commands.items():
            folder = tmp_path / name
            folder.mkdir()
            copy = shutil.copy(program, folder / comm)
            started = Program(copy, argument, stdin=subprocess.PIPE)
            programs[name] = stack.enter_context(started)
        yield comm, programs


@pytest.mark.parametrize("by", ["comm", "cgroup"])
@pytest.mark.parametrize("mean", [1, 524288])
def test_what_is_touchy(quiet_daemon, touchy, cgroup, by, mean):
    """A sandbox that kills, a program without symbols and Go go on as if nothing was there."""
    comm, programs = touchy
    if by == "cgroup":
        for program in programs.values():
            with open(f"{cgroup}/inner/cgroup.procs", "w") as procs:
                procs.write(str(program.pid))
    target = {"comm": comm, "cgroup": cgroup}[by]
    recorder, out = quiet_daemon.start_record(
        *["--type", "heap", "--sample-bytes", mean, f"--{by}", target]
    )
    wait_for(lambda: watches(quiet_daemon), 60, "the probes to be attached")
    for name in ("strict", "without symbols"):
        output, _ = programs[name].process.communicate("\n", timeout=60)
        assert programs[name].process.returncode == 0, name
        assert name != "strict" or output == f"churned {CHURNED}\n"
    recorder.send_signal(signal.SIGINT)
    _, said = recorder.communicate(timeout=60)
    assert recorder.returncode == 0, said
    assert programs["go"].process.poll() is None
    assert "cannot be seen" in said or "no allocator that is known" in said
    if mean == 1:
        assert sums(pprof.read(out), "churn") == (CHURNED, 1000 * CHURNED, 0, 0)
    quiet_daemon.check_ledger()
    for program in programs.values():
        program.process.kill()
