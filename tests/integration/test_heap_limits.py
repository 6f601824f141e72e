# SPDX-License-Identifier: MIT
"""What heap recordings take of programs that announce too much, and that the draw can be repeated."""

import shutil
import signal
import subprocess

import pprof
import preload
from profd import Program, wait_for
from test_heap import HEAP, record_steps, sums, watches


def heap_of(daemon):
    (heap,) = (s["heap"] for s in daemon.recordings())
    return heap


def test_a_storm_beside_a_calm_program(lone_daemon, tmp_path):
    """Of the one a share is taken that stands for all; the other keeps every sample."""
    steady = shutil.copy(HEAP / "steady", tmp_path / "storming")  # others are watched by that name

    def announcing(rate):
        return Program(steady, rate, env=preload.environment(), stdin=subprocess.PIPE)

    with announcing(1000) as storm, announcing(1) as calm:
        recorder, out = lone_daemon.start_record(
            *["--type", "heap", "--seconds", 0, "--pid", calm.pid, "--pid", storm.pid]
        )
        wait_for(lambda: watches(lone_daemon), 60, "the probes to be attached")
        for program in (calm, storm):
            program.process.stdin.write("\n")
            program.process.stdin.flush()

        def held():
            # Where others want the CPU it is at times too slow to be held.
            said = "announces too much" in lone_daemon.ctl("status").stdout
            heap = heap_of(lone_daemon)
            return heap if said and heap["thinned"] > 10000 and heap["thinned_processes"] else None

        heap = wait_for(held, 60, "the storm to be held")
        pairs = {}
        for program in (calm, storm):
            output, _ = program.process.communicate("\n", timeout=60)
            pairs[program.pid] = int(output.split()[1])
        recorder.send_signal(signal.SIGINT)
        _, said = recorder.communicate(timeout=60)
    assert recorder.returncode == 0
    assert [one["pid"] for one in heap["thinned_processes"]] == [storm.pid]
    assert 0 < heap["thinned_processes"][0]["kept"] < 1
    assert "stand for them" in said
    profile = pprof.read(out)
    for pid, n in pairs.items():
        own = [s for s in profile.samples if s.labels["pid"] == pid and "churn" in s.names]
        allocated = sum(s.values[0] for s in own)
        assert allocated == n if pid == calm.pid else abs(allocated / n - 1) < 0.1, said


def test_the_draw_can_be_repeated(new_daemon, monkeypatch):
    """With a seed the same allocations are sampled on a CPU that sees the same ones."""

    def record(daemon):
        with Program("taskset", "-c", "0", HEAP / "steps", 30, stdin=subprocess.PIPE) as program:
            out, _ = record_steps(daemon, program, "--sample-bytes", 4096)
        profile = pprof.read(out)
        found = tuple(sums(profile, name) for name in ("churn", "leak", "grow"))
        assert sum(one[0] for one in found)
        return found

    found = []
    for seed in (1, 2):
        monkeypatch.setenv("PROFD_HEAP_SEED", str(seed))
        daemon = new_daemon(types="").start()
        found += [record(daemon), record(daemon)]
    assert found[0] == found[1] != found[2] == found[3]
