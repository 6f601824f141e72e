# SPDX-License-Identifier: MIT
"""The tables in the kernel: their budget, their memory, and where they come from after a restart."""

import shutil
import time

import pytest

from profd import PROGRAMS, Program
from stacks import user_frames

UNWIND = PROGRAMS / "unwind"
MIB = 1 << 20


def shares(profile, name):
    """(stacks that go through a function and reach the root, all that go through it)"""
    whole = total = 0
    for sample in profile.samples:
        frames = [frame.name for frame in user_frames(sample)]
        if name in frames:
            total += sample.values[0]
            whole += sample.values[0] * (frames[-1] == "_start")
    return whole, total


def test_a_small_budget_keeps_what_is_hot(new_daemon):
    """3 million rows, 12 MiB, where 8 MiB may be used."""
    daemon = new_daemon(types="", tables="8M").start()
    with Program(UNWIND / "bigtables", 60) as program:
        # Until pages have been loaded, grown old and been replaced.
        for _ in range(20):
            profile = daemon.record("--pid", program.pid, "--seconds", 2, "--frequency", 997)
            tables = daemon.status()["unwinder"]["tables"]
            if tables["evictions"] >= 10:
                break
    assert tables["evictions"] >= 10, tables
    assert tables["bytes"] <= 8 * MIB, tables
    whole, total = shares(profile, "hot_call")
    assert total > 100 and whole >= 0.99 * total, (whole, total, tables)
    # And those that are not there are finished in user space, as far as they can be.
    whole, total = shares(profile, "cold_call")
    assert total > 20 and whole >= 0.9 * total, (whole, total, tables)


def test_a_restart_compiles_nothing(new_daemon):
    with Program(UNWIND / "callback", 60) as program:
        first = new_daemon(types="").start()
        # Longer than the second time, so that it comes to every page that is hit then.
        first.record("--pid", program.pid, "--seconds", 4, "--frequency", 997)
        helper = first.status()["unwinder"]["helper"]
        first.stop()
        assert helper["compiled"] and not helper["cached"], helper
        again = new_daemon(types="", store=first.store).start()
        profile = again.record("--pid", program.pid, "--seconds", 1, "--frequency", 997)
        helper = again.status()["unwinder"]["helper"]
    # A page that only the second time hit is none of it.
    assert helper["cached"] > 2 * helper["compiled"], helper
    whole, total = shares(profile, "sort_all")
    assert whole >= 0.99 * total > 0, (whole, total)


@pytest.mark.parametrize("count", [300, 2000])
def test_many_processes_stay_within_the_promise(new_daemon, count, tmp_path):
    """Private memory of profd's processes and its maps, each counted once, between windows. Each
    process has 55 executable mappings of its own."""
    daemon = new_daemon(types="").start()
    name = f"naps-{count}"  # none of another test's
    with Program(shutil.copy(UNWIND / "naps", tmp_path / name), 120, count) as program:
        # All naps end within two seconds; not every one of them is hit at once.
        seconds = 8
        profile = daemon.record("--comm", name, "--seconds", seconds, "--frequency", 997)
        time.sleep(5)  # helpers end when nobody asks them
        status = daemon.status()
    assert len({sample.labels["pid"] for sample in profile.samples}) >= 0.5 * count
    unwinder, memory = status["unwinder"], status["memory"]
    assert unwinder["mappings"]["processes"] >= 0.5 * count, unwinder
    assert unwinder["mappings"]["refused"] == 0, unwinder
    assert memory["private"] + memory["bpf_maps"] < 40 * MIB, memory
    whole, total = shares(profile, "nap_burn")
    assert whole >= 0.99 * total > 0, (whole, total)


def test_by_frame_pointer_only(new_daemon):
    """As it is configured: whole stacks of what has frame pointers, and no table is made."""
    daemon = new_daemon(types="", unwind="frame-pointer").start()
    with Program("depth", 20, 60) as framed, Program(UNWIND / "deep", 60, 20) as bare:
        pids = ("--pid", framed.pid, "--pid", bare.pid)
        profile = daemon.record(*pids, "--seconds", 1, "--frequency", 997)
    status = daemon.status()
    ways = {way: sum(ends.values()) for way, ends in status["samples"]["user_stacks"].items()}
    assert ways["frame_pointer"] == sum(ways.values()) >= profile.total() > 20, ways
    assert status["unwinder"]["way"] == "frame-pointer"
    assert not status["unwinder"]["tables"]["loads"] and not sum(status["unwinder"]["misses"].values())
    for sample in profile.samples:
        names = [frame.name for frame in user_frames(sample)]
        if sample.labels["pid"] == framed.pid and "bottom" in names:
            assert names.count("descend") == 20 and "main" in names, names
        elif sample.labels["pid"] == bare.pid:
            assert "_start" not in names, names


def test_status_says_how_stacks_were_walked(new_daemon):
    daemon = new_daemon(types="", unwind="table").start()
    with Program(UNWIND / "deep", 60, 20) as program:
        profile = daemon.record("--pid", program.pid, "--seconds", 1, "--frequency", 997)
    whole, total = shares(profile, "bottom")
    assert whole >= 0.99 * total > 0, (whole, total)
    status = daemon.status()
    ways, tables = status["samples"]["user_stacks"], status["unwinder"]["tables"]
    finished, walked = ways["finished"]["complete"], ways["tables"]["complete"]
    assert finished and finished + walked >= whole, ways
    assert tables["loads"] and tables["bytes"] and not tables["evictions"], tables
    assert sum(status["unwinder"]["misses"].values()) >= finished, status["unwinder"]
    # And so for people.
    lines = {" ".join(line.split()) for line in daemon.ctl("status").stdout.splitlines()}
    assert f"finished complete {finished}" in " ".join(sorted(lines))
    (text,) = [line for line in lines if line.startswith("tables bytes ")]
    assert f"loads {tables['loads']}" in text, text
    assert any(line.startswith("misses process ") for line in lines), lines
