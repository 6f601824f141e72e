# SPDX-License-Identifier: MIT
"""Processes with another root than ours: profctl symbols says of them what profd finds."""

import os
import shutil
import subprocess

import pytest

from debug_server import build_id
from profd import PROFCTL, PROGRAMS, Program

# Here it is of a package.
NAME = "usr/bin/env"
PIVOT = f'mount --bind "$0" "$0" && cd "$0" && pivot_root . old && exec /{NAME} 60'
COMMANDS = {
    "chroot": lambda root: ["chroot", root, f"/{NAME}", 60],
    "pivot_root": lambda root: ["unshare", "-m", "sh", "-c", PIVOT, root],
}
# As an ordinary user, who may not follow /proc/PID/map_files.
BY_PATH = ["setpriv", "--bounding-set=-sys_admin,-checkpoint_restore"]
GONE = "no names: it was replaced or removed while the process runs"


@pytest.fixture
def root(tmp_path):
    """With a stripped program in it."""
    folder = tmp_path / "root"
    for name in ("usr/bin", "old"):
        (folder / name).mkdir(parents=True)
    subprocess.run(["strip", "-o", folder / NAME, PROGRAMS / "burn3-static"], check=True)
    return folder


def add_debug_file(root):
    """Its path there."""
    whole = PROGRAMS / "burn3-static"
    name = build_id(whole)
    path = f"usr/lib/debug/.build-id/{name[:2]}/{name[2:]}.debug"
    (root / path).parent.mkdir(parents=True)
    subprocess.run(["objcopy", "--only-keep-debug", whole, root / path], check=True)
    return path


def said_of(pid, prefix=(), code=0):
    """What profctl says of the program."""
    command = [*prefix, PROFCTL, "symbols", "--pid", str(pid)]
    environment = {**os.environ, "DEBUGINFOD_URLS": ""}
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert result.returncode == code, result
    (said,) = [part for part in result.stdout.split("\n/") if NAME in part.split("\n")[0]]
    return said.split("\n[")[0]


@pytest.mark.parametrize("how", COMMANDS)
def test_debug_file_below_the_root(how, root, shared_daemon):
    seen_from = {"chroot": str(root), "pivot_root": ""}[how]
    with Program(*COMMANDS[how](root)) as program:
        said = said_of(program.pid)
        assert said.startswith(f"{seen_from}/{NAME}\n    names: nothing")
        assert "/usr/lib/debug or" in said and "apt-get" not in said
        path = add_debug_file(root)
        for prefix in [], BY_PATH:
            said = said_of(program.pid, prefix)
            assert f"names: DWARF in {seen_from}/{path}, found by build-id" in said
            assert "better" not in said
        profile = shared_daemon.record_run(program, 0.5)
    files = {f.file for s in profile.samples for f in s.frames if f.name == "main"}
    assert [file.split("/")[-1] for file in files] == ["burn3.c"]


def files_of_main(profile):
    frames = [f for s in profile.samples for f in s.frames if f.file.endswith("burn3.c")]
    return {f.name for f in frames}


def test_debug_file_when_the_first_process_has_ended(root, shared_daemon):
    add_debug_file(root)
    with Program("chroot", root, f"/{NAME}", 60) as program:
        program.let_run(0.2)
    with Program("chroot", root, f"/{NAME}", 60) as program:
        assert "main" in files_of_main(shared_daemon.record_run(program, 0.5))


def test_debug_file_of_another_user_names_nothing_of_ours(root, tmp_path, shared_daemon):
    """He has the same program below a root of his, and had it first."""
    path = root / add_debug_file(root)
    os.chown(path, 65534, 65534)
    os.link(root / NAME, tmp_path / "env")
    with Program("chroot", "--userspec=65534:65534", root, f"/{NAME}", 60) as theirs:
        shared_daemon.record_run(theirs, 0.2)
        with Program(tmp_path / "env", 60) as ours:
            profile = shared_daemon.record_run(ours, 0.5)
    assert profile.samples and not files_of_main(profile)


@pytest.mark.parametrize("how", COMMANDS)
def test_debug_file_beside_the_program(how, root):
    whole, debug = PROGRAMS / "burn3-static", root / "usr/bin/env.debug"
    subprocess.run(["objcopy", "--only-keep-debug", whole, debug], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", root / NAME], check=True)
    with Program(*COMMANDS[how](root)) as program:
        assert "/usr/bin/env.debug, found by .gnu_debuglink" in said_of(program.pid)


@pytest.mark.parametrize("how", COMMANDS)
def test_another_file_is_not_taken_for_it(how, root):
    """Even where it has the name that a removed one is shown by."""
    with Program(*COMMANDS[how](root)) as program:
        (root / NAME).unlink()
        (root / f"{NAME} (deleted)").symlink_to(PROGRAMS / "burn3-static")
        assert GONE in said_of(program.pid, BY_PATH, code=1)


def test_what_was_deleted_has_its_names(tmp_path, shared_daemon):
    """profd still sees it; who may not, is told."""
    path = tmp_path / NAME
    path.parent.mkdir(parents=True)
    shutil.copy(PROGRAMS / "burn3", path)
    with Program(path, 60) as program:
        path.unlink()
        assert f"{path} (deleted)\n    names: its DWARF" in said_of(program.pid)
        assert GONE in said_of(program.pid, BY_PATH, code=1)
        profile = shared_daemon.record_run(program, 0.5)
    assert "burn_sixty" in profile.cumulative()


# ---- one device in mappings, several to stat ------------------------------------------------------

SPIN = """#include <stdio.h>
volatile unsigned long sink;
__attribute__((noinline)) void NAME(void) { for (int i = 0; i < 1000; i++) sink += i; }
int main(void) { puts("ready"); fflush(stdout); for (;;) NAME(); }
"""


@pytest.fixture
def twins(tmp_path):
    """Two programs that mappings show with the same numbers, as subvolumes of btrfs have them, too."""
    mounts = []

    def mount(name, *arguments):
        (tmp_path / name).mkdir()
        mounts.append(tmp_path / name)
        subprocess.run(["mount", *arguments, mounts[-1]], check=True)

    try:
        for name in "one", "two":
            mount(name, "-t", "tmpfs", name)
            command = ["cc", "-g", "-x", "c", "-", f"-DNAME=spin_{name}", "-o", tmp_path / name / name]
            subprocess.run(command, input=SPIN, text=True, check=True)
        layers = f"lowerdir={tmp_path}/one:{tmp_path}/two,xino=off"
        mount("both", "-t", "overlay", "both", "-o", layers)
        yield [tmp_path / "both/one", tmp_path / "both/two"]
    finally:
        for where in reversed(mounts):
            subprocess.run(["umount", "-l", where], check=False)


def numbers_of(program):
    lines = open(f"/proc/{program.pid}/maps").read().splitlines()
    return next(line.split()[3:5] for line in lines if "both/" in line)


def test_files_with_the_same_numbers_are_told_apart(twins, new_daemon):
    """Those of who was there before profd, and of who came later."""
    with Program(twins[0]) as early, Program(twins[1]) as late:
        assert numbers_of(early) == numbers_of(late)
        daemon = new_daemon(types="").start()
        with Program(twins[1]) as third, Program(twins[0]) as fourth:
            for program, path in zip([early, late, third, fourth], [*twins, *twins[::-1]]):
                profile = daemon.record_run(program, 0.2)
                frames = {f.name: f.mapping for s in profile.samples for f in s.frames}
                assert frames["main"] == str(path) and f"spin_{path.name}" in frames
