# SPDX-License-Identifier: MIT
"""Files with debug information in all its forms, made of one source, and large ones of others."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
SOURCE = PROGRAMS / "inlines.cc"


@dataclass
class Module:
    name: str
    path: Path
    debug: Path = None  # where its DWARF is, if it is not in the file
    least_inlined: float = 0.1  # part of the addresses that are in an inlined call


def text_of(path):
    """(address, size) of .text."""
    shown = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True).stdout
    for line in shown.splitlines():
        fields = line.replace("[", " ").replace("]", " ").split()
        if len(fields) > 5 and fields[1] == ".text":
            return int(fields[3], 16), int(fields[5], 16)
    raise ValueError(f"{path} has no .text")


def debug_file(path, root="/"):
    """Its separate debug file by build-id, or None."""
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True).stdout
    ids = [line.split()[-1] for line in notes.splitlines() if "Build ID:" in line]
    for one in ids:
        debug = Path(root) / "usr/lib/debug/.build-id" / one[:2] / f"{one[2:]}.debug"
        if debug.exists():
            return debug
    return None


def with_debug(module):
    """The file that leads to its debug information, or that itself."""
    found = module.debug and module.debug == debug_file(module.path)
    return module.path if found or not module.debug else module.debug


# Compiler and flags for each form.
FORMS = {
    "gcc-dwarf4": "g++ -gdwarf-4",
    "gcc-dwarf5": "g++ -gdwarf-5",
    "gcc-o3": "g++ -O3 -ffunction-sections -Wl,--gc-sections",
    "gcc-lto": "g++ -flto",
    "gcc-gz": "g++ -gz=zlib",
    "clang-dwarf4": "clang++ -gdwarf-4",
    "clang-dwarf5": "clang++ -gdwarf-5",
    "clang-line-tables": "clang++ -gline-tables-only",
    "clang-lto": "clang++ -flto -fuse-ld=lld",
}


def build(command, name, folder):
    compiler, *flags = command.split()
    words = [compiler, "-std=c++17", "-O2", "-g", *flags, "-o", name, SOURCE]
    subprocess.run(words, cwd=folder, check=True)
    return folder / name


def made(folder):
    """The forms of tests/programs/inlines.cc."""
    return [Module(name, build(command, name, folder)) for name, command in FORMS.items()]


# Large files of Debian, unpacked but not installed: packages, and what is looked at.
UNPACKED = {
    "ceph-mgr": "usr/bin/ceph-mgr",
    "openjdk-17-jre-headless": "usr/lib/jvm/java-17-openjdk-*/lib/server/libjvm.so",
}
DEBUG_PACKAGES = {"openjdk-17-jre-headless": "openjdk-17-dbg"}


def unpacked(package, folder):
    """Its root, with its debug files."""
    root = folder / package
    if not root.exists():
        fresh = folder / f"{package}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        wanted = [package, DEBUG_PACKAGES.get(package, f"{package}-dbg")]
        subprocess.run(["apt-get", "-q", "download", *wanted], cwd=fresh, check=True, stdout=2)
        for archive in fresh.glob("*.deb"):
            subprocess.run(["dpkg", "-x", archive, fresh], check=True)
            archive.unlink()
        fresh.rename(root)
    return root


def large(folder):
    python = Path(shutil.which("python3", path="/usr/bin")).resolve()
    found = [Module(python.name, python, debug_file(python))]
    for package, pattern in UNPACKED.items():
        root = unpacked(package, folder)
        path = next(root.glob(pattern))
        found.append(Module(path.name, path, debug_file(path, root)))
    return found
