# SPDX-License-Identifier: MIT
"""libprofd-heap.so in tests/programs/heap, and who listens to its probes."""

import collections
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from profd import BUILD, PROGRAMS, wait_for

# A copy for each process that runs tests: a probe is heard in all that have the same file.
_folder = tempfile.TemporaryDirectory(prefix="profd-heap-")
LIBRARY = Path(shutil.copy(BUILD / "libprofd-heap.so", _folder.name))
# For allocators that have C++ operators of their own.
LIBRARY_CXX = Path(shutil.copy(BUILD / "libprofd-heap-cxx.so", _folder.name))
HEAP = PROGRAMS / "heap"
# tests/programs/heap/truth.h
BEGIN, END = 77777, 77778

Note = collections.namedtuple("Note", "location semaphore arguments")
Event = collections.namedtuple("Event", "probe pid tid pointer size weight")


def readelf(*arguments):
    command = ["readelf", "--wide", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def notes(file):
    """{"provider:name": Note} of its probes; addresses as they are linked."""
    found = {}
    pattern = (
        r"Provider: (\S+)\s+Name: (\S+)\s+Location: (\w+), Base: \w+, Semaphore: (\w+)"
        r"\s+Arguments: (.*)"
    )
    for provider, name, location, semaphore, arguments in re.findall(pattern, readelf("-n", file)):
        found[f"{provider}:{name}"] = Note(int(location, 16), int(semaphore, 16), arguments)
    return found


def in_file(address, file):
    """Where in the file lies what is linked to an address."""
    for line in readelf("-l", file).splitlines():
        fields = line.split()
        if fields[:1] == ["LOAD"]:
            offset, start, _, size = (int(field, 16) for field in fields[1:5])
            if start <= address < start + size:
                return address - start + offset
    raise LookupError(hex(address))


class Listener:
    """Hears probes of the library in all processes that have it, until the block ends."""

    def __init__(self, *probes, library=LIBRARY, drops=False):
        self.drops = drops
        specs = {}
        for provider_name, note in notes(library).items():
            name = provider_name.split(":")[1]
            places = (in_file(place, library) for place in note[:2])
            specs[name] = ":".join([name, *(f"{place:x}" for place in places)])
        wanted = probes or ("alloc", "free", "lost")
        self.command = [PROGRAMS / "heap_listener", library, *(specs[name] for name in wanted)]
        self.events = None

    def __enter__(self):
        # A pipe that nobody reads meanwhile would stop it.
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(self.command, stdout=self.output)
        wait_for(self.is_ready, what="heap_listener to attach")
        return self

    def __exit__(self, kind, *unused):
        self.process.terminate()
        assert self.process.wait(60) == 0
        with self.output:
            self.output.seek(0)
            _, *lines, dropped = self.output.read().splitlines()
        assert kind or self.drops or dropped == "dropped 0", dropped
        self.events = [parse(line) for line in lines]

    def is_ready(self):
        assert self.process.poll() is None, "heap_listener ended"
        return os.fstat(self.output.fileno()).st_size > 0

    def of(self, pid):
        return [event for event in self.events if event.pid == pid]


def parse(line):
    probe, *numbers = line.split()
    return Event(probe, *map(int, numbers))


def environment(sample_bytes=1, seed=None, beside=(), library=LIBRARY):
    """A process's: the library, and others preloaded behind it."""
    preload = ":".join(map(str, [library, *beside]))
    variables = {"LD_PRELOAD": preload, "PROFD_HEAP_SAMPLE_BYTES": str(sample_bytes)}
    if seed is not None:
        variables["PROFD_HEAP_SEED"] = str(seed)
    return {**os.environ, **variables}


def run(*command, **options):
    """(pid, standard output) of a program with the library, which must succeed in silence. Options
    are those of environment()."""
    program = HEAP / str(command[0])
    process = subprocess.Popen(
        [str(program if program.exists() else command[0]), *map(str, command[1:])],
        env=environment(**options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, ""), (command, process.returncode, errors)
    return process.pid, output


def marked(events):
    """The events of each thread between its marks, in the order of the events."""
    began, kept = {}, []
    for event in events:
        if event.probe == "alloc" and event.size == BEGIN:
            began[event.tid] = event.pointer
        elif event.probe == "alloc" and event.size == END:
            del began[event.tid]
        elif event.tid in began and event.pointer == began[event.tid]:
            began[event.tid] = None  # the mark itself is given back
        elif event.tid in began:
            kept.append(event)
    return kept


def live(events):
    """{(pid, pointer): Event} of what was not given back; nothing is given back or out twice."""
    found = {}
    for event in events:
        key = event.pid, event.pointer
        if event.probe == "alloc":
            assert key not in found, event
            found[key] = event
        elif event.probe == "free":
            assert key in found, event
            del found[key]
    return found


def story(events):
    """Lines "alloc SIZE" and "free SIZE", as tests/programs/heap/corners prints them."""
    sizes, lines = {}, []
    for event in events:
        if event.probe == "alloc":
            assert event.weight == event.size
            sizes[event.pointer] = event.size
            lines.append(f"alloc {event.size}")
        else:
            lines.append(f"free {sizes.pop(event.pointer)}")
    return lines
