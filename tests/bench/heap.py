# SPDX-License-Identifier: MIT
"""What sampling allocations costs: a pair of malloc and free, beside peers.

Each figure is the best of many short rounds, in which the ways take turns: what else the machine does
meanwhile falls on all of them.
"""

import contextlib
import os
import subprocess
from pathlib import Path

import preload
import profd

PAIRS = profd.PROGRAMS / "heap/pairs"
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
SIZES = (16, 1024, 65536)
TURNS = 3


def preloading(*libraries, **environment):
    """An environment, or None: a library is not installed."""
    if not all(Path(library).exists() for library in libraries):
        return None
    return {"LD_PRELOAD": ":".join(map(str, libraries)), **environment}


def ways():
    """{name: (what it is compared with, environment, whether somebody listens)} of those at hand."""
    own, own_cxx = preload.LIBRARY, preload.LIBRARY_CXX
    jemalloc = LIBRARIES / "libjemalloc.so.2"
    tcmalloc = LIBRARIES / "libtcmalloc.so.4"
    heaptrack = next(Path("/usr/lib").glob("**/libheaptrack_preload.so"), Path("/nowhere"))
    found = {
        "glibc": (None, {}, False),
        "libprofd-heap": ("glibc", preloading(own), False),
        "libprofd-heap, listening": ("glibc", preloading(own), True),
        "libprofd-heap-cxx, listening": ("glibc", preloading(own_cxx), True),
        "heaptrack": ("glibc", preloading(heaptrack, DUMP_HEAPTRACK_OUTPUT="/dev/null"), False),
        "jemalloc": (None, preloading(jemalloc), False),
        "jemalloc, libprofd-heap, listening": ("jemalloc", preloading(own, jemalloc), True),
        "jemalloc, its own profiler": (
            "jemalloc",
            preloading(jemalloc, MALLOC_CONF="prof:true,lg_prof_sample:19"),
            False,
        ),
        "jemalloc, its own, all sampled": (
            "jemalloc",
            preloading(jemalloc, MALLOC_CONF="prof:true,lg_prof_sample:0"),
            False,
        ),
        "tcmalloc": (None, preloading(tcmalloc), False),
        "tcmalloc, libprofd-heap, listening": ("tcmalloc", preloading(own, tcmalloc), True),
        "tcmalloc, its own sampling": (
            "tcmalloc",
            preloading(tcmalloc, TCMALLOC_SAMPLE_PARAMETER="524288"),
            False,
        ),
    }
    return {name: way for name, way in found.items() if way[1] is not None}


def best(environment, size, threads):
    """Nanoseconds of a pair in the best round."""
    command = [PAIRS, str(size), str(threads), "5"]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    numbers = [line for line in done.stdout.split() if line.replace(".", "").isdigit()]
    return min(map(float, numbers))


def turn(found, listening, size, threads):
    """Figures of all ways with somebody who listens, or of all without."""
    with contextlib.ExitStack() as stack:
        if listening:
            for library in (preload.LIBRARY, preload.LIBRARY_CXX):
                stack.enter_context(preload.Listener(library=library))
        return {
            name: best(environment, size, threads)
            for name, (_, environment, heard) in found.items()
            if heard == listening
        }


def main(show):
    found = ways()
    for threads in (1, 2):
        for size in SIZES:
            print(f"a pair of malloc and free, {size:,} bytes, threads: {threads}; one in 512 KiB sampled")
            turns = [
                turn(found, listening, size, threads)
                for _ in range(TURNS)
                for listening in (False, True)
            ]
            ns = {name: min(t[name] for t in turns if name in t) for name in found}
            for name, (base, *_) in found.items():
                more = f"   {ns[name] - ns[base]:+.1f} ns, ×{ns[name] / ns[base]:.2f}" if base else ""
                aim = " (aim: +2.0)" if base == "glibc" and "profd" in name and size == 16 else ""
                show(name, f"{ns[name]:.1f} ns", more + aim)
            print()
