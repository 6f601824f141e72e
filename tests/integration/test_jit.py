# SPDX-License-Identifier: MIT
"""Names of generated code, by jitdumps."""

import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import pprof
from profd import PROFCTL, Program, wait_for


def share(profile, name):
    return profile.cumulative()[name] / max(1, profile.total())


@pytest.fixture
def dump(tmp_path):
    """Runs the program; what it leaves in /tmp goes."""
    running = []

    def run(*how):
        program = Program("jitdump", 60, *how)
        running.append(program)
        return program

    yield run
    for program in running:
        program.__exit__()
        for path in (f"/tmp/jit-{program.pid}.dump", f"/tmp/perf-{program.pid}.map"):
            if os.path.exists(path):
                os.unlink(path)


@pytest.mark.parametrize(
    "how, name",
    [("", "first_version(int)"), ("moved", "moved_function(int)"), ("unmapped", "first_version(int)")],
)
def test_code_is_named(shared_daemon, dump, how, name):
    program = dump(how)
    profile = shared_daemon.record_run(program, 1)
    assert share(profile, name) > 0.95 and profile.total() > 40, profile.cumulative()
    assert share(profile, "main") > 0.95


@pytest.mark.parametrize("how", ["lines", "shifted"])
def test_code_has_lines(shared_daemon, dump, how):
    program = dump(how)
    profile = shared_daemon.record_run(program, 1)
    lines = Counter()
    for sample in profile.samples:
        for frame in sample.frames:
            if frame.name == "first_version(int)":
                lines[frame.file, frame.line] += sample.values[0]
    # What is around the loop is a millionth of it, but ticks like what comes after a call.
    assert lines["/src/made.up", 12] > 0.95 * lines.total() > 0, lines


def test_a_dump_lies_where_the_program_put_it(shared_daemon, dump, tmp_path):
    program = dump("", tmp_path)
    profile = shared_daemon.record_run(program, 0.3)
    assert share(profile, "first_version(int)") > 0.95


def test_each_window_has_the_names_of_its_time(new_daemon, dump):
    """Code that takes the place of other code does not change what was before."""
    daemon = new_daemon(window=3600, frequency=99).start()
    program = dump()
    program.let_run(1)
    first = pprof.read(daemon.close_window())
    program.process.send_signal(signal.SIGUSR1)
    program.let_run(0.3)
    daemon.close_window()
    program.let_run(1)
    second = pprof.read(daemon.close_window())
    for profile, name, other in [(first, "first", "second"), (second, "second", "first")]:
        found = profile.cumulative(profile.select(pid=program.pid))  # of no other test's
        assert found[f"{name}_version(int)"] > 50, found
        assert not found[f"{other}_version(int)"] and not found["not_this(int)"]


def test_names_are_those_of_the_end_of_the_window(shared_daemon, dump):
    """A recording ends, and only then is its code replaced: what is written while it is being
    named is of another time."""
    program = dump()
    command = ["--pid", program.pid, "--seconds", 2, "--frequency", 499]
    process, out = shared_daemon.start_record(*command)
    # Named as late as can be: the symbolizer waits for its turn.
    wait_for(lambda: shared_daemon.recordings())
    wait_for(lambda: not shared_daemon.recordings())
    program.process.send_signal(signal.SIGUSR1)
    process.communicate()
    assert share(pprof.read(out), "first_version(int)") > 0.95


def test_the_dump_of_another_user_is_not_read(shared_daemon, dump):
    """He could name what is not his."""
    program = dump("unmapped")
    path = f"/tmp/jit-{program.pid}.dump"
    os.chown(path, 65534, 65534)
    profile = shared_daemon.record_run(program, 0.3)
    assert not profile.cumulative()["first_version(int)"]
    assert share(profile, "[anon]") > 0.9


def test_symbols_says_what_names_the_code(dump, tmp_path):
    def said(pid):
        output = subprocess.run(
            [PROFCTL, "symbols", "--pid", str(pid)], capture_output=True, text=True, timeout=60
        ).stdout
        return output[output.index("code of no file") :].splitlines()[1].strip()

    program = dump("", tmp_path)
    assert said(program.pid) == f"names: the jitdump {tmp_path}/jit-{program.pid}.dump"
    os.unlink(tmp_path / f"jit-{program.pid}.dump")
    assert "neither a jitdump nor a perf map" in said(program.pid)
    with Program("jit", 60) as program:
        path = f"/tmp/perf-{program.pid}.map"
        assert said(program.pid) == f"names: the perf map {path}"
        os.chown(path, 65534, 65534)
        assert "cannot be used: it must be the process's user's" in said(program.pid)
        os.unlink(path)


def test_a_map_is_looked_for_again_by_each_recording(shared_daemon):
    """Java writes one when it is told to (jcmd PID Compiler.perfmap), just before a recording."""
    with Program("jit", 60) as program:
        path = Path(f"/tmp/perf-{program.pid}.map")
        text = path.read_text()
        path.unlink()
        unnamed = shared_daemon.record_run(program, 0.2)
        assert share(unnamed, "[anon]") > 0.9, unnamed.cumulative()
        path.write_text(re.sub(r"^(\w+) (\w+) ", r"0x\1 0x\2 ", text, flags=re.M))
        named = shared_daemon.record_run(program, 0.2)
        path.unlink()
    assert share(named, "jitted_loop(int)") > 0.9, named.cumulative()
