# SPDX-License-Identifier: MIT
"""Lines of the kernel, by a debug file that is made up: it has this kernel's build-id, its functions
where this one has them, and a line of its own for each."""

import bisect
import os
import struct
import subprocess
from pathlib import Path

import pytest

from debug_server import Misbehaved, has_none, sends
from profd import PROFCTL, Program

BASE = 0xFFFFFFFF90000000  # where it is linked; the kernel runs elsewhere

HEAD = """
    .globl _stext
    .file 1 "/made/kernel.c"
    .section .debug_line,"",@progbits
lines:
    .section .debug_abbrev,"",@progbits
abbreviations:
    .uleb128 1, 0x11
    .byte 0
    .uleb128 0x10, 0x17, 0x11, 0x01, 0x12, 0x07, 0x03, 0x08, 0, 0, 0
    .section .debug_info,"",@progbits
    .long end - begin
begin:
    .short 4
    .long abbreviations
    .byte 8
    .uleb128 1
    .long lines
    .quad _stext
    .quad text_end - _stext
    .asciz "/made/kernel.c"
end:
    .text
_stext:
"""


def build_id():
    """As the notes have it: name, description and type of each, padded to four bytes."""
    notes = Path("/sys/kernel/notes").read_bytes()
    at = 0
    while at < len(notes):
        name, size, kind = struct.unpack_from("<III", notes, at)
        at += 12
        start = at + (name + 3 & ~3)
        if kind == 3 and notes[at : at + name] == b"GNU\0":
            return notes[start : start + size].hex()
        at = start + (size + 3 & ~3)
    raise AssertionError("this kernel has no build-id")


def functions():
    """Addresses of the kernel's own functions; the first is _stext."""
    found, bounds = set(), {}
    for line in Path("/proc/kallsyms").read_text().splitlines():
        address, kind, name, *module = line.split()
        if name in ("_stext", "_etext"):
            bounds[name] = int(address, 16)
        elif kind in "tT" and not module:
            found.add(int(address, 16))
    inside = {at for at in found if bounds["_stext"] < at < bounds["_etext"]}
    return [bounds["_stext"], *sorted(inside)], bounds["_etext"]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A debug folder with the file, and the functions that it has."""
    folder = tmp_path_factory.mktemp("kernel")
    starts, end = functions()
    parts = [HEAD]
    for i, at in enumerate(starts):
        parts.append(f".org {at - starts[0]}\n.type made_{i}, @function\nmade_{i}:\n.loc 1 {i + 1}\nnop\n")
    parts.append(f".org {end - starts[0]}\ntext_end:\n")
    subprocess.run(["as", "-o", folder / "made.o", "-"], input="".join(parts), text=True, check=True)
    number = build_id()
    place = folder / "debug" / ".build-id" / number[:2]
    place.mkdir(parents=True)
    file = place / f"{number[2:]}.debug"
    link = ["ld", f"-Ttext={BASE:#x}", f"--build-id=0x{number}", "-e", "_stext"]
    subprocess.run([*link, "-o", file, folder / "made.o"], check=True)
    return folder / "debug", file, starts, end


def test_frames_of_the_kernel_have_lines(new_daemon, kernel):
    folder, _, starts, end = kernel
    daemon = new_daemon(types="", debug_dirs=folder).start()
    with Program("kernelwork", 60) as program:
        profile = daemon.record("--pid", program.pid, "--seconds", 1, "--frequency", 199)
    frames = [f for s in profile.samples for f in s.frames if starts[0] <= f.address < end]
    assert frames
    for frame in frames:
        i = bisect.bisect(starts, frame.address) - 1
        # A call is looked up before where it returns to.
        wanted = [(f"made_{k}", "/made/kernel.c", k + 1) for k in (i, i - 1)]
        assert (frame.name, frame.file, frame.line) in wanted, frame
    kernels = [m for m in profile.mappings if m["file"] == "[kernel.kallsyms]"]
    assert [m["build_id"] for m in kernels] == [build_id()]


def symbols(folder, module="kernel", **more):
    command = [PROFCTL, "symbols", "--debug_dirs", folder, module]
    environment = {**os.environ, "DEBUGINFOD_URLS": "", **more}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, check=True
    ).stdout


def test_symbols_says_where_lines_come_from(kernel, tmp_path):
    folder, file, *_ = kernel
    said = symbols(folder)
    assert f"names: /proc/kallsyms, and DWARF in {file}, found by build-id\n" in said
    assert symbols(folder, "[kernel.kallsyms]") == said
    said = symbols(tmp_path)
    assert "no lines and no inlined calls\n" in said
    assert f"better: its debug file, vmlinux, as .build-id/{file.parent.name}/{file.name} " in said
    # Of another kernel.
    other = tmp_path / file.relative_to(folder)
    other.parent.mkdir(parents=True)
    subprocess.run(["objcopy", "--remove-section=.note.gnu.build-id", file, other], check=True)
    assert f"passed over: {other}, which is of another build" in symbols(tmp_path)


def test_it_is_found_as_distributions_call_it(kernel, tmp_path):
    _, file, *_ = kernel
    for name in ("lib/modules/{}/vmlinux", "boot/vmlinux-{}"):
        folder = tmp_path / name[:3]
        link = folder / name.format(os.uname().release)
        link.parent.mkdir(parents=True)
        link.symlink_to("../../../vmlinux" if "modules" in name else "../vmlinux")
        (folder / "vmlinux").hardlink_to(file)
        assert f"DWARF in {folder / 'vmlinux'}, found by its release\n" in symbols(folder)


def test_symbols_asks_servers(kernel, tmp_path):
    _, file, *_ = kernel
    asked = [f"/buildid/{build_id()}/debuginfo"]
    cache = {"DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache")}
    with Misbehaved(has_none) as server:
        said = symbols(tmp_path, DEBUGINFOD_URLS=server.url, **cache)
        assert "    debuginfod: no server has it\n" in said and server.asked == asked
        assert "no lines" in said and "better: its debug file, vmlinux" in said
        assert "better" not in symbols(kernel[0], DEBUGINFOD_URLS=server.url)
        assert server.asked == asked
    with Misbehaved(sends(file.read_bytes())) as server:
        said = symbols(tmp_path, DEBUGINFOD_URLS=server.url, DEBUGINFOD_CACHE_PATH=str(tmp_path / "new"))
        assert "and DWARF in" in said and "from debuginfod\n    debuginfod: has it\n" in said
        assert server.asked == asked


def test_symbols_names_the_package(tmp_path):
    """Of a Debian kernel, by what dpkg says."""
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "linux-image-made.list").write_text(f"/.\n/boot/vmlinuz-{os.uname().release}\n")
    script = f'mount --bind {lists} /var/lib/dpkg/info && exec "$@"'
    profctl = [PROFCTL, "symbols", "--debug_dirs", tmp_path, "kernel"]
    command = ["unshare", "-m", "sh", "-c", script, "sh", *profctl]
    environment = {**os.environ, "DEBUGINFOD_URLS": ""}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "better: apt-get install linux-image-made-dbg\n" in result.stdout
