# SPDX-License-Identifier: MIT
"""profctl record: whom it watches, how it ends, what it prints and returns."""

import os
import signal
import subprocess
import time

import pytest

import pprof
from profd import PROFCTL, PROGRAMS, Program, for_anyone, truth, unprivileged, wait_for


@pytest.mark.parametrize(
    "command, code",
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -9 $$"], 137),
        (["/nonexistent"], 127),
        (["/etc/passwd"], 126),
    ],
)
def test_command_exit_code(shared_daemon, tmp_path, command, code):
    result = shared_daemon.ctl("record", "-o", tmp_path / "p", "--", *command, check=False)
    assert result.returncode == code, result.stderr


def test_command_passes_input_and_output_through(shared_daemon, tmp_path):
    result = shared_daemon.ctl("record", "-o", tmp_path / "p", "--", "cat", input="through")
    assert result.stdout.startswith("through")


def test_command_is_profiled_from_its_first_instruction_with_children(quiet_daemon, tmp_path):
    process, out = quiet_daemon.start_record(
        "--frequency", 997, "--", PROGRAMS / "forks", 50, 3, 10, "exec"
    )
    process.communicate()
    profile = pprof.read(out)
    assert len({s.labels["pid"] for s in profile.samples}) > 100
    assert profile.cumulative()["short_burn"] > 500
    # What the kernel and the loader do before main() is part of it.
    assert any("execve" in name for name in profile.cumulative())


def test_without_children(shared_daemon):
    with Program("forks", 20, 60, 10) as program:
        one = ["--pid", program.pid, "--seconds", 1, "--frequency", 499]
        alone = shared_daemon.record(*one)
        family = shared_daemon.record(*one, "--children")
    assert {s.labels["pid"] for s in alone.samples} <= {program.pid}
    assert family.cumulative()["short_burn"] > 5


def test_one_thread(shared_daemon):
    with Program("threads", 4, 60) as program:
        tids = [int(t) for t in os.listdir(f"/proc/{program.pid}/task")]
        tid = max(tids)
        profile = shared_daemon.record("--tid", tid, "--seconds", 1, "--frequency", 997)
    assert {s.labels["tid"] for s in profile.samples} == {tid}


def test_comm(shared_daemon):
    with Program("burn3", 60) as one, Program("comms", 60) as other:
        profile = shared_daemon.record("--comm", "first-name", "--seconds", 1, "--frequency", 499)
    assert {s.labels["pid"] for s in profile.samples} == {other.pid} != {one.pid}


def test_cgroup(shared_daemon, cgroup):
    with Program("burn3", 60) as inside, Program("burn3", 60) as outside:
        with open(f"{cgroup}/inner/cgroup.procs", "w") as procs:
            procs.write(str(inside.pid))
        profile = shared_daemon.record("--cgroup", cgroup, "--seconds", 1, "--frequency", 499)
    pids = {s.labels["pid"] for s in profile.samples}
    assert pids == {inside.pid} and outside.pid not in pids
    assert profile.total() > 20


def test_seconds_are_kept(shared_daemon):
    start = time.monotonic()
    profile = shared_daemon.record("--seconds", 2)
    assert 1.9 < profile.duration_nanos / 1e9 < 2.3
    assert time.monotonic() - start < 15


def test_path_is_the_last_line_and_no_progress_in_a_pipe(shared_daemon):
    result = shared_daemon.ctl("record", "--seconds", 1)
    assert len(result.stdout.splitlines()) == 1
    assert pprof.read(result.stdout.splitlines()[-1])
    assert "\r" not in result.stderr and "\x1b" not in result.stderr


def test_interrupt_keeps_what_there_is(shared_daemon):
    with Program("burn3", 60) as burn:
        process, out = shared_daemon.start_record(
            "--pid", burn.pid, "--seconds", 100, "--frequency", 499
        )
        wait_for(shared_daemon.recordings, what="the recording")
        burn.let_run(0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert pprof.read(out).total() > 20


def test_targets_exit_ends_it(shared_daemon):
    with Program("burn3", 3) as burn:
        process, out = shared_daemon.start_record(
            "--pid", burn.pid, "--seconds", 100, "--frequency", 199
        )
        burn.truth()
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert 20 < pprof.read(out).total() < 610


def test_client_that_is_killed(daemon):
    """What it collected is stored, and its session is free again."""
    with Program("burn3", 60) as burn:
        command = [PROFCTL, "record", "--pid", str(burn.pid), "--seconds", "100"]
        command += ["--frequency", "499"]
        process = subprocess.Popen(command, env=daemon.environment, stdout=subprocess.PIPE)
        wait_for(daemon.recordings, what="the recording")
        burn.let_run(0.5)
        process.kill()
        process.communicate()
        wait_for(lambda: not daemon.recordings(), what="the recording's end")
    (file,) = wait_for(lambda: list(daemon.store.glob("records/*.pb.gz")), what="its file")
    assert pprof.read(file).total() > 5


def test_own_samples_can_be_left_out(new_daemon):
    daemon = new_daemon(exclude_self="yes").start()
    time.sleep(2)
    for _ in range(3):
        file = daemon.close_window()
        time.sleep(0.5)
        assert daemon.pid not in {s.labels["pid"] for s in pprof.read(file).samples}
    assert daemon.check_ledger()["samples"]["filtered"] >= 0


def test_standalone(tmp_path):
    environment = {**os.environ, "PROFD_SOCKET": str(tmp_path / "nobody-listens")}
    out = tmp_path / "alone.pb.gz"
    command = ["record", "--standalone", "--frequency", 499, "-o", out]
    command += ["--", PROGRAMS / "burn3", 2]
    result = subprocess.run(
        [PROFCTL, *map(str, command)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    burnt = truth(result.stdout)["sixty"]
    assert pprof.read(out).cumulative()["burn_sixty"] > 0.5 * 499 * burnt > 0


def test_another_user_records_his_own_processes_only(shared_daemon):
    with for_anyone(shared_daemon, PROGRAMS / "burn3") as (folder, environment):
        with Program(*unprivileged([folder / "burn3", 60])) as his, Program("burn3", 60) as roots:
            out = folder / "his.pb.gz"
            record = [folder / "profctl", "record"]
            command = unprivileged([*record, "-o", out, "--seconds", 2])
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            profile = pprof.read(out)
            assert {s.labels["pid"] for s in profile.samples} >= {his.pid}
            assert roots.pid not in {s.labels["pid"] for s in profile.samples}
            assert not any(f.mapping.startswith("[kernel") for s in profile.samples for f in s.frames)
            refused = subprocess.run(
                unprivileged([*record, "--pid", roots.pid, "--seconds", 1]),
                env=environment,
                capture_output=True,
                text=True,
            )
            assert refused.returncode == 1
            assert str(roots.pid) in refused.stderr
            assert not refused.stdout
