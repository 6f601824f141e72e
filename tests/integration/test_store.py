# SPDX-License-Identifier: MIT
"""Files: complete, atomic, bounded, and there after every kind of end."""

import os
import re
import signal
import subprocess
import time

import pprof
from profd import Program, wait_for


def test_window_file_and_activity(daemon):
    with Program("burn3", 60) as burn:
        burn.let_run(1.5)
        file = daemon.close_window()
    assert re.fullmatch(r"\d{6}-\d+s(-\d+)?\.pb\.gz", file.name), file
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", file.parent.name)
    assert daemon.store.stat().st_mode & 0o777 == 0o750
    assert file.stat().st_mode & 0o007 == 0
    profile = pprof.read(file)
    activity = wait_for(
        lambda: (a := file.with_name(file.name.replace(".pb.gz", ".activity"))).exists() and a,
        what="the .activity file",
    )
    total = mine = 0
    for line in activity.read_text().splitlines():
        second, samples, by_pid = line.split("\t")
        counts = dict(map(int, pair.split(":")) for pair in by_pid.split())
        assert sum(counts.values()) == int(samples)
        assert -2 <= int(second) - profile.time_nanos / 1e9 <= profile.duration_nanos / 1e9 + 1
        total += int(samples)
        mine += counts.get(burn.pid, 0)
    assert total == profile.total()
    assert mine == sum(s.values[0] for s in profile.select(pid=burn.pid))


def test_windows_follow_each_other_without_a_gap(daemon):
    files = []
    for _ in range(4):
        time.sleep(1)
        files.append(daemon.close_window())
    windows = [pprof.read(file) for file in files]
    for one, two in zip(windows, windows[1:]):
        assert abs(one.time_nanos + one.duration_nanos - two.time_nanos) < 5e6
    written = daemon.check_ledger()["samples"]["written"]
    assert written == sum(window.total() for window in windows)


def test_sigterm_writes_the_open_window(daemon):
    with Program("burn3", 60) as burn:
        burn.let_run(1)
        daemon.stop()
    (file,) = daemon.windows()
    assert sum(s.values[0] for s in pprof.read(file).select(pid=burn.pid)) > 0


def test_sigterm_ends_recordings_and_keeps_them(daemon):
    with Program("burn3", 60) as burn:
        process, out = daemon.start_record("--pid", burn.pid, "--seconds", 100)
        wait_for(daemon.recordings, what="the recording")
        burn.let_run(0.5)
        daemon.stop()
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert pprof.read(out).total() > 0


def test_recordings_are_stored_by_their_owner(daemon):
    result = daemon.ctl("record", "--seconds", 1)
    path = result.stdout.splitlines()[-1]
    assert re.search(r"/records/\d{8}T\d{6}-0-\d+\.cpu\.pb\.gz$", path)
    assert pprof.read(path).duration_nanos > 0.9e9


def test_retention_by_size_deletes_the_oldest(new_daemon):
    daemon = new_daemon(window=3600, max_size="4K").start()
    with Program("burn3", 60):
        for _ in range(9):
            time.sleep(0.5)
            daemon.close_window()
    files = daemon.windows()
    size = sum(f.stat().st_size for f in daemon.store.glob("cpu/*/*"))
    # Room is made before a file is written, not after.
    assert len(files) < 9 and size <= 4 * 1024 + 2 * files[-1].stat().st_size, size
    assert daemon.status()["store"]["files_deleted"] > 0


def test_retention_by_age(new_daemon, tmp_path):
    daemon = new_daemon(window=3600, max_age="1h").start()
    old = daemon.store / "cpu/2001-02-03"
    old.mkdir(parents=True)
    (old / "040506-60s.pb.gz").write_bytes(b"anything")
    (old / "040506-60s.activity").write_text("")
    strange = daemon.store / "cpu/notes.txt"
    strange.write_text("mine")
    time.sleep(1)
    daemon.close_window()
    wait_for(lambda: not old.exists(), 5, "the old file to be deleted")
    assert strange.exists()
    assert len(daemon.windows()) == 1


def test_kill_twenty_times_just_after_a_window_was_closed(new_daemon):
    """Every file opens, and at most the open window is missing."""
    daemon = new_daemon(window=3600)
    with Program("burn3", 200):
        for turn in range(20):
            daemon.start()
            time.sleep(0.3)
            whole = daemon.close_window()
            time.sleep(0.2)
            os.kill(daemon.pid, signal.SIGUSR1)
            time.sleep(turn % 10 / 100)
            daemon.kill()
            files = daemon.windows()
            assert whole in files
            for file in files:
                assert pprof.read(file).total() > 0
        daemon.start()
    assert len(daemon.windows()) >= 20
    left = [f for f in daemon.store.rglob(".tmp-*")]
    assert not left, "temporary files of dead daemons stay"


def test_folder_removed_while_running(daemon):
    time.sleep(0.5)
    first = daemon.close_window()
    subprocess.run(["rm", "-r", daemon.store / "cpu"], check=True)
    time.sleep(0.5)
    second = daemon.close_window()
    assert first != second or not first.exists() or second.exists()
    assert pprof.read(second).total() > 0


def test_full_disk(new_daemon, tmp_path):
    """Writing stops, the loss is counted, profiling goes on, and writing resumes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
    try:
        # What is cached must not take the disk's little room.
        options = {"store": disk / "store", "cache": tmp_path / "cache"}
        daemon = new_daemon(window=3600, **options).start()
        with Program("burn3", 60):
            time.sleep(1)
            daemon.close_window()
            subprocess.run(
                ["dd", "if=/dev/zero", f"of={disk}/filler", "bs=4k"], stderr=subprocess.DEVNULL
            )
            before = len(daemon.windows())
            time.sleep(1)
            os.kill(daemon.pid, signal.SIGUSR1)
            status = wait_for(
                lambda: (s := daemon.check_ledger())["samples"]["lost"]["store"] and s,
                what="the loss to be counted",
            )
            assert status["store"]["write_errors"] > 0
            assert "space" in status["store"]["last_error"]
            assert len(daemon.windows()) == before
            assert not list(daemon.store.rglob(".tmp-*"))
            (disk / "filler").unlink()
            time.sleep(1)
            assert pprof.read(daemon.close_window()).total() > 0
            status = daemon.check_ledger()
            assert status["store"]["last_error"] == ""
        assert "No space left" in daemon.log.read_text()
        daemon.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
