# SPDX-License-Identifier: MIT
"""tests/bpf/probe, and the stacks that tests/programs/unwind/probed has."""

import subprocess
from dataclasses import dataclass

from profd import PROGRAMS
from stacks import Step, Tally, Truth, in_library, named

PROBE = PROGRAMS / "probe"
PROBED = PROGRAMS / "unwind/probed"

# From turn() outwards: the main thread, and the others.
START = named("__libc_start.*")
ROOTS = [
    ["main", Step(lambda frame: in_library(frame) or START(frame), many=True), "_start"],
    ["body", Step(in_library), Step(in_library)],
]
SORTS = Step(lambda frame: in_library(frame) or "sort" in frame.name, many=True)
WAYS = [["descend"] * 20, ["compare", SORTS, "sort_all"], ["visitor", *["walk"] * 7]]
TRUTH = Truth(*(["hit", *way, "turn", *root] for way in WAYS for root in ROOTS))


@dataclass
class Frame:
    name: str
    mapping: str


@dataclass
class Stack:
    """As a sample of a profile is: its value is how often it was seen."""

    values: list
    end: str
    missing: str
    frames: list


def parse(text):
    """(stacks, counts) of what the probe printed."""
    *lines, last = [line.split("\t") for line in text.splitlines()]
    assert last[0] == "counts", text[-1000:]
    stacks = []
    for count, end, missing, *frames in lines:
        frames = [Frame(*frame.rsplit("@", 1)) for frame in frames]
        if end != "complete":
            frames.append(Frame(f"[unfinished: {end}]", ""))
        stacks.append(Stack([int(count)], end, missing, frames))
    return stacks, {key: int(value) for key, value in zip(last[1::2], last[2::2])}


def run(daemon_pid, pid, seconds, program=PROBED, function="hit"):
    """The same of a probe on a function of a program."""
    command = [PROBE, daemon_pid, pid, program, function, seconds]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return parse(done.stdout)


def check_counts(stacks, counts):
    """Every hit is a stack or a counted loss."""
    assert counts["records"] == sum(stack.values[0] for stack in stacks), counts
    assert counts["hits"] == counts["records"] + counts["lost_scratch"] + counts["lost_ring"]


def complaint(stacks, least):
    """What is wrong with stacks of which each has to be whole, or None."""
    tally = Tally()
    tally.add(TRUTH, stacks)
    return None if least <= tally.count["whole"] == tally.total else str(tally)
