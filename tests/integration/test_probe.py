# SPDX-License-Identifier: MIT
"""Uprobes walk stacks with the tables of a profd that runs, while its clocks do the same."""

import pprof
import probe
from profd import Program, wait_for
from stacks import Tally

THREADS = 8


def test_stacks_of_uprobes(quiet_daemon):
    """From a recursion, a callback and a library, by many threads at once: each is whole, and the
    clock's samples of the same threads are."""
    with Program(probe.PROBED, 60, THREADS) as program:
        quiet_daemon.record("--pid", program.pid, "--seconds", 1)
        recording, out = quiet_daemon.start_record(
            "--pid", program.pid, "--seconds", 2, "--frequency", 999
        )
        wait_for(quiet_daemon.recordings)
        stacks, counts = probe.run(quiet_daemon.pid, program.pid, 3)
        recording.communicate()
    probe.check_counts(stacks, counts)
    assert not probe.complaint(stacks, 1000), probe.complaint(stacks, 1000)
    for way in ("descend", "compare", "walk"):
        for root in ("main", "body"):
            names = [[frame.name for frame in stack.frames] for stack in stacks]
            assert any(way in stack and root in stack for stack in names), (way, root)
    tally = Tally()
    tally.add(probe.TRUTH, pprof.read(out).samples)
    assert not tally.complaint(200, whole=0), tally.complaint(200, whole=0)


def test_uprobe_in_an_unknown_process(quiet_daemon):
    """Nothing has been loaded for a process that was never sampled: its stacks say so."""
    with Program(probe.PROBED, 60, 2) as program:
        stacks, counts = probe.run(quiet_daemon.pid, program.pid, 0.5)
    probe.check_counts(stacks, counts)
    assert counts["records"] > 0
    found = {(s.end, s.missing, *(frame.name for frame in s.frames)) for s in stacks}
    assert found == {("not-loaded", "process", "hit", "[unfinished: not-loaded]")}
