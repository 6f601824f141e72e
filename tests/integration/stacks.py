# SPDX-License-Identifier: MIT
"""What the stacks of a program have to look like: chains of functions, innermost first.

A chain is a list of steps. A step is a function's name, or a compiled regular expression that the
whole name has to match, or a Step, which looks at more than the name or stands for more frames.
"""

import re
from dataclasses import dataclass, field
from pathlib import PurePath

LIBRARY = re.compile(r"libc[.-].*|ld-.*|libgcc_s.*|libstdc\+\+.*|\[vdso\]")


@dataclass(frozen=True)
class Step:
    """A frame for which test(frame) is true; or many of them, or none if it is optional."""

    test: object
    many: bool = False
    optional: bool = False


def in_library(frame):
    return bool(LIBRARY.fullmatch(PurePath(frame.mapping).name))


def is_stub(frame):
    """Every function of the programs has a name; what has none is in the PLT, and so are stubs that
    are named after what they jump to."""
    return frame.name.endswith("@plt") or (frame.name.startswith("[") and "+0x" in frame.name)


def in_callee(frame):
    return in_library(frame) or is_stub(frame)


def named(pattern):
    """A test for Step: the whole name matches."""
    compiled = re.compile(pattern, re.DOTALL)
    return lambda frame: bool(compiled.fullmatch(frame.name))


def steps(chain):
    def step(wanted):
        if isinstance(wanted, Step):
            return wanted
        return Step(named(wanted.pattern if isinstance(wanted, re.Pattern) else re.escape(wanted)))

    return [step(wanted) for wanted in chain]


def follow(chain, frames, places):
    """Where in the chain one can be behind these frames, having begun at one of `places`."""

    def with_skipped(places):
        reached = set(places)
        for place in places:
            while place < len(chain) and chain[place].optional:
                place += 1
                reached.add(place)
        return reached

    places = with_skipped(places)
    for frame in frames:
        held = [place for place in places if place < len(chain) and chain[place].test(frame)]
        places = {place + 1 for place in held} | {place for place in held if chain[place].many}
        places = with_skipped(places)
    return places


class Truth:
    """The stacks that one program can have.

    chains begin with the function that burns and end with the root. Of open ones nobody knows how
    they go on after their last step, so the stack may say that it is unfinished there. What was
    called by the innermost function, and in turn by that (called is a test), does not matter.
    ours says which stacks are looked at; doubtful is the share of them that may be unfinished.
    """

    def __init__(
        self, *chains, open=(), called=in_callee, ours=lambda frames: True, doubtful=0.01
    ):
        self.chains = [steps(chain) for chain in chains]
        self.open = [steps(chain) for chain in open]
        self.called = called
        self.ours = ours
        self.doubtful = doubtful

    def verdict(self, frames):
        """Of a user stack: whole; part, where it begins further out than a chain does and is right
        from there on; unfinished, where it is right as far as it goes, and says so; else wrong."""
        finished = not frames[-1].name.startswith("[unfinished: ")
        frames = frames if finished else frames[:-1]
        skip = 0
        while skip < len(frames) and self.called(frames[skip]):
            skip += 1
        frames = frames[skip:]
        ends = [c for c in self.chains if finished] + self.open
        if any(len(chain) in follow(chain, frames, {0}) for chain in ends):
            return "whole"
        anywhere = [(chain, set(range(len(chain) + 1))) for chain in self.chains + self.open]
        reached = [(chain, follow(chain, frames, places)) for chain, places in anywhere]
        if frames and any(len(chain) in places and chain in ends for chain, places in reached):
            return "part"
        if not finished and any(places for _, places in reached):
            return "unfinished"
        return "wrong"


@dataclass
class Tally:
    """Verdicts on the stacks of one program, and what those looked like that were not right."""

    count: dict = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    shown: dict = field(default_factory=dict)

    def add(self, truth, samples):
        for sample in samples:
            frames = user_frames(sample)
            if not frames or not truth.ours(frames):
                continue
            verdict = truth.verdict(frames)
            self.count[verdict] += sample.values[0]
            if verdict in ("unfinished", "wrong"):
                text = f"{verdict}: " + " < ".join(frame.name for frame in frames[-25:])
                self.shown[text] = self.shown.get(text, 0) + sample.values[0]

    @property
    def total(self):
        return sum(self.count.values())

    def complaint(self, least, doubtful=0.01, whole=0.9, excused=0):
        """What is wrong with these stacks, or None: all but a share of them, and `excused`, come to
        the root, and no frame of any stack is a wrong one."""
        worst = sorted(self.shown.items(), key=lambda item: -item[1])[:3]
        text = f"{self.count} " + "; ".join(f"{n} {stack}" for stack, n in worst)
        if self.total < least:
            return f"too few samples: {text}"
        if self.count["wrong"] or self.count["unfinished"] > doubtful * self.total + excused:
            return text
        # Functions further out take no time to speak of, if whole is not less.
        if self.count["whole"] < whole * self.total:
            return f"innermost frames are missing: {text}"
        return None


VERDICTS = ("whole", "part", "unfinished", "wrong")


def user_frames(sample):
    return [frame for frame in sample.frames if not frame.mapping.startswith("[kernel")]
