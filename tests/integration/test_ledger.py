# SPDX-License-Identifier: MIT
"""Samples that are counted against time that was used, and every loss by its reason."""

import time

import pytest

import pprof
from profd import PROGRAMS, Program, truth, wait_for

# What a rate can be off by without anybody's fault: the ticks at either end.
ENDS = 3


def lost(daemon):
    return sum(daemon.check_ledger()["samples"]["lost"].values())


@pytest.mark.alone
@pytest.mark.parametrize("frequency", [99, 499, 1000])
def test_samples_are_cpu_time_times_rate(quiet_daemon, frequency):
    process, out = quiet_daemon.start_record(
        "--frequency", frequency, "--", PROGRAMS / "burn3", 6
    )
    expected = truth(process.communicate()[0])["cpu"] * frequency
    found = pprof.read(out).total()
    assert abs(found - expected) <= 0.01 * expected + lost(quiet_daemon) + ENDS


@pytest.mark.alone
def test_two_recordings_beside_the_continuous_profile(daemon):
    """Three rates at once, and each has its own right total."""
    with Program("burn3", 60) as burn:
        running = {}
        for frequency, seconds in ((99, 9), (251, 7)):
            running[frequency] = daemon.start_record(
                "--pid", burn.pid, "--frequency", frequency, "--seconds", seconds
            )
        wait_for(lambda: len(daemon.recordings()) == 2, what="two recordings")
        before, start = burn.cpu(), time.monotonic()
        time.sleep(4)
        share = (burn.cpu() - before) / (time.monotonic() - start)
        lost_in = {s["frequency"]: s["samples"]["lost"] for s in daemon.check_ledger()["sessions"]}
        for frequency, (process, out) in running.items():
            process.communicate()
            profile = pprof.read(out)
            expected = profile.duration_nanos / 1e9 * share * frequency
            slack = 0.01 * expected + sum(lost_in[frequency].values()) * 3 + ENDS
            assert abs(profile.total() - expected) <= slack, (frequency, expected)
            assert abs(profile.period - 1e9 / frequency) < 100
        used = burn.cpu()
        continuous = pprof.read(daemon.close_window())
    mine = sum(s.values[0] for s in continuous.select(pid=burn.pid))
    assert abs(mine - 19 * used) <= 0.01 * 19 * used + lost(daemon) + ENDS


@pytest.mark.alone
def test_ledger_while_bpf_maps_are_hammered(quiet_daemon):
    """The kernel drops ticks then, and the ledger knows how many."""
    process, out = quiet_daemon.start_record(
        "--frequency", 499, "--", PROGRAMS / "mapburner", 6
    )
    for _ in range(8):
        quiet_daemon.check_ledger()
        time.sleep(0.5)
    expected = truth(process.communicate()[0])["cpu"] * 499
    found = pprof.read(out).total()
    dropped = quiet_daemon.check_ledger()["samples"]["lost"]["clock"]
    assert dropped > 0.02 * expected, "the kernel dropped next to nothing: is the program right?"
    assert abs(found + dropped - expected) <= 0.02 * expected + ENDS, (found, dropped, expected)


def test_ledger_of_an_ended_recording_stays_in_the_totals(quiet_daemon):
    with Program("burn3", 60) as burn:
        profile = quiet_daemon.record("--pid", burn.pid, "--seconds", 2)
    status = quiet_daemon.check_ledger()
    assert status["sessions"] == []
    assert status["samples"]["written"] == profile.total()
    assert status["samples"]["pending"] == 0
    assert status["samples"]["filtered"] >= 0
    assert status["samples"]["ticks"] > 0


def test_rings_that_overflow_are_counted(quiet_daemon):
    """A daemon that is stopped for a while cannot drain: the rings fill, and say so."""
    import os
    import signal

    with Program("depth", 250, 60) as program:
        process, out = quiet_daemon.start_record(
            "--pid", program.pid, "--frequency", 1000, "--seconds", 5
        )
        wait_for(quiet_daemon.recordings, what="the recording")
        os.kill(quiet_daemon.pid, signal.SIGSTOP)
        time.sleep(3.5)
        os.kill(quiet_daemon.pid, signal.SIGCONT)
        process.communicate()
    samples = quiet_daemon.check_ledger()["samples"]
    assert samples["lost"]["ring"] > 100, samples
    assert samples["written"] == pprof.read(out).total()
