# SPDX-License-Identifier: MIT
"""What a heap recording writes before its end."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import pprof
from profd import PROFCTL, PROFD, PROGRAMS, for_anyone, pprof_tool, unprivileged, wait_for
from test_heap import HEAP, start, sums


def record(daemon, folder, *options, **more):
    """A recorder in the background, whose files are in the folder."""
    command = ["--type", "heap", "--sample-bytes", 1, "-o", "x.heap.pb.gz", *options]
    return subprocess.Popen(
        [PROFCTL, "record", *map(str, command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=daemon.environment,
        **more,
    )


def snapshots(folder):
    """[profile], in their order."""
    files = sorted(folder.glob("x.0*.heap.pb.gz"))
    assert [f.name for f in files] == [f"x.{i + 1:04}.heap.pb.gz" for i in range(len(files))]
    return [pprof.read(file) for file in files]


def reasons(profiles):
    said = [re.search(r"snapshot (\d+), (.*), [\d.]+ s after", p.comments[-1]) for p in profiles]
    assert [int(s[1]) for s in said] == list(range(1, len(said) + 1))
    return [s[2] for s in said]


def check_steps(profile):
    """It is of one moment: between two steps, or in the last of the functions of one."""
    churn, leak, grow = (sums(profile, f) for f in ("churn", "leak", "grow"))
    assert churn[0] - leak[0] in (0, 1) and leak[0] == leak[2] and leak[3] == 100 * leak[2]
    assert 0 <= 10 * churn[0] - grow[0] <= 20 and churn[2] <= 1
    return leak[0]


def test_by_time_and_by_growth(quiet_daemon, tmp_path):
    recorder = record(
        *(quiet_daemon, tmp_path, "--snapshot-every", "1s,24000-grown"),
        *("--", HEAP / "steps", 200),
    )
    output, errors = recorder.communicate(input="\n")
    assert recorder.returncode == 0, errors
    written = snapshots(tmp_path)
    told = reasons(written)
    assert told.count("24000 grown") == 1 and told.count("each 1 s") >= 2
    leaks = [check_steps(profile) for profile in written]
    assert leaks == sorted(leaks) and 0 < leaks[0] < leaks[-1] <= 200
    grown = written[told.index("24000 grown")]
    assert 24000 <= sum(s.values[3] for s in grown.samples) < 24000 + 10000
    paths = [f"x.{i + 1:04}.heap.pb.gz" for i in range(len(written))]
    assert output.splitlines()[-len(paths) - 1 :] == [*paths, "x.heap.pb.gz"]
    assert sums(pprof.read(tmp_path / "x.heap.pb.gz"), "leak")[2] == 200
    # What grew between two of them.
    first, last = (tmp_path / paths[i] for i in (0, -1))
    grew = pprof_tool("-sample_index=inuse_objects", "-base", first, "-top", last)
    assert re.search(rf"^ *{leaks[-1] - leaks[0]} .* leak$", grew, re.M), grew
    ours = quiet_daemon.ctl("top", "--sample_index=inuse_objects", "-base", first, last).stdout
    assert re.search(rf"^ *{leaks[-1] - leaks[0]} .* leak$", ours, re.M), ours
    assert "leak" in quiet_daemon.ctl("diff", first, last).stdout
    quiet_daemon.check_ledger()


def test_by_what_was_allocated(quiet_daemon, tmp_path):
    """57,100 bytes a step: one each 18 steps and a bit, or 1.1 seconds: time enough for each also
    where others want the CPUs. What an earlier recording has left of its series would be taken for
    some of this one; all else is none of ours."""
    old = [tmp_path / f"x.{number:04}.heap.pb.gz" for number in (2, 4, 17, 9999)]
    others = ["x.00004.heap.pb.gz", "xx.0004.heap.pb.gz", "x.0004.cpu.pb.gz", "x.0000.heap.pb.gz"]
    kept = [tmp_path / name for name in others]
    for path in [*old, *kept]:
        path.write_text("old")
    command = ["--snapshot-every", "1M-allocated", "--", HEAP / "steps", 70, 60]
    recorder = record(quiet_daemon, tmp_path, *command)
    _, errors = recorder.communicate(input="\n")
    assert recorder.returncode == 0, errors
    assert "3 snapshots of an earlier recording with this name were removed" in errors
    for path in kept:
        assert path.read_text() == "old"
        path.unlink()
    written = snapshots(tmp_path)
    assert reasons(written) == ["1M allocated"] * 3
    for number, profile in enumerate(written, 1):
        check_steps(profile)
        allocated = sum(s.values[1] for s in profile.samples)
        # Within a step, but on a busy host, where the one before may not have been written yet.
        assert number << 20 <= allocated < (number << 20) + 10000 + 14 * 57100


@pytest.mark.parametrize("how", ["signal", "command"])
def test_asked_for(quiet_daemon, tmp_path, how):
    with start("steps", arguments=[10**6]) as program:
        recorder = record(quiet_daemon, tmp_path, "--pid", program.pid)
        wait_for(lambda: quiet_daemon.recordings(), 60, "the recording")
        wait_for(lambda: quiet_daemon.recordings()[0]["heap"]["ready"], 60, "its probes")
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        time.sleep(0.3)
        for i in range(2):
            if how == "signal":
                recorder.send_signal(signal.SIGUSR2)
            else:
                said = quiet_daemon.ctl("snapshot", "--pid", program.pid).stderr
                assert "1 of its recordings" in said
            wait_for(lambda: len(snapshots(tmp_path)) == i + 1, 60, "the snapshot")
        recorder.send_signal(signal.SIGINT)
        _, errors = recorder.communicate(timeout=60)
    assert recorder.returncode == 0, errors
    written = snapshots(tmp_path)
    assert reasons(written) == [{"signal": "SIGUSR2", "command": "profctl snapshot"}[how]] * 2
    assert 0 < check_steps(written[0]) < check_steps(written[1])


@pytest.mark.parametrize("how", ["profile", "leaks"])
def test_standard_output_is_for_something_else(quiet_daemon, tmp_path, how):
    """And who asks is answered, whatever comes next."""
    folder = tmp_path / "x"
    folder.mkdir()
    with start("steps", arguments=[10**6]) as program:
        command = {"profile": ["record", "--type", "heap", "-o", "-"], "leaks": ["leaks", "--json"]}
        recorder = subprocess.Popen(
            [PROFCTL, *command[how], "--sample-bytes", "1", "--pid", str(program.pid)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=quiet_daemon.environment,
        )
        wait_for(lambda: quiet_daemon.recordings(), 60, "the recording")
        wait_for(lambda: quiet_daemon.recordings()[0]["heap"]["ready"], 60, "its probes")
        quiet_daemon.ctl("snapshot", "--pid", program.pid)
        recorder.send_signal(signal.SIGINT)
        output, errors = recorder.communicate(timeout=60)
    assert recorder.returncode == 0, errors
    written = list(folder.iterdir())
    assert len(written) == 1
    assert re.fullmatch(r"profd-\d{8}T\d{6}\.0001\.heap\.pb\.gz", written[0].name)
    assert reasons([pprof.read(written[0])]) == ["profctl snapshot"]
    assert written[0].name in errors.decode().splitlines()
    if how == "profile":
        (tmp_path / "out.pb.gz").write_bytes(output)
        assert pprof.read(tmp_path / "out.pb.gz").sample_types
    else:
        assert "stacks" in json.loads(output)


def test_path_that_cannot_be_printed(quiet_daemon, tmp_path):
    with open("/dev/full", "w") as full:
        command = ["record", "--type", "heap", "--sample-bytes", "1", "-o", "x.heap.pb.gz"]
        command += ["--snapshot-every", "1M-allocated", "--", HEAP / "steps", "25"]
        result = subprocess.run(
            [PROFCTL, *command],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=quiet_daemon.environment,
            timeout=60,
        )
    assert result.returncode == 125, result.stderr
    for name in ("x.0001.heap.pb.gz", "x.heap.pb.gz"):
        assert f"cannot print the path of the profile, {name}: No space" in result.stderr
    assert len(snapshots(tmp_path)) == 1


def test_several_types_without_a_name(quiet_daemon, tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    quiet_daemon.ctl(
        *("record", "--type", "cpu,heap", "--sample-bytes", 1, "--snapshot-every", "1M-allocated"),
        *("--", HEAP / "steps", 25),
        stdin=subprocess.DEVNULL,
        cwd=folder,
    )
    names = sorted(path.name for path in folder.iterdir())
    stamp = names[0].split(".")[0]
    assert names == [f"{stamp}.{what}.pb.gz" for what in ("0001.heap", "cpu", "heap")]


def test_of_a_user_without_rights(new_daemon, tmp_path):
    """A second apart, at least."""
    profd = shutil.copy(PROFD, tmp_path)
    library = Path(shutil.copy(PROGRAMS.parent / "libprofd-heap.so", tmp_path))
    daemon = new_daemon(program=profd, types="").start()
    with for_anyone(daemon, HEAP / "steps") as (folder, environment):
        os.link(library, folder / library.name)  # profd knows its own by the inode
        command = ["./profctl", "record", "--type", "heap", "--sample-bytes", 1, "-o", "x.pb.gz"]
        command += ["--snapshot-every", "100K-allocated", "--", "./steps", 120]
        subprocess.run(
            unprivileged(command),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=True,
        )
        written = snapshots(folder)
    times = [float(re.search(r"([\d.]+) s after", p.comments[-1])[1]) for p in written]
    assert len(times) >= 2 and set(reasons(written)) == {"100K allocated"}
    assert all(later - sooner >= 0.9 for sooner, later in zip([0, *times], times))


def test_nobody_to_ask(quiet_daemon):
    with start("steps") as program:
        result = quiet_daemon.ctl("snapshot", "--pid", program.pid, check=False)
        assert result.returncode == 1 and "profctl record --type heap" in result.stderr
    result = quiet_daemon.ctl("snapshot", check=False)
    assert result.returncode == 2 and "Give --pid" in result.stderr


def test_others_are_not_asked(quiet_daemon, tmp_path):
    with start("steps") as program, for_anyone(quiet_daemon) as (folder, environment):
        recorder = record(quiet_daemon, tmp_path, "--pid", program.pid)
        wait_for(lambda: quiet_daemon.recordings(), 60, "the recording")
        result = subprocess.run(
            unprivileged(["./profctl", "snapshot", "--pid", program.pid]),
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 1 and "no heap recording" in result.stderr
        recorder.send_signal(signal.SIGINT)
        assert recorder.wait(60) == 0
    assert not snapshots(tmp_path)


def test_target_killed(quiet_daemon, tmp_path):
    with start("steps", arguments=[10**6]) as program:
        recorder = record(
            *(quiet_daemon, tmp_path, "--pid", program.pid, "--snapshot-every", "1s"),
        )
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        wait_for(lambda: snapshots(tmp_path), 60, "a snapshot")
        program.process.kill()
        _, errors = recorder.communicate(timeout=60)
    assert recorder.returncode == 0, errors
    assert pprof.read(tmp_path / "x.heap.pb.gz").samples and snapshots(tmp_path)


def test_recorder_killed(quiet_daemon, tmp_path):
    """Whole files are left, and no other."""
    with start("steps", arguments=[10**6]) as program:
        recorder = record(
            *(quiet_daemon, tmp_path, "--pid", program.pid, "--snapshot-every", "200K-allocated")
        )
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        wait_for(lambda: len(snapshots(tmp_path)) > 1, 60, "snapshots")
        recorder.kill()
        recorder.communicate()
        wait_for(lambda: not quiet_daemon.recordings(), 60, "its end")
    for profile in snapshots(tmp_path):
        assert profile.samples
    assert {path.suffix for path in tmp_path.glob("x.*")} <= {".gz"}


def test_full_disk(quiet_daemon, tmp_path):
    """What cannot be written is said, and the recording goes on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    try:
        with start("steps", arguments=[10**6]) as program:
            recorder = record(
                *(quiet_daemon, disk, "--pid", program.pid, "--snapshot-every", "1s"),
                *("--seconds", 4),
            )
            (disk / "filler").write_bytes(os.urandom(60 << 10))
            program.process.stdin.write("\n")
            program.process.stdin.flush()
            _, errors = recorder.communicate(timeout=60)
        assert recorder.returncode == 1 and "No space left" in errors
        left = [path for path in disk.iterdir() if path.name != "filler"]
        assert all(pprof.read(path).samples for path in left)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--snapshot-every", "1x", "--type", "heap", "--pid", "1"], "'1x' is none of"),
        (["--snapshot-every", "0s", "--type", "heap", "--pid", "1"], "'0s' is none of"),
        (["--snapshot-every", "5M", "--type", "heap", "--pid", "1"], "'5M' is none of"),
        (["--snapshot-every", "1s"], "needs --type heap"),
        (["--snapshot-every", "1s", "--type", "heap", "--pid", "1", "-o", "-"], "files of their"),
    ],
)
def test_wrong_input(quiet_daemon, arguments, said):
    result = quiet_daemon.ctl("record", *arguments, check=False)
    assert result.returncode == 2 and said in result.stderr
