# SPDX-License-Identifier: MIT
"""Snapshots of heaps that are profiled all the time."""

import json
import os
import re
import signal

import pprof
from profd import wait_for
from test_heap import start, sums
from test_heap_watch import begin, steps, watch, windows_of  # noqa: F401 (steps is a fixture)
from test_snapshots import check_steps

FOREVER = (10**6,)


def unasked(daemon):
    """Those that the daemon takes by itself, oldest first."""
    files = sorted(daemon.store.glob("records/*-0*.heap.pb.gz"), key=os.path.getmtime)
    return [f for f in files if re.search(rf"T\d{{6}}-{os.getuid()}-0(-\d+)?\.heap", f.name)]


def asked(daemon):
    return sorted(set(daemon.store.glob("records/*.heap.pb.gz")) - set(unasked(daemon)))


def listed(daemon):
    profiles = json.loads(daemon.ctl("ls", "--json").stdout)["profiles"]
    return {p["path"]: p for p in profiles}


def test_every_second(new_daemon, steps):  # noqa: F811
    daemon = watch(new_daemon, steps.name, snapshot_every="1s")
    with start(steps, arguments=FOREVER) as program:
        begin(daemon, program)
        wait_for(lambda: len(unasked(daemon)) >= 4, 60, "snapshots")
        program.process.send_signal(signal.SIGSTOP)
        files = unasked(daemon)
        window = pprof.read(daemon.close_window("heap"))
        last_hour = daemon.ctl("top", *windows_of(daemon), "--sample_index=inuse_objects")
        newest = daemon.ctl("top", "--type", "heap", "--sample_index=inuse_objects")
    profiles = [pprof.read(file) for file in files]
    said = r"snapshot \d+, each 1 s, [\d.]+ s after the beginning"
    assert all(re.fullmatch(said, profile.comments[-1]) for profile in profiles)
    leaks = [check_steps(profile) for profile in profiles if profile.samples]
    assert leaks == sorted(leaks) and leaks[-1] > leaks[0]
    # They are listed as recordings, and none is the newest one of a user.
    assert all(listed(daemon)[str(file)]["recording"] for file in files)
    assert "newest recording" not in newest.stderr
    # Nor is what they show added to what the windows do.
    assert check_steps(window) >= leaks[-1]
    row = next(row for row in last_hour.stdout.splitlines() if row.endswith(" leak"))
    assert int(row.split()[0]) == sums(window, "leak")[2]
    daemon.check_ledger()


def test_by_growth_after_new_settings(new_daemon, steps, tmp_path):  # noqa: F811
    settings = tmp_path / "settings"
    text = f"[profile]\ntypes =\n[heap]\nwatch = {steps.name}\nsample_bytes = 1\n"
    settings.write_text(text)
    daemon = new_daemon(config=settings, window=3600).start()
    with start(steps, arguments=FOREVER) as program:
        begin(daemon, program)
        settings.write_text(text + "snapshot_every = 1000-grown\n")
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(unasked(daemon)) >= 2, 60, "snapshots")
        program.process.kill()
        program.process.wait(60)
    first, second = map(pprof.read, unasked(daemon)[:2])
    assert ", 1000 grown, " in first.comments[-1] and ", 1000 grown, " in second.comments[-1]
    assert second.total(3) >= first.total(3) + 1000


def test_asked_for(new_daemon, steps):  # noqa: F811
    daemon = watch(new_daemon, steps.name)
    with start(steps, arguments=FOREVER) as program, start(steps, arguments=FOREVER) as other:
        begin(daemon, other)
        begin(daemon, program)
        wait_for(lambda: daemon.status()["sessions"][0]["samples"]["taken"] > 50, 60, "samples")
        said = daemon.ctl("snapshot", "--pid", program.pid).stderr
        assert "goes into the store" in said
        wait_for(lambda: asked(daemon), 60, "the snapshot")
        (file,) = asked(daemon)
        said = daemon.ctl("snapshot", "--pid", os.getpid(), check=False)
        assert said.returncode == 1 and "[heap] watch=" in said.stderr
    profile = pprof.read(file)
    assert ", profctl snapshot, " in profile.comments[-1]
    assert {sample.labels["pid"] for sample in profile.samples} == {program.pid}
    assert check_steps(profile) >= 0 and not unasked(daemon)
    assert listed(daemon)[str(file)]["recording"]
    result = daemon.ctl("top", "--type", "heap")
    assert f"your newest recording, {file}" in result.stderr
    daemon.check_ledger()
