# SPDX-License-Identifier: MIT
"""Samples that are counted against time that was used, and every loss by its reason."""

import os
import signal
import time

import pytest

import pprof
from profd import PROGRAMS, Program, truth, wait_for

# What a rate can be off by without anybody's fault: the ticks at either end.
ENDS = 3


def stolen():
    """Seconds that the host of this machine's CPUs gave to others, since boot."""
    with open("/proc/stat", encoding="ascii") as stat:
        return int(stat.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


def lost(daemon):
    return sum(daemon.check_ledger()["samples"]["lost"].values())


def assert_total(daemon, found, expected):
    """CPU time times rate, within 1 % and what the ledger says is lost."""
    assert abs(found - expected) <= 0.01 * expected + lost(daemon) + ENDS, (found, expected)


@pytest.mark.alone
@pytest.mark.parametrize("frequency", [99, 499, 1000])
def test_samples_are_cpu_time_times_rate(lone_daemon, frequency):
    process, out = lone_daemon.start_record(
        "--frequency", frequency, "--", PROGRAMS / "burn3", 6
    )
    expected = truth(process.communicate()[0])["cpu"] * frequency
    assert_total(lone_daemon, pprof.read(out).total(), expected)


@pytest.mark.alone
def test_two_recordings_beside_the_continuous_profile(daemon):
    """Three rates at once, and each has its own right total."""
    rates = (99, 251)
    with Program("burn3", 9) as burn:
        os.kill(burn.pid, signal.SIGSTOP)
        before = burn.cpu()
        running = {
            rate: daemon.start_record("--pid", burn.pid, "--frequency", rate, "--seconds", 0)
            for rate in rates
        }
        wait_for(lambda: len(daemon.recordings()) == 2, what="two recordings")
        os.kill(burn.pid, signal.SIGCONT)
        # The target's end is the recordings' end.
        used = burn.truth()["cpu"]
    for rate, (process, out) in running.items():
        process.communicate(timeout=20)
        profile = pprof.read(out)
        assert_total(daemon, profile.total(), (used - before) * rate)
        assert abs(profile.period - 1e9 / rate) < 100
    continuous = pprof.read(daemon.close_window())
    assert_total(daemon, sum(s.values[0] for s in continuous.select(pid=burn.pid)), used * 19)


@pytest.mark.alone
def test_ledger_while_bpf_maps_are_hammered(lone_daemon):
    """The kernel drops ticks then, and the ledger knows how many.

    Ticks in time that was stolen are lost to the clock as well, but are nobody's CPU time."""
    before = stolen()
    process, out = lone_daemon.start_record(
        "--frequency", 499, "--", PROGRAMS / "mapburner", 6
    )
    for _ in range(8):
        lone_daemon.check_ledger()
        time.sleep(0.5)
    expected = truth(process.communicate()[0])["cpu"] * 499
    found = pprof.read(out).total()
    dropped = lone_daemon.check_ledger()["samples"]["lost"]["clock"]
    assert dropped > 0.02 * expected, "the kernel dropped next to nothing: is the program right?"
    theft = (stolen() - before) * 499
    slack = 0.02 * expected + ENDS
    assert -slack <= found + dropped - expected <= slack + theft, (found, dropped, expected, theft)


def test_ledger_of_an_ended_recording_stays_in_the_totals(lone_daemon):
    with Program("burn3", 60) as burn:
        profile = lone_daemon.record("--pid", burn.pid, "--seconds", 2)
    status = lone_daemon.check_ledger()
    assert status["sessions"] == []
    assert status["samples"]["written"] == profile.total()
    assert status["samples"]["pending"] == 0
    assert status["samples"]["filtered"] >= 0
    assert status["samples"]["ticks"] > 0


def test_rings_that_overflow_are_counted(lone_daemon):
    """A daemon that is stopped for a while cannot drain: the rings fill, and say so."""
    whole = lambda: lone_daemon.status()["samples"]["user_stacks"]["tables"]["complete"]
    with Program("depth", 250, 60) as program:
        process, out = lone_daemon.start_record(
            "--pid", program.pid, "--frequency", 1000, "--seconds", 8
        )
        # Until tables are loaded a stack is some bytes, of which a ring holds thousands.
        wait_for(lambda: whole() > 50, what="samples that bring 250 frames each")
        os.kill(lone_daemon.pid, signal.SIGSTOP)
        time.sleep(3.5)
        os.kill(lone_daemon.pid, signal.SIGCONT)
        process.communicate()
    samples = lone_daemon.check_ledger()["samples"]
    assert samples["lost"]["ring"] > 100, samples
    assert samples["written"] == pprof.read(out).total()
