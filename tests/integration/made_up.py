# SPDX-License-Identifier: MIT
"""Profiles of stacks that a test makes up."""

import gzip

STACKS = {
    ("main", "parse"): 30,
    ("main", "parse", "read_file"): 10,
    ("main", "draw"): 20,
    ("main", "draw", "paint", "draw"): 15,
    ("main", "wait"): 5,
    ("helper", "read_file"): 20,
}

HARD_NAMES = [
    "operator<<",
    "a;b",
    '"x" & \'y\'',
    "emoji 🔥",
    "</script><!-- ]]> -->",
    "std::map<" + "std::pair<int, char>, " * 200 + ">::operator[]",
    "tab\tand\nline",
]


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


SAMPLES = (("samples", "count"),)
HEAP = [
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
]


def write_profile(path, stacks, module="", types=SAMPLES, seconds=0, period=0):
    """A profile of {(root, …, leaf): count}, or with several types tuples of values, all of it in
    one module, `seconds` after 1970."""
    strings = ["", *[text for pair in types for text in pair]]
    names = sorted({name for stack in stacks for name in stack})
    ids = {name: i + 1 for i, name in enumerate(names)}
    out = bytearray()
    for i in range(len(types)):
        out += field(1, field(1, 2 * i + 1) + field(2, 2 * i + 2))
    if seconds:
        out += field(9, round(seconds * 10**9))
    if period:
        out += field(12, period)
    for name, i in ids.items():
        strings.append(name)
        out += field(5, field(1, i) + field(2, len(strings) - 1))
        out += field(4, field(1, i) + field(2, 1) + field(3, i) + field(4, field(1, i)))
    for stack, values in stacks.items():
        locations = b"".join(varint(ids[name]) for name in reversed(stack))
        values = (values,) if isinstance(values, int) else values
        out += field(2, field(1, locations) + field(2, b"".join(map(varint, values))))
    strings.append(module)
    out += field(3, field(1, 1) + field(3, 1 << 20) + field(5, len(strings) - 1))
    out += b"".join(field(6, text.encode()) for text in strings)
    path.write_bytes(gzip.compress(bytes(out), 1))
    return path
