# SPDX-License-Identifier: MIT
"""What unwinding by tables costs: by depth, how fast tables are made, and how soon they are there.

A sample costs cache and TLB misses, not instructions. What one touches, in lines of 64 bytes, a cold
one being 100 to 700 ns:

    once      event and registers 4, task 4, session and counters 3, scratch and sample 5,
              slot of the process 1, memo's head 1, ring 3 and the record itself
    a frame by rows       mapping array 4 (6 halvings of 60 entries; the next frames find them hot),
                          directory 1, index of the block 1, rows 1 to 2, stack 1, its note 1/4
                          (if its address came a short while ago, one line instead of the first 8)
    a frame by the memo   entry 1/4, stack 1

Those that one leads to the next are waited for one by one. Others come in together: of the stack as
many as half a kilobyte has (bpf/unwind_span.h), and what is known to be needed early on (bpf/touch.h):
slot and memo of the thread, ring, and where the innermost frame's rule is looked for.
"""

import struct
import subprocess
import tempfile
import time
from pathlib import Path

import loads
import profd

UNWIND = profd.PROGRAMS / "unwind"


def first_existing(*paths):
    return [path for path in paths if Path(path).exists()]


def cost(place, way, depth, seconds):
    """Nanoseconds of a recording's samples, for stacks without frame pointers."""
    place.mkdir()
    daemon = profd.Daemon(place, types="", unwind=way).start()
    with profd.Program(UNWIND / "deep", 600, depth) as program:
        target = ("--pid", program.pid, "--frequency", 499)
        daemon.record(*target, "--seconds", 1)  # loads the tables
        before = daemon.status()["samples"]
        daemon.record(*target, "--seconds", seconds)
        after = daemon.status()["samples"]
    daemon.kill()
    taken = max(1, after["taken"] - before["taken"])
    return (after["bpf_nanoseconds"] - before["bpf_nanoseconds"]) / taken


def depths(show, folder, seconds):
    """By tables and by frame pointer. Beside others the caches are cold when the clock ticks."""
    for n in (5, 25, 100):
        ways = ("table", "frame-pointer")
        costs = {way: cost(folder / f"{n}-{way}", way, n, seconds) for way in ways}
        show(
            f"{n} frames, BPF ns a sample",
            f"{costs['table']:,.0f}",
            f"   (by frame pointer, which breaks off: {costs['frame-pointer']:,.0f})",
        )
    print()


def compiling(show, build):
    """Rate and size of compiled tables."""
    libraries = first_existing(
        "/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1",
        "/usr/lib/gcc/x86_64-linux-gnu/12/cc1",
        "/usr/bin/python3.11",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
    )
    print("compiling all tables of a file")
    out = subprocess.run(
        [build / "bench/compile_tables", *libraries], capture_output=True, text=True, check=True
    ).stdout
    for line in out.splitlines():
        path, code, pages, tables, share, ms, rate = line.split("\t")
        show(Path(path).name, f"{ms} ms", f"   {code} MiB of code, {rate} MiB/s, {tables} MiB ({share} %)")
    print()


def captured(path):
    """(time, pid, end, way) of each sample."""
    data = path.read_bytes()
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        at += 8
        if kind == 2:
            when, pid = struct.unpack_from("<QI", data, at)
            end, way = struct.unpack_from("<BB", data, at + 172)
            yield when, pid, end, way
        at += size


def soonest(show, folder):
    """From exec to the first stack that BPF itself walked to its root."""
    compiler = first_existing("/usr/lib/gcc/x86_64-linux-gnu/12/cc1")
    if not compiler:
        return
    source = folder / "a.c"
    source.write_text("int f(int x) { return x; }\n" + "".join(
        f"int f{i}(int x) {{ for (int i = 0; i < x; i++) x += i * {i}; return x; }}\n" for i in range(3000)
    ))  # fmt: skip
    print("first whole stack of cc1 (20 MiB of code) by BPF alone, after its exec")
    store = folder / "store"
    for what in ("nothing known", "tables in the cache of the last run"):
        capture = folder / f"{what.split()[0]}.capture"
        place = folder / what.split()[0]
        place.mkdir()
        daemon = profd.Daemon(place, store=store, types="", capture=capture).start()
        recording, _ = daemon.start_record("--frequency", 997, "--comm", "cc1", "--seconds", 3)
        time.sleep(0.5)
        start = time.monotonic_ns()
        process = subprocess.Popen([*compiler, "-quiet", "-O2", source, "-o", "/dev/null"])
        process.wait()
        recording.communicate()
        daemon.stop()
        samples = sorted(one for one in captured(capture) if one[1] == process.pid)
        whole = [when for when, _, end, way in samples if end == 0 and way == 1]
        lost = sum(end != 0 for when, _, end, _ in samples if not whole or when < whole[0])
        before = sum(when < whole[0] for when, *_ in samples) if whole else len(samples)
        found = f"{(whole[0] - start) / 1e6:.0f} ms" if whole else "none"
        show(what, found, f"   (of {before} samples before, {lost} did not reach their root)")
    print()


def main(show, build, seconds):
    with tempfile.TemporaryDirectory() as name:
        for where, names in (("alone", ()), ("beside cc1 and xz, on the same CPUs", ("cc1", "xz"))):
            print(f"a hot loop of known depth, 499 Hz, one process, {where}")
            folder = Path(name) / str(len(names))
            folder.mkdir()
            with loads.Loads(*names):
                depths(show, folder, seconds)
        compiling(show, Path(build))
        soonest(show, Path(name))
