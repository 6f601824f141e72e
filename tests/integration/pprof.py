# SPDX-License-Identifier: MIT
"""Reads pprof files, to look at every sample of them: independent of profd's own code.

Source of the fields: google/pprof, proto/profile.proto.
"""

import gzip
from collections import Counter
from dataclasses import dataclass, field


def fields(data):
    """(number, value) of each field of a message; length-delimited ones are bytes."""
    i = 0

    def varint():
        nonlocal i
        value = shift = 0
        while True:
            byte = data[i]
            i += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while i < len(data):
        key = varint()
        number, wire = key >> 3, key & 7
        if wire == 0:
            yield number, varint()
        elif wire == 2:
            size = varint()
            if i + size > len(data):
                raise ValueError("truncated message")
            yield number, data[i : i + size]
            i += size
        else:
            raise ValueError(f"wire type {wire}")


def signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


def repeated(value):
    """The numbers of a repeated field, packed or not."""
    if isinstance(value, int):
        return [signed(value)]
    # Each varint of a packed field is read as if a key stood before it.
    numbers, current, shift = [], 0, 0
    for byte in value:
        current |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(signed(current))
            current = shift = 0
    return numbers


@dataclass
class Frame:
    """One function of a stack; inlined ones are frames of their own."""

    name: str
    system_name: str
    file: str
    line: int
    start_line: int
    inlined: bool
    mapping: str
    address: int


@dataclass
class Sample:
    frames: list  # innermost first
    values: list
    labels: dict

    @property
    def names(self):
        return [frame.name for frame in self.frames]


@dataclass
class Profile:
    sample_types: list = field(default_factory=list)
    samples: list = field(default_factory=list)
    mappings: list = field(default_factory=list)
    comments: list = field(default_factory=list)
    strings: list = field(default_factory=list)
    time_nanos: int = 0
    duration_nanos: int = 0
    period_type: tuple = ()
    period: int = 0

    def total(self, value=0):
        return sum(sample.values[value] for sample in self.samples)

    def select(self, **labels):
        """Samples with all these labels."""
        return [s for s in self.samples if all(s.labels.get(k) == v for k, v in labels.items())]

    def flat(self, samples=None):
        """Number of samples by innermost function."""
        count = Counter()
        for sample in self.samples if samples is None else samples:
            count[sample.names[0] if sample.frames else ""] += sample.values[0]
        return count

    def cumulative(self, samples=None):
        """Number of samples by function anywhere on the stack."""
        count = Counter()
        for sample in self.samples if samples is None else samples:
            for name in set(sample.names):
                count[name] += sample.values[0]
        return count


def read(path):
    with open(path, "rb") as file:
        return parse(file.read())


def parse(data):
    """A Profile, of gzip or raw bytes. ValueError or IndexError where they are none."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    raw = {}
    for number, value in fields(data):
        raw.setdefault(number, []).append(value)
    strings = [text.decode() for text in raw.get(6, [])]
    if strings[:1] != [""]:
        raise ValueError("string_table[0] is not empty")

    def one(number, default=0):
        return raw.get(number, [default])[-1]

    def value_type(message):
        parts = dict(fields(message))
        return strings[parts.get(1, 0)], strings[parts.get(2, 0)]

    mappings = {}
    for message in raw.get(3, []):
        parts = dict(fields(message))
        mappings[parts[1]] = {
            "start": parts.get(2, 0),
            "limit": parts.get(3, 0),
            "offset": parts.get(4, 0),
            "file": strings[parts.get(5, 0)],
            "build_id": strings[parts.get(6, 0)],
            "has_functions": bool(parts.get(7, 0)),
        }
    functions = {}
    for message in raw.get(5, []):
        parts = dict(fields(message))
        functions[parts[1]] = parts
    locations = {}
    for message in raw.get(4, []):
        locations_id, frames = _location(message, strings, mappings, functions)
        if locations_id in locations:
            raise ValueError(f"location {locations_id} stands twice")
        locations[locations_id] = frames

    return Profile(
        sample_types=[value_type(m) for m in raw.get(1, [])],
        samples=[_sample(m, strings, locations) for m in raw.get(2, [])],
        mappings=list(mappings.values()),
        comments=[strings[i] for value in raw.get(13, []) for i in repeated(value)],
        strings=strings,
        time_nanos=one(9),
        duration_nanos=one(10),
        period_type=value_type(one(11, b"")),
        period=one(12),
    )


def _location(message, strings, mappings, functions):
    number = mapping = address = 0
    lines = []
    for key, value in fields(message):
        if key == 1:
            number = value
        elif key == 2:
            mapping = value
        elif key == 3:
            address = value
        elif key == 4:
            lines.append(dict(fields(value)))
    frames = []
    for i, line in enumerate(lines):
        function = functions[line[1]]
        frames.append(
            Frame(
                name=strings[function.get(2, 0)],
                system_name=strings[function.get(3, 0)],
                file=strings[function.get(4, 0)],
                line=line.get(2, 0),
                start_line=function.get(5, 0),
                inlined=i + 1 < len(lines),
                mapping=mappings[mapping]["file"] if mapping else "",
                address=address,
            )
        )
    return number, frames


def _sample(message, strings, locations):
    frames, values, labels = [], [], {}
    for key, value in fields(message):
        if key == 1:
            for number in repeated(value):
                frames.extend(locations[number])
        elif key == 2:
            values.extend(repeated(value))
        elif key == 3:
            parts = dict(fields(value))
            text = parts.get(2, 0)
            labels[strings[parts[1]]] = strings[text] if text else signed(parts.get(3, 0))
    return Sample(frames, values, labels)
