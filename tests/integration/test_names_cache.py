# SPDX-License-Identifier: MIT
"""Names on disk: what was found out once is there after a restart, as long as it is true."""

import re
import shutil
import subprocess

import pytest

from profd import PROGRAMS, ROOT, Program
from stacks import user_frames


def spin(daemon, program, seconds):
    """The functions of burn3 in a recording, and what the symbolizer did for it."""
    profile = daemon.record("--pid", program.pid, "--seconds", seconds, "--frequency", 997)
    frames = [frame for sample in profile.samples for frame in user_frames(sample)]
    return [f for f in frames if f.name.startswith("burn_")], daemon.status()["symbolizer"]


def test_a_restart_reads_no_debug_information(new_daemon):
    with Program("burn3", 60) as program:
        first = new_daemon(types="").start()
        # Longer than the second time, so that it comes to every address that is hit then.
        _, did = spin(first, program, 4)
        assert did["files_read"] and not did["disk_hits"], did
        first.stop()
        again = new_daemon(types="", store=first.store).start()
        frames, does = spin(again, program, 1)
    # The rest are other addresses of the second time, and the kernel's.
    assert does["disk_hits"] > max(5, 0.2 * does["addresses"]), (did, does)
    assert frames and all(frame.file.endswith("burn3.c") and frame.line for frame in frames)


def split_program(folder):
    """burn3 with split debug information, built in `folder`; runs in another one."""
    source = ROOT / "tests/programs/burn3.c"
    flags = ["-O2", "-gdwarf-4", "-gsplit-dwarf"]
    subprocess.run(["gcc", *flags, "-c", "-o", "burn3.o", source], cwd=folder, check=True)
    away = folder / "away"
    away.mkdir()
    subprocess.run(["gcc", "-o", away / "burn3", "burn3.o", "-lm", "-lpthread"], cwd=folder, check=True)
    return away / "burn3", folder / "burn3.dwo"


@pytest.mark.parametrize("how", ["compiler's path", "package"])
def test_split_debug_information_is_found(new_daemon, tmp_path, how):
    program, part = split_program(tmp_path)
    if how == "package":
        subprocess.run(["dwp", part, "-o", f"{program}.dwp"], check=True)
        part.unlink()
    with Program(program, 60) as running:
        daemon = new_daemon(types="").start()
        profile = daemon.record("--pid", running.pid, "--seconds", 2, "--frequency", 997)
    # Inlined calls are in the part only.
    assert profile.cumulative()["churn"] >= 0.2 * profile.total() > 0
    with_lines = [f for s in profile.samples for f in user_frames(s) if f.name == "churn"]
    assert all(frame.inlined and frame.line for frame in with_lines)


def test_a_debug_file_that_was_installed_counts(new_daemon, tmp_path):
    program, debug = tmp_path / "burn3", tmp_path / "debug"
    shutil.copy(PROGRAMS / "burn3", program)
    notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True).stdout
    build_id = re.search(r"Build ID: (\w+)", notes)[1]
    folder = debug / ".build-id" / build_id[:2]
    folder.mkdir(parents=True)
    subprocess.run(["objcopy", "--strip-debug", program], check=True)
    with Program(program, 60) as running:
        first = new_daemon(types="", debug_dirs=debug).start()
        frames, _ = spin(first, running, 2)
        assert frames and not any(frame.line for frame in frames)
        first.stop()
        keep = ["objcopy", "--only-keep-debug", PROGRAMS / "burn3"]
        subprocess.run([*keep, folder / f"{build_id[2:]}.debug"], check=True)
        again = new_daemon(types="", debug_dirs=debug, store=first.store).start()
        frames, _ = spin(again, running, 1)
    assert frames and all(frame.line for frame in frames)
