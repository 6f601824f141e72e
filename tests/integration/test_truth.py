# SPDX-License-Identifier: MIT
"""What a profile says about programs whose truth is known."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import pprof
from profd import PROGRAMS, ROOT, Program, mark, truth, wait_for, z_score

SHARES = {"burn_sixty": 0.6, "burn_thirty": 0.3, "burn_ten": 0.1}


def check_shares(profile):
    """60, 30 and 10 % within four standard deviations, of enough samples."""
    found = profile.cumulative()
    n = sum(found[name] for name in SHARES)
    assert n >= 100, found
    for name, share in SHARES.items():
        assert abs(z_score(found[name], n, share)) < 4, (name, found[name], n)
    return n


def stacks_through(profile, name):
    return [sample for sample in profile.samples if name in sample.names]


def test_shares_lines_and_inlines(shared_daemon):
    with Program("burn3", 60) as burn:
        profile = shared_daemon.record_run(burn, 2)
    n = check_shares(profile)
    assert n >= 0.95 * profile.total(), profile.cumulative().most_common(10)
    first, last = mark("burn3.c", "churn-first"), mark("burn3.c", "churn-last")
    for name in SHARES:
        short = name.removeprefix("burn_")
        inlined = exact = total = 0
        for sample in stacks_through(profile, name):
            total += sample.values[0]
            at = sample.names.index(name)
            frame, inline, caller = sample.frames[at : at + 3]
            assert frame.file == str(ROOT / "tests/programs/burn3.c")
            assert 0 < frame.start_line <= frame.line
            assert inline.name == "spend" and inline.inlined
            assert caller.name == "burn_round" and not caller.inlined
            exact += sample.values[0] * (caller.line == mark("burn3.c", f"round-{short}"))
            main = sample.frames[sample.names.index("main")]
            assert main.line == mark("burn3.c", "main-round")
            if at and sample.names[at - 1] == "churn":
                inner = sample.frames[at - 1]
                assert inner.inlined and not frame.inlined
                assert first <= inner.line <= last
                assert frame.line == mark("burn3.c", f"{short}-churn")
                inlined += sample.values[0]
        # The compiler gives the loop's own instructions to the function itself.
        assert inlined > 0.4 * total, (name, inlined, total)
        assert exact == total


def test_continuous_profile_and_labels(daemon):
    with Program("burn3", 60) as burn:
        burn.let_run(4)
        used = burn.cpu()
        file = daemon.close_window()
    profile = pprof.read(file)
    assert profile.sample_types == [("samples", "count"), ("cpu", "nanoseconds")]
    assert profile.period_type == ("cpu", "nanoseconds")
    assert abs(profile.period - 1e9 / 19) < 100
    mine = profile.select(pid=burn.pid)
    assert {s.labels["comm"] for s in mine} == {"burn3"}
    assert {s.labels["tid"] for s in mine} == {burn.pid}
    assert {s.labels["exe"] for s in mine} == {str(PROGRAMS / "burn3")}
    assert all(s.values[1] == s.values[0] * profile.period for s in profile.samples)
    taken = sum(s.values[0] for s in mine)
    assert abs(taken - 19 * used) < 0.15 * taken + 5, (taken, used)
    assert abs(profile.time_nanos / 1e9 + profile.duration_nanos / 1e9 - time.time()) < 5
    text = "\n".join(profile.comments)
    for word in ("profd ", os.uname().release, os.uname().nodename):
        assert word in text


@pytest.mark.parametrize("depth", [10, 100])
def test_depth(shared_daemon, depth):
    with Program("depth", depth, 60) as program:
        profile = shared_daemon.record_run(program, 1)
    stacks = stacks_through(profile, "bottom")
    assert sum(s.values[0] for s in stacks) >= 50
    for sample in stacks:
        assert sample.names.count("descend") == depth
        assert sample.names.index("main") == sample.names.index("bottom") + depth + 1


def test_deeper_than_can_be_recorded_says_so(shared_daemon):
    with Program("depth", 1000, 60) as program:
        profile = shared_daemon.record_run(program, 1)
    stacks = stacks_through(profile, "bottom")
    assert stacks
    for sample in stacks:
        assert sample.names.count("descend") >= 250
        assert sample.names[-1].startswith("[unfinished: ")


@pytest.mark.alone
def test_fifty_threads(shared_daemon):
    process, out = shared_daemon.start_record("--frequency", 499, "--", PROGRAMS / "threads", 50, 6)
    known = truth(process.communicate()[0])
    assert process.returncode == 0
    profile = pprof.read(out)
    by_comm = {}
    for sample in profile.samples:
        by_comm.setdefault(sample.labels["comm"], []).append(sample)
    for i in range(50):
        name = f"worker-{i}"
        samples = by_comm[name]
        assert len({s.labels["tid"] for s in samples}) == 1
        expected, found = known[name] * 499, sum(s.values[0] for s in samples)
        assert abs(found - expected) < 5 * expected**0.5 + 3, (name, found, expected)
        burning = sum(s.values[0] for s in samples if "thread_burn" in s.names)
        assert burning > 0.8 * found
    assert len({s.labels["tid"] for name in by_comm for s in by_comm[name]}) >= 50


@pytest.mark.alone
@pytest.mark.parametrize("how", ["fork", "exec"])
def test_short_processes_have_names(shared_daemon, how):
    command = [PROGRAMS / "forks", 200, 10, 5, *(["exec"] if how == "exec" else [])]
    process, out = shared_daemon.start_record("--comm", "forks", "--frequency", 199, "--seconds", 0)
    wait_for(shared_daemon.recordings, what="the recording")
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE)
    process.send_signal(signal.SIGINT)
    process.communicate()
    profile = pprof.read(out)
    # The program that starts them is none of them.
    pids = {s.labels["pid"] for s in stacks_through(profile, "short_burn")}
    short = [s for s in profile.samples if s.labels["pid"] in pids]
    total = sum(s.values[0] for s in short)
    named = sum(s.values[0] for s in short if "short_burn" in s.names)
    user = [s for s in short if not s.frames[0].mapping.startswith("[kernel")]
    unnamed = sum(s.values[0] for s in user if s.names[0].startswith(("[", "0x")))
    assert total > 300 and len(pids) > 300, (total, len(pids))
    assert unnamed <= 0.01 * total, (unnamed, total)
    # Entering and leaving a program takes its part as well.
    assert named > 0.8 * total, (named, total, profile.cumulative(short).most_common(20))


def test_exec_in_mid_window(daemon):
    chain = PROGRAMS / "execchain"
    with Program(chain, 2, chain, 3) as program:
        pid = program.pid
        program.truth()
    profile = pprof.read(daemon.close_window())
    mine = profile.select(pid=pid)
    found = profile.cumulative(mine)
    # It burnt 2 s and 3 s, less what other programs took of the CPU.
    assert 3 <= found["before_exec"] <= 2 * 19 + 4, found
    assert 5 <= found["after_exec"] <= 3 * 19 + 4, found
    assert not any({"before_exec", "after_exec"} <= set(s.names) for s in mine)


def test_exec_of_another_program(new_daemon):
    daemon = new_daemon(window=3600, frequency=499).start()
    with Program("execchain", 1, PROGRAMS / "burn3", 1.5) as program:
        pid = program.pid
        program.truth()
    profile = pprof.read(daemon.close_window())
    by_exe = {}
    for sample in profile.select(pid=pid):
        by_exe.setdefault(sample.labels["exe"], set()).update(sample.names)
    before = by_exe.get(str(PROGRAMS / "execchain"), set())
    after = by_exe.get(str(PROGRAMS / "burn3"), set())
    assert "before_exec" in before and "burn_sixty" not in before, by_exe
    assert "burn_sixty" in after and "before_exec" not in after, by_exe


def test_deleted_binary(lone_daemon, tmp_path):
    copy = shutil.copy(PROGRAMS / "burn3", tmp_path / "burn3-deleted")
    with Program(copy, 60) as burn:
        copy.unlink()
        profile = lone_daemon.record_run(burn, 1.5)
    check_shares(profile)


def test_binary_deleted_before_profd_started(new_daemon, tmp_path):
    copy = shutil.copy(PROGRAMS / "burn3", tmp_path / "burn3-deleted")
    with Program(copy, 60) as burn:
        copy.unlink()
        daemon = new_daemon(types="").start()
        profile = daemon.record_run(burn, 1.5)
    check_shares(profile)


def test_replaced_binary(lone_daemon, tmp_path):
    """The running program keeps its names when another file takes its path."""
    copy = shutil.copy(PROGRAMS / "burn3", tmp_path / "program")
    with Program(copy, 60) as old:
        shutil.copy(PROGRAMS / "execchain", tmp_path / "new").rename(copy)
        with Program(copy, 60) as new:
            first = lone_daemon.record_run(old, 1.5)
            second = lone_daemon.record_run(new, 1)
    check_shares(first)
    assert second.cumulative()["after_exec"] > 0.9 * second.total() > 0
    assert "burn_sixty" not in second.cumulative()


def test_memfd(lone_daemon):
    with Program("memfd", PROGRAMS / "burn3", 60) as burn:
        profile = lone_daemon.record_run(burn, 1.5)
    check_shares(profile)


def test_own_root_and_pid_namespace(shared_daemon):
    """As in a container: its file can be reached through the process only."""
    options = ["--comm", "hidden", "--seconds", 0, "--frequency", 499]
    process, out = shared_daemon.start_record(*options)
    wait_for(shared_daemon.recordings, what="the recording")
    with Program("ownroot", PROGRAMS / "burn3-static", 3) as program:
        program.truth()
    process.send_signal(signal.SIGINT)
    process.communicate()
    profile = pprof.read(out)
    check_shares(profile)
    assert {s.labels["exe"] for s in profile.samples} == {"/hidden"}


def test_plugins_in_turn(shared_daemon):
    plugins = [PROGRAMS / "plugin_a.so", PROGRAMS / "plugin_b.so"]
    with Program("plugins", *plugins, 60) as program:
        profile = shared_daemon.record("--pid", program.pid, "--seconds", 5, "--frequency", 499)
    found = profile.cumulative()
    n = found["plugin_a"] + found["plugin_b"]
    assert n > 0.95 * profile.total() > 90, found
    # They take turns of 0.3 s.
    assert 0.3 * n < found["plugin_a"] < 0.7 * n
    for sample in profile.samples:
        if sample.names[0] == "plugin_a":
            assert sample.frames[0].mapping == str(plugins[0])


def test_changed_comm(shared_daemon):
    process, out = shared_daemon.start_record("--frequency", 499, "--", PROGRAMS / "comms", 4)
    process.communicate()
    profile = pprof.read(out)
    count = {}
    for sample in stacks_through(profile, "named_burn"):
        comm = sample.labels["comm"]
        count[comm] = count.get(comm, 0) + sample.values[0]
    assert set(count) == {"first-name", "second-name"}
    assert all(50 < n < 2 * 499 + 100 for n in count.values()), count


@pytest.mark.parametrize("map_file", ["", "hostile"])
def test_jit(shared_daemon, map_file):
    with Program("jit", 60, *filter(None, [map_file])) as jit:
        profile = shared_daemon.record_run(jit, 1)
    found = profile.cumulative()
    assert found["jitted_loop(int)"] > 0.95 * profile.total() > 40, found
    assert found["main"] > 0.95 * profile.total()


def test_kernel(shared_daemon):
    with Program("kernelwork", 60) as program:
        profile = shared_daemon.record_run(program, 1.5)
    kernel = [s for s in profile.samples if s.frames[0].mapping.startswith("[kernel")]
    total = sum(s.values[0] for s in kernel)
    assert total > 0.8 * profile.total() > 60
    named = sum(s.values[0] for s in kernel if not s.names[0].startswith("["))
    assert named > 0.99 * total
    # The way from the call into the kernel and back to who called.
    whole = [s for s in kernel if "main" in s.names]
    assert sum(s.values[0] for s in whole) > 0.9 * total, profile.cumulative().most_common(12)
    assert any("vfs_read" in s.names or "ksys_read" in s.names for s in kernel)


def test_vdso(shared_daemon):
    with Program("vdso", 60) as program:
        profile = shared_daemon.record_run(program, 1)
    frames = [f for s in profile.samples for f in s.frames if f.mapping == "[vdso]"]
    assert frames
    assert all(frame.name.startswith(("__vdso_", "clock_")) for frame in frames), frames
    assert profile.cumulative()["main"] > 0.9 * profile.total()


def test_pid_that_is_used_again(daemon):
    """Two programs with one pid in one window stay apart."""
    with Program("execchain", 1.5) as first:
        first.truth()
    second = None
    for _ in range(200):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(first.pid - 1))
        second = Program("burn3", 1.5)
        if second.pid == first.pid:
            break
        second.process.kill()
        second.process.communicate()
    assert second.pid == first.pid, "the pid could not be had again"
    second.truth()
    profile = pprof.read(daemon.close_window())
    names = {}
    for sample in profile.select(pid=first.pid):
        names.setdefault(sample.labels["exe"], set()).update(sample.names)
    assert "after_exec" in names[str(PROGRAMS / "execchain")]
    assert "burn_sixty" in names[str(PROGRAMS / "burn3")]
    assert "burn_sixty" not in names[str(PROGRAMS / "execchain")]
    assert "after_exec" not in names[str(PROGRAMS / "burn3")]


def test_in_a_pid_namespace_of_its_own(new_daemon):
    """Pids are those that profd sees, and it says what it can not see."""
    inside = f'{PROGRAMS / "burn3"} 60 >/dev/null & exec "$@"'
    prefix = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", inside, "sh"]
    with Program("burn3", 60) as outside:
        daemon = new_daemon(prefix=prefix).start()
        outside.let_run(2)
        status = daemon.check_ledger()
        profile = daemon.record("--comm", "burn3", "--seconds", 2, "--frequency", 997)
        daemon.kill()
    assert status["kernel"]["nested_pid_namespace"]
    assert "namespace" in " ".join(status["notes"])
    assert status["samples"]["outside_pid_namespace"] > 20
    pids = {s.labels["pid"] for s in profile.samples}
    assert outside.pid not in pids and len(pids) == 1 and pids.pop() < 100
    check_shares(profile)


def test_cpp_names(shared_daemon):
    with Program("names-cc", 60) as program:
        profile = shared_daemon.record_run(program, 1.5)
    frames = {f.name: f for s in profile.samples for f in s.frames}
    (template,) = [name for name in frames if "outer::burn_template<long>" in name]
    assert frames[template].system_name.startswith("_ZN5outer13burn_template")
    assert any("outer::(anonymous namespace)::Burner::member" in name for name in frames), frames
    assert any("main::{lambda(int)" in name for name in frames), frames


RUST = {
    "rustsymbols": ["outer::Legacy::burn", "outer::Current>::burn"],
    # Only where there is a Rust compiler.
    "names-rs": ["outer::Step>::step"],
}


@pytest.mark.parametrize("program", [name for name in RUST if (PROGRAMS / name).exists()])
def test_rust_names(shared_daemon, program):
    with Program(program, 60) as rust:
        profile = shared_daemon.record_run(rust, 0.5)
    names = set(profile.cumulative())
    for end in RUST[program]:
        assert any(name.endswith(end) for name in names), names
    assert not any(name.startswith(("_ZN", "_R")) or "17h" in name for name in names)


WITH_LINES = ["burn3-o1", "burn3-static", "burn3-gz", "burn3-debuglink", "burn3-buildid"]
WITH_LINES += ["burn3-split", "burn3-dwz"]


@pytest.mark.parametrize("program", [*WITH_LINES, "burn3-symtab", "burn3-minidebug"])
def test_where_names_come_from(lend, program):
    daemon = lend(types="", debug_dirs=PROGRAMS / "debug")
    with Program(program, 60) as burn:
        profile = daemon.record_run(burn, 1.5)
    check_shares(profile)
    frames = [f for s in profile.samples for f in s.frames if f.name == "burn_sixty"]
    if program in WITH_LINES:
        assert all(f.file.endswith("tests/programs/burn3.c") and f.line for f in frames)
        assert "churn" in profile.cumulative()
    else:
        assert not any(f.line for f in frames)


def test_without_any_names(shared_daemon):
    with Program("burn3-stripped", 60) as burn:
        profile = shared_daemon.record_run(burn, 0.5)
    user = [f for s in profile.samples for f in s.frames if f.mapping.endswith("burn3-stripped")]
    assert user
    for frame in user:
        if frame.name == "clock_gettime@plt":
            continue  # a tick in a stub, whose name the loader needs
        assert frame.name == f"[burn3-stripped+{frame.address:#x}]"
