# SPDX-License-Identifier: MIT
"""Files with debug information in all its forms, made of one source, and large ones of others."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
SOURCE = PROGRAMS / "inlines.cc"


@dataclass
class Module:
    name: str
    path: Path
    debug: Path = None  # where its DWARF is, if it is not in the file
    others: Path = None  # what others read instead: they do not know this form
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
    """What others read: the file that leads to its debug information, or that itself."""
    if module.others:
        return module.others
    found = module.debug and module.debug == debug_file(module.path)
    return module.path if found or not module.debug else module.debug


# Compiler and flags for each form.
FORMS = {
    "gcc-dwarf2": "g++ -gdwarf-2",
    "gcc-split-types": "g++ -gdwarf-5 -gsplit-dwarf -fdebug-types-section",
    "gcc-dwarf4": "g++ -gdwarf-4",
    "gcc-dwarf5": "g++ -gdwarf-5",
    "gcc-sections": "g++ -O3 -ffunction-sections -Wl,--gc-sections",
    "gcc-lto": "g++ -flto",
    "gcc-gz": "g++ -gz=zlib",
    "gcc-split": "g++ -gsplit-dwarf",
    "gcc-split-dwarf4": "g++ -gdwarf-4 -gsplit-dwarf",
    "clang-split": "clang++ -gdwarf-5 -gsplit-dwarf",
    "clang-split-dwarf4": "clang++ -gdwarf-4 -gsplit-dwarf",
    "clang-dwarf4": "clang++ -gdwarf-4",
    "clang-dwarf5": "clang++ -gdwarf-5",
    "clang-line-tables": "clang++ -gline-tables-only",
    "clang-lto": "clang++ -flto -fuse-ld=lld",
}


RUST = """
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
fn index(text: &str) -> HashMap<&str, Vec<usize>> {
    let mut words: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, word) in text.split_whitespace().enumerate() { words.entry(word).or_default().push(i); }
    words
}
fn main() {
    let text: String = std::env::args().collect::<Vec<_>>().join(" ");
    let words = index(&text);
    let sorted: BTreeMap<_, _> = words.iter().filter(|(k, _)| k.len() > 1).collect();
    let mut out = String::new();
    for (k, v) in sorted.iter().rev() { writeln!(out, "{k}: {}", v.iter().sum::<usize>()).unwrap(); }
    print!("{out}");
}
"""

GO = """
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
)

func main() {
	words := map[string][]int{}
	for i, word := range os.Args {
		words[word] = append(words[word], i)
	}
	keys := []string{}
	for key := range words {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	text, _ := json.Marshal(words)
	fmt.Println(string(text), keys)
}
"""


# A unit before the one that matters: what that has does not begin at 0 in any section.
FIRST = """
[[gnu::cold, gnu::noinline, gnu::used]] static int seldom(int n) { return n * n; }
[[gnu::noinline]] int often(int n) { return n < 0 ? seldom(n) : n + 1; }
"""


def build(command, name, folder):
    compiler, *flags = command.split()
    words = [compiler, "-std=c++17", "-O2", "-g", *flags, "-o", name, "first.cc", SOURCE]
    (folder / name).mkdir()
    (folder / name / "first.cc").write_text(FIRST)
    subprocess.run(words, cwd=folder / name, check=True)
    return folder / name / name


def dwz(folder):
    """Two programs that share a part of their debug information, in a third file."""
    place = folder / "dwz"
    place.mkdir()
    for name, flags in ("dwz-one", "-O2"), ("dwz-two", "-O1"):
        shutil.copy(build(f"g++ -gdwarf-5 {flags}", name, folder), place / name)
    names = ["dwz-one", "dwz-two"]
    common = ["-m", "dwz-common", "-M", place / "dwz-common"]
    subprocess.run(["dwz", *common, *names], cwd=place, check=True)
    return [Module(name, place / name, others=folder / name / name) for name in names]


def zstd(folder):
    """As linkers of today compress it; others of Debian 12 read it as it was before."""
    plain = build("g++ -gdwarf-5", "gcc-plain", folder)
    packed = plain.with_name("gcc-zstd")
    command = ["objcopy", "--compress-debug-sections=zstd", plain, packed]
    subprocess.run(command, check=True)
    return [Module(packed.name, packed, others=plain)]


# How split debug information is packed. (What gcc makes of DWARF 5, neither tool of Debian 12 reads.)
PACKAGES = {
    "gcc-dwp-dwarf4": ("g++ -gdwarf-4 -gsplit-dwarf", "dwp"),
    "clang-dwp": ("clang++ -gdwarf-5 -gsplit-dwarf", "llvm-dwp"),
    "clang-dwp-dwarf4": ("clang++ -gdwarf-4 -gsplit-dwarf", "dwp"),
}


def package(name, folder):
    """Its .dwo files are gone; others read the same program, built without them."""
    command, tool = PACKAGES[name]
    # Both as if they had been built in one place.
    command += f" -fdebug-prefix-map={folder}/{name}=/made -fdebug-prefix-map={folder}/{name}-plain=/made"
    program = build(command, name, folder)
    parts = [file.name for file in program.parent.glob("*.dwo")]
    pack = [tool, *parts, "-o", f"{name}.dwp"]
    subprocess.run(pack, cwd=program.parent, check=True, timeout=60)
    for part in parts:
        (program.parent / part).unlink()
    plain = build(command.replace(" -gsplit-dwarf", ""), f"{name}-plain", folder)
    assert text_of(plain) == text_of(program)
    return [Module(name, program, others=plain)]


# A function inside of another one, and padding between functions.
NESTED = """
__attribute__((noinline)) static int add(int n) { return n + 3; }
__attribute__((noinline)) int outer(int n)
{
	__attribute__((noinline)) int inner(int m) { return m * n + add(m); }
	return inner(n) + inner(2 * n);
}
int main(int argc, char **argv) { return outer(argc) + add(argc); }
"""


def nested(folder):
    """With all symbols, and with only those that linking needs."""
    (folder / "nested.c").write_text(NESTED)
    found = []
    for name, flags in ("nested", []), ("nested-no-locals", ["-Wl,--discard-all"]):
        command = ["gcc", "-O2", "-g", "-falign-functions=64", *flags, "-o", name, "nested.c"]
        subprocess.run(command, cwd=folder, check=True)
        found.append(Module(name, folder / name, least_inlined=0))
    return found


def rust(folder):
    (folder / "words.rs").write_text(RUST)
    command = ["rustc", "-O", "-C", "debuginfo=2", "-o", "rust", "words.rs"]
    subprocess.run(command, cwd=folder, check=True)
    return [Module("rust", folder / "rust")]


def go(folder):
    """A Go program, and one that is stripped: others read it as it was before."""
    (folder / "words.go").write_text(GO)
    subprocess.run(["go", "build", "-o", "go", "words.go"], cwd=folder, check=True)
    return [Module("go", folder / "go"), stripped(folder / "go")]


def stripped(path):
    bare = path.with_name(f"{path.name}-stripped")
    subprocess.run(["strip", "-o", bare, path], check=True)
    return Module(bare.name, bare, others=path)


def made(folder):
    """The forms of tests/programs/inlines.cc, and programs in Rust and Go."""

    def form(name):
        return lambda folder: [Module(name, build(FORMS[name], name, folder))]

    def packed(name):
        return lambda folder: package(name, folder)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        makers = [rust, go, dwz, zstd, nested, *map(form, FORMS), *map(packed, PACKAGES)]
        return sum(pool.map(lambda make: make(folder), makers), [])


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


def at_hand(folder, program):
    """Large files that need not be fetched, or were before; and a program of ours."""
    python = Path(shutil.which("python3", path="/usr/bin")).resolve()
    found = [Module(program.name, program), Module(python.name, python, debug_file(python))]
    for package, pattern in UNPACKED.items():
        root = folder / package
        for path in root.glob(pattern):
            found.append(Module(path.name, path, debug_file(path, root)))
    return found


def large(folder):
    """Files of Debian; Go's linker, position-independent and stripped."""
    python = Path(shutil.which("python3", path="/usr/bin")).resolve()
    found = [Module(python.name, python, debug_file(python))]
    for package, pattern in UNPACKED.items():
        root = unpacked(package, folder)
        path = next(root.glob(pattern))
        found.append(Module(path.name, path, debug_file(path, root)))
    linker = folder / "go-pie"
    subprocess.run(["go", "build", "-buildmode=pie", "-o", linker, "cmd/link"], check=True)
    return [*found, stripped(linker)]
