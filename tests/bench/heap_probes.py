# SPDX-License-Identifier: MIT
"""What heap profiles of programs cost that run already: a pair of malloc and free with profd's
uprobes, beside empty programs at the same places, which are the floor.

All ways take turns on one process, or on its like, so that figures of one table compare."""

import contextlib
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import objects
import preload
import probe
import profd

PAIRS = profd.PROGRAMS / "heap/pairs"
FLOOR = profd.BUILD / "bench/heap_floor"
# A copy that nobody else has mapped: the kernel asks the probes of all processes that share a file.
_folder = tempfile.TemporaryDirectory(prefix="profd-libc-")
LIBC = Path(shutil.copy("/usr/lib/x86_64-linux-gnu/libc.so.6", _folder.name))
SIZES = (16, 1024, 65536)
TURNS = 5
ROUNDS = 8
PROBE_SECONDS = 1
MEAN = 512 << 10
# A Python that holds so many blocks of malloc's when it is told to.
BLOCKS = 50000
HOLDER = f"print('ready', flush=True); input(); x = [bytes(1000) for _ in range({BLOCKS})]; input()"


class Pairs:
    """The program, for ever; rounds() is what it takes now."""

    def __init__(self, size, threads, **environment):
        self.command = [str(PAIRS), str(size), str(threads), "0"]
        self.environment = {**os.environ, "LD_LIBRARY_PATH": str(LIBC.parent), **environment}

    def __enter__(self):
        self.output = tempfile.NamedTemporaryFile("r")
        with open(self.output.name, "w") as out:
            self.process = subprocess.Popen(self.command, stdout=out, env=self.environment)
        self.rounds()
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()
        self.output.close()

    def rounds(self):
        """Nanoseconds of a pair in the next rounds, of which the first began before."""
        seen = len(self.lines())
        profd.wait_for(lambda: len(self.lines()) > seen + ROUNDS, 60, "rounds of pairs")
        return [*map(float, self.lines()[seen + 1 :])]

    def best(self):
        return min(self.rounds())

    def lines(self):
        """Those that are complete."""
        return Path(self.output.name).read_text().split("\n")[:-1]


# ---- what is attached -----------------------------------------------------------------------------


@contextlib.contextmanager
def recording(daemon, pid, *options):
    """Its session in status, once the probes are attached."""
    recorder, out = daemon.start_record("--type", "heap", "--pid", pid, "--seconds", 0, *options)

    def sessions():
        assert recorder.poll() is None, recorder.communicate()
        return [s for s in daemon.recordings() if s["type"] == "heap" and s["heap"].get("ready")]

    try:
        yield profd.wait_for(sessions, 60, "the probes to be attached")[0]
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.communicate(timeout=120)
        out.unlink(missing_ok=True)


@contextlib.contextmanager
def floor(pid, file, returns):
    """Empty programs where profd's were (`file`: as status describes it)."""
    frees = [p["offset"] for p in file["probes"] if p["name"] == "free"]
    others = [p["offset"] for p in file["probes"] if p["name"] != "free"]
    places = [",".join(map(str, offsets)) for offsets in (others, frees)]
    command = [FLOOR, pid, file["path"], "yes" if returns else "no", *places]
    process = subprocess.Popen(
        [*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        way = process.stdout.readline().strip()
        assert way, "heap_floor ended"
        yield way
    finally:
        process.communicate()


def stacks(daemon, pairs, bare):
    """A pair of which the malloc is a trap, whose program walks the stack and puts it into a ring.
    A recording keeps the tables."""
    with clock_samples(daemon, pairs.process.pid):
        command = [probe.PROBE, daemon.pid, pairs.process.pid, LIBC, "malloc", PROBE_SECONDS]
        walker = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
        profd.wait_for(lambda: pairs.best() > 10 * bare, 20, "the probe")
        # Where the ring is full for a while, it costs less.
        ns = statistics.median(pairs.rounds())
        output, _ = walker.communicate(timeout=120)
    walked, counts = probe.parse(output)
    whole = sum(stack.values[0] for stack in walked if stack.end == "complete")
    assert whole > 0.9 * counts["hits"], counts
    return ns


@contextlib.contextmanager
def clock_samples(daemon, pid):
    """Clock samples of the process, seldom."""
    recorder, out = daemon.start_record("--pid", pid, "--seconds", 0, "--frequency", 19)
    profd.wait_for(daemon.recordings, 60, "the recording")
    time.sleep(0.5)
    try:
        yield
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.communicate(timeout=120)
        out.unlink(missing_ok=True)


def programs(daemon, pairs):
    """Nanoseconds of a pair that are in profd's programs, by the kernel's account."""

    def total():
        heap = [p for p in objects.shown("prog", daemon.pid) if p["name"].startswith("profd_heap")]
        runs = sum(p.get("run_cnt", 0) for p in heap if p["name"].startswith("profd_heap_free"))
        return sum(p.get("run_time_ns", 0) for p in heap), runs

    with objects.timed():
        before = total()
        pairs.best()
        after = total()
    return (after[0] - before[0]) / max(1, after[1] - before[1])


# ---- figures --------------------------------------------------------------------------------------


def turn(daemon, size, threads):
    """{way: nanoseconds of a pair}, each measured once."""
    found = {}
    with Pairs(size, threads) as pairs:
        pid = pairs.process.pid
        with recording(daemon, pid) as session:
            found["profd"] = pairs.best()
            found["in programs"] = programs(daemon, pairs)
            [file] = [f for f in session["heap"]["files"] if f["path"] == str(LIBC)]
        with floor(pid, file, returns=False):
            found["floor"] = pairs.best()
        found["bare"] = pairs.best()
        with floor(pid, file, returns=True):
            found["floor, returns"] = pairs.best()
        with recording(daemon, pid, "--sample-bytes", 1):
            found["profd, all"] = pairs.best()
            found["in programs, all"] = programs(daemon, pairs)
            samples = daemon.recordings()[0]["samples"]
        found["lost"] = sum(samples["lost"].values()) / max(1, samples["taken"])
        found["stack"] = stacks(daemon, pairs, found["bare"])
    return found


def sample_of_library(daemon, size, threads):
    """Nanoseconds of a sample by the library. It may not take too many, of which the daemon would
    drop some: one of a thousand pairs is."""
    share, ns = 0.001 / threads, []
    for mean in (1 << 40, int(-size / math.log(1 - share))):
        library = {"LD_PRELOAD": str(preload.LIBRARY), "PROFD_HEAP_SAMPLE_BYTES": str(mean)}
        with Pairs(size, threads, **library) as pairs, recording(daemon, pairs.process.pid):
            ns.append(statistics.median(pairs.rounds()))
    return (ns[1] - ns[0]) / share


def by_library(daemon, size, threads):
    """A pair by the library as it is used: (nanoseconds, share of its samples that were kept)."""
    with Pairs(size, threads, LD_PRELOAD=str(preload.LIBRARY)) as pairs:
        with recording(daemon, pairs.process.pid):
            ns, samples = pairs.best(), daemon.recordings()[0]["samples"]
    return ns, samples["taken"] / max(1, samples["taken"] + samples["filtered"])


def compare(show, daemon, size, threads):
    turns = [turn(daemon, size, threads) for _ in range(TURNS)]
    ns = {way: min(t[way] for t in turns) for way in turns[0]}
    announced = [by_library(daemon, size, threads) for _ in range(TURNS)]
    of_library = statistics.median(sample_of_library(daemon, size, threads) for _ in range(TURNS))
    sampled = 1 - math.exp(-size / MEAN)
    trap = ns["floor, returns"] - ns["floor"]
    one = ns["stack"] - ns["bare"]

    def sample(what, cost, remark=""):
        show(what, f"{cost:,.0f} ns", f"   ×{cost / one:.2f} of a trap and a stack{remark}")

    print(f"a pair of malloc and free by uprobes, {size:,} bytes, threads: {threads}")
    show("glibc", f"{ns['bare']:.1f} ns")
    show("empty probes at profd's places", f"{ns['floor']:,.0f} ns")
    remark = f"   ×{ns['profd'] / ns['floor']:.2f} of that (aim: 1.10); {sampled:.2%} sampled"
    show("profd, one in 512 KiB", f"{ns['profd']:,.0f} ns", remark)
    show("  in its programs", f"{ns['in programs']:,.0f} ns")
    ours, kept = min(announced)
    remark = f"   {ours - ns['bare']:+.1f} ns; {kept:.0%} of the samples kept"
    show("libprofd-heap, one in 512 KiB", f"{ours:.1f} ns", remark)
    show("empty probes, at the return too", f"{ns['floor, returns']:,.0f} ns")
    show("profd, all sampled", f"{ns['profd, all']:,.0f} ns", f"   {ns['lost']:.1%} lost")
    show("  in its programs", f"{ns['in programs, all']:,.0f} ns")
    show("one trap and one stack", f"{one:,.0f} ns")
    sample("a sample by profd, and its free", ns["profd, all"] - ns["profd"], f", {trap:,.0f} ns the return's trap")
    sample("one by libprofd-heap, and its free", of_library)
    print()


def neighbours(show, daemon):
    """The kernel asks all probes of a place whose they are, whatever the process."""
    print("a pair, 16 bytes, with probes in other processes that share the C library")
    with Pairs(16, 1) as pairs, recording(daemon, pairs.process.pid) as session:
        [file] = [f for f in session["heap"]["files"] if f["path"] == str(LIBC)]
        show("alone", f"{pairs.best():,.0f} ns")
        for n in (1, 8):
            with contextlib.ExitStack() as stack:
                others = [stack.enter_context(Pairs(16, 1)) for _ in range(n)]
                for other in others:
                    other.process.send_signal(signal.SIGSTOP)
                    stack.enter_context(floor(other.process.pid, file, returns=False))
                show(f"{n} other{'s' * (n > 1)}, stopped", f"{pairs.best():,.0f} ns")
    print()


def table(daemon, pid, *options):
    """The map of what is in use."""
    with recording(daemon, pid, *options):
        return [m for m in objects.shown("map", daemon.pid) if m["name"] == "profd_live"][0]


def memory(show):
    """What it takes to remember what is in use."""
    print(f"{BLOCKS:,} blocks in use, all sampled; or none of them")
    command = ["/usr/bin/python3", "-c", HOLDER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with quiet_daemon() as daemon, subprocess.Popen(command, **pipes) as holder:
        holder.stdout.readline()
        with recording(daemon, holder.pid, "--sample-bytes", 1):
            before = private_bytes(daemon.pid)
            holder.stdin.write("\n")
            holder.stdin.flush()
            profd.wait_for(lambda: in_use(daemon) >= BLOCKS, 60, "the blocks")
            grown, count = private_bytes(daemon.pid) - before, in_use(daemon)
        tables = {
            "kernel's table, all sampled": table(daemon, holder.pid, "--sample-bytes", 1),
            "kernel's table, one in 512 KiB": table(daemon, holder.pid),
        }
        holder.stdin.write("\n")
    for name, live in tables.items():
        size, entries = live["bytes_memlock"], live["max_entries"]
        each = f"   {size / entries:.0f} bytes for each of {entries:,}"
        show(name, f"{size / 2**20:.1f} MiB", each)
    show("daemon's own, all sampled", f"{grown / 2**20:.1f} MiB", f"   {grown / count:.0f} bytes each")
    print()


def in_use(daemon):
    return daemon.recordings()[0]["heap"]["in_use"]


def private_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) * 1024


@contextlib.contextmanager
def quiet_daemon():
    with tempfile.TemporaryDirectory() as folder:
        daemon = profd.Daemon(Path(folder), types="").start()
        try:
            yield daemon
        finally:
            daemon.kill()


def main(show):
    with quiet_daemon() as daemon:
        for threads in (1, 2):
            for size in SIZES:
                compare(show, daemon, size, threads)
        neighbours(show, daemon)
    memory(show)
