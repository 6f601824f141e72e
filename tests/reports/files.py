# SPDX-License-Identifier: MIT
"""Profiles to report on: each shows something that a report must get right.

make(folder, build) writes them all and returns their paths by name.
"""

import gzip
import os
import random
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX = (1 << 63) - 1


# ---- the wire form (google/pprof, proto/profile.proto) --------------------------------------------


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value) if value else b""


def packed(field, values):
    body = b"".join(map(varint, values))
    return block(field, body) if values else b""


def block(field, body):
    return varint(field << 3 | 2) + varint(len(body)) + body


class Profile:
    """Builds a file: functions, locations and mappings are made when a stack names them."""

    def __init__(self, types=(("samples", "count"), ("cpu", "nanoseconds")), **header):
        self.strings, self.index = [""], {"": 0}
        self.types, self.header = types, header
        self.mappings, self.functions, self.locations, self.samples = {}, {}, {}, []
        self.bodies = {3: [], 4: [], 5: []}
        self.first_id = header.get("first_id", 1)

    def text(self, text):
        if text not in self.index:
            self.index[text] = len(self.strings)
            self.strings.append(text)
        return self.index[text]

    def mapping(self, file, start=0x400000, limit=0x800000, offset=0, build_id="", flags=15):
        key = (file, start)
        if key not in self.mappings:
            self.mappings[key] = number_id = len(self.mappings) + self.first_id
            body = number(1, number_id) + number(2, start) + number(3, limit) + number(4, offset)
            body += number(5, self.text(file)) + number(6, self.text(build_id))
            for bit in range(4):
                body += number(7 + bit, flags >> bit & 1)
            self.bodies[3].append(body)
        return self.mappings[key]

    def function(self, name, file="", start=0, system=None):
        key = (name, file, start, system)
        if key not in self.functions:
            self.functions[key] = number_id = len(self.functions) + self.first_id
            body = number(1, number_id) + number(2, self.text(name))
            body += number(3, self.text(name if system is None else system))
            body += number(4, self.text(file)) + number(5, start)
            self.bodies[5].append(body)
        return self.functions[key]

    def location(self, address, lines=(), mapping=0, folded=False):
        """lines: (name, file, line[, start[, column[, system]]]), the innermost first."""
        key = (address, tuple(lines), mapping, folded)
        if key not in self.locations:
            self.locations[key] = number_id = len(self.locations) + self.first_id
            body = number(1, number_id) + number(2, mapping) + number(3, address)
            for name, file, line, *more in lines:
                start, column, system = (list(more) + [0, 0, None][len(more) :])[:3]
                function = self.function(name, file, start, system)
                body += block(4, number(1, function) + number(2, line) + number(3, column))
            self.bodies[4].append(body + number(5, folded))
        return self.locations[key]

    def sample(self, stack, values, labels=()):
        """labels: (key, text) or (key, number[, unit])."""
        body = packed(1, stack) + packed(2, values)
        for key, value, *unit in labels:
            label = number(1, self.text(key))
            if isinstance(value, str):
                label += number(2, self.text(value))
            else:
                label += number(3, value) + number(4, self.text(unit[0]) if unit else 0)
            body += block(3, label)
        self.samples.append(body)

    def encode(self):
        h, out = self.header, b""
        for kind, unit in self.types:
            out += block(1, number(1, self.text(kind)) + number(2, self.text(unit)))
        out += b"".join(block(2, sample) for sample in self.samples)
        for field, bodies in self.bodies.items():
            out += b"".join(block(field, body) for body in bodies)
        out += number(7, self.text(h.get("drop", ""))) + number(8, self.text(h.get("keep", "")))
        out += number(9, h.get("time", 1700000000123456789))
        out += number(10, h.get("duration", 10_000_000_000))
        kind, unit = h.get("period_type", ("cpu", "nanoseconds"))
        out += block(11, number(1, self.text(kind)) + number(2, self.text(unit)))
        out += number(12, h.get("period", 10_000_000))
        out += packed(13, [self.text(comment) for comment in h.get("comments", ())])
        out += number(14, self.text(h.get("default", ""))) + number(15, self.text(h.get("doc", "")))
        return out + b"".join(block(6, text.encode()) for text in self.strings)


# ---- files made by hand ---------------------------------------------------------------------------


def tree(seed, n_functions=40, n_samples=200, spread=1000, types=None, labels=None, sign=1, **header):
    """Random stacks; values differ, so that the order of rows is decided."""
    dice = random.Random(seed)
    p = Profile(**({"types": types} if types else {}), **header)
    mapping = p.mapping("/usr/bin/server", build_id="abcdef0123456789")
    names = [f"{'pkg/sub' if i % 3 else 'main'}.fn{i}" for i in range(n_functions)]
    for i in range(n_samples):
        stack, depth = [], dice.randint(1, 9)
        for level in range(depth):
            f = dice.randrange(min(n_functions, (depth - level) * n_functions // 9 + 1))
            line = dice.randint(1, 3)
            lines = [(names[f], f"src/file{f % 7}.go", 10 * f + line, 10 * f + 1)]
            if f % 5 == 0:
                inner = (f"main.inlined{f % 10}", "src/inlined.go", 5 + line, 4)
                lines.insert(0, inner)
            stack.append(p.location(0x400000 + f * 64 + line * 4, lines, mapping))
        values = [sign * dice.randint(1, spread) * (i + 1) for _ in p.types]
        p.sample(stack, values, labels(dice, i) if labels else ())
    return p


def labelled():
    def labels(dice, i):
        out = [("thread", f"worker {i % 3}"), ("pid", 100 + i % 4)]
        if i % 4 == 0:
            out += [("request", 1024 << i % 5, "bytes"), ("zürich", "grün"), ("latency", i, "ms")]
        if i % 7 == 0:
            out += [("thread", "second value"), ("latency", i * 3, "ms"), ("bytes", 64 << i % 9)]
        return out

    return tree(1, labels=labels)


def heap_with_sizes():
    types = [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count")]
    types += [("inuse_space", "bytes")]

    def labels(dice, i):
        return [("bytes", 16 << dice.randrange(18), "bytes")]

    return tree(2, n_functions=25, types=types, labels=labels, default="inuse_space")


def negative():
    p, dice = Profile(), random.Random(3)
    for i in range(60):
        stack = [p.location(0x1000 + f, [(f"f{f}", "a.c", f)]) for f in dice.sample(range(20), 4)]
        value = dice.choice([-1, 1]) * (dice.randint(1, 999) * 1000 + i)
        p.sample(stack, [value, value * 10007])
    return p


def huge():
    p = Profile(types=[("n", "count"), ("space", "bytes")])
    f, g = p.location(1, [("f", "", 0)]), p.location(2, [("g", "", 0)])
    p.sample([f, g], [MAX, MAX])
    p.sample([g], [MAX // 2 + 7, -MAX])
    p.sample([f], [-MAX - 1, 1])
    return p


def no_symbols():
    p = Profile()
    one = p.mapping("/nowhere/a.out", 0x400000, 0x500000, flags=0)
    two = p.mapping("/nowhere/lib/libz.so.1", 0x700000, 0x800000, 0x1000, flags=0)
    for i in range(40):
        stack = [p.location(0x400000 + i % 7 * 16, (), one), p.location(0x700000 + i % 5, (), two)]
        p.sample(stack + [p.location(0x10 + i % 3)], [i + 1, (i + 1) * 1000003])
    return p


def names():
    p = Profile(types=[("events", "count")])
    listed = [
        "std::vector<int, std::allocator<int>>::push_back(int const&)",
        "void ns::Outer::Inner<T>::method<char>(char) const",
        "(anonymous namespace)::Worker::run()",
        "ns::operator<<(std::ostream&, ns::Point const&)",
        "com.example.app.Server$Handler.handleRequest(int)",
        "org.Foo.<init>",
        "github.com/user/project/v2/pkg.(*Type[...]).Method",
        "github.com/user/pro-ject.func1.2",
        'say "hello" \\ back',
        "a;b c",
        "größe::Fläche::Maß",
        "日本語.関数",
        "🔥.burn",
        "",
        "plain",
        "x" * 4096,
        "ns::Templ<" + "std::pair<int,char>," * 200 + "int>::Go()",
        "operator()(int)",
        "_start",
        "[unknown]",
        "runtime.gcBgMarkWorker.func2",
    ]
    for i, name in enumerate(listed):
        mapping = p.mapping(f"/bin/tool {i % 2}", 0x1000 * (i % 2 + 1), 0x1000 * (i % 2 + 2))
        leaf = p.location(i + 1, [(name, f"dir{i % 3}/../x/./file.cc", i + 1)], mapping)
        root = p.location(1000, [("main", "/abs//main.cc", 3)], mapping)
        p.sample([leaf, root], [(i + 1) * 37 + i * i])
    return p


def recursion():
    p = Profile()
    f, g, h = (p.location(i, [(name, "r.c", i)]) for i, name in enumerate("fgh", 1))
    p.sample([f, f, f, g, f], [3, 30])
    p.sample([g, f, g, f, h], [5, 53])
    p.sample([h, h], [7, 71])
    p.sample([f], [11, 109])
    return p


def headers():
    p = tree(4, comments=["a comment", "#hidden", "two\nlines"], doc="https://example.org/doc")
    return p


def pruned():
    p = Profile(drop="malloc|operator new|tcmalloc::.*", keep="operator new")
    malloc, new, big = "malloc", "operator new(unsigned long)", "tcmalloc::Large(int)"
    stacks = [[big, malloc, "f", "main"], [malloc, new, "g", "main"], [new, "f", "main"], [malloc]]
    for i, stack in enumerate(stacks):
        ids = [p.location(hash(n) % 1, [(n, "p.cc", 1)]) for n in stack]
        p.sample(ids, [i + 2, (i + 2) * 1009])
    inlined = p.location(77, [(malloc, "p.cc", 2), ("wrap", "p.cc", 3), ("main", "p.cc", 4)])
    p.sample([p.location(78, [("deep", "p.cc", 9)]), inlined], [9, 9001])
    return p


def columns():
    p = Profile()
    for i in range(12):
        lines = [("inner", "c.js", 5, 1, 10 + i % 4), ("outer", "c.js", 9, 7, 3)]
        p.sample([p.location(0x100 + i, lines), p.location(0x50, [("main", "c.js", 1, 1, 1)])],
                 [i + 1, (i + 1) * 777])
    return p


def objects():
    """One name in two binaries, and folded locations."""
    p = Profile()
    for i in range(3):
        m = p.mapping(f"/opt/lib{i}.so", 0x10000 * (i + 1), 0x10000 * (i + 2), build_id=f"b{i}")
        same = p.location(0x10000 * (i + 1) + 8, [("same", "s.c", 4 + i, 2)], m, folded=i == 1)
        main = p.location(0x10000 * (i + 1) + 99, [("main", "m.c", 8, 1)], m)
        p.sample([same, main], [i + 1, (i + 1) * 1001])
        p.sample([p.location(0x10000 * (i + 1) + 16, [("other", "s.c", 40 + i)], m), same, main],
                 [i + 4, (i + 4) * 997])
    return p


def zeros():
    p = Profile()
    f, g = p.location(1, [("f", "z.c", 1)]), p.location(2, [("g", "z.c", 2)])
    for values in ([0, 0], [5, 0], [0, 7], [5, 0], [-5, 3]):
        p.sample([f, g], values)
        p.sample([g], values[::-1], [("k", "v")])
    p.sample([], [3, 3])
    return p


def listed_source():
    """Stacks in this repository's own files, which `list` shows."""
    p = Profile()
    file = ROOT / "tests/programs/burn3.c"
    for i, path in enumerate((str(file), "tests/programs/burn3.c", "/nowhere/else.c", "gone/x.c")):
        for k in range(3):
            lines = [(f"burn_{i}", path, 20 + 3 * k, 18)]
            p.sample([p.location(0x100 * i + k + 1, lines), p.location(1, [("main", path, 60)])],
                     [k + 1, (k + 1) * 100003 + i])
    return p


def mixed(types, seed, **header):
    """The same functions, measured in several ways."""
    return tree(seed, n_functions=12, n_samples=60, types=types, **header)


def mixtures():
    samples, cpu, wall = ("samples", "count"), ("cpu", "nanoseconds"), ("wall", "seconds")
    slow, ms = ("cpu", "milliseconds"), {"period_type": ("cpu", "milliseconds"), "period": 10}
    yield "mixed-a", mixed([samples, cpu], 20)
    yield "mixed-b", mixed([slow, wall, samples], 21, default="wall")
    yield "mixed-c", mixed([wall, slow], 22, default="cpu", **ms)
    yield "mixed-d", mixed([cpu], 23)
    yield "mixed-bytes", mixed([("samples", "bytes"), ("space", "bytes")], 24)
    yield "mixed-twice", mixed([("cpu", "count"), samples, ("cpu", "nanoseconds")], 25)
    yield "mixed-period", mixed([samples, cpu], 26, period_type=("wall", "nanoseconds"))
    yield "mixed-zero", mixed([samples, cpu], 20, sign=-1)


def by_hand():
    yield "labels", labelled().encode()
    yield "heap-sizes", heap_with_sizes().encode()
    yield "negative", negative().encode()
    yield "huge", huge().encode()
    yield "no-symbols", no_symbols().encode()
    yield "names", names().encode()
    yield "recursion", recursion().encode()
    yield "headers", headers().encode()
    yield "pruned", pruned().encode()
    yield "columns", columns().encode()
    yield "objects", objects().encode()
    yield "zeros", zeros().encode()
    yield "source", listed_source().encode()
    yield "no-samples", tree(5, n_samples=0).encode()
    yield "sparse-ids", tree(6, n_samples=30, first_id=1 << 33).encode()
    yield "large", tree(7, n_functions=400, n_samples=4000, spread=10**6).encode()
    units = [("requests", "count"), ("time", "milliseconds"), ("work", "nanogcu"), ("odd", "widgets")]
    yield "units", tree(8, types=units, duration=0, time=0, period=0).encode()
    yield "plain-wire", tree(9, n_samples=50).encode()
    yield "base", tree(1, n_samples=150).encode()
    for name, profile in mixtures():
        yield name, profile.encode()


def broken(good):
    yield "broken-cut", gzip.compress(good)[: len(good) // 3]
    yield "broken-inside", good[: len(good) // 2]
    yield "broken-empty", b""
    yield "broken-text", b"this is no profile\n" * 40
    yield "broken-zero", bytes(4096)
    yield "broken-twice", good + good
    bad = Profile()
    bad.sample([12345], [1, 2])
    yield "broken-location", bad.encode()
    few = Profile()
    few.sample([few.location(1)], [1])
    yield "broken-values", few.encode()


# ---- all of them ----------------------------------------------------------------------------------


def go_files(folder):
    source = ROOT / "tests/programs/goprofile.go"
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GO111MODULE": "off"}
    subprocess.run(["go", "run", source, folder], check=True, env=environment, timeout=300)
    return sorted(path.name for path in folder.glob("*.pb.gz"))


def reference_files(folder, version):
    """The legacy files that google/pprof is tested with, which came with its source."""
    cache = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    source = Path(cache.stdout.strip()) / f"github.com/google/pprof@{version}/profile/testdata"
    for path in sorted(source.iterdir()):
        if path.suffix != ".string":
            (folder / path.name).write_bytes(path.read_bytes())
            yield path.name


def make(folder, profctl, programs, version):
    """Names of the good files, names of the broken ones."""
    good = go_files(folder)
    good += sorted(path.name for path in folder.glob("old.*"))
    encoded = dict(by_hand())
    for name, data in encoded.items():
        packed_too = name != "plain-wire"
        (folder / name).write_bytes(gzip.compress(data, mtime=0) if packed_too else data)
        good.append(name)
    command = [profctl, "record", "--standalone", "--seconds", "2", "-o", folder / "own"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    burn = ["--", ROOT / programs / "burn3", "1"]
    command = [profctl, "record", "--standalone", "-o", folder / "burn", *burn]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    good += ["own", "burn"]
    good += reference_files(folder, version)
    for path in sorted((ROOT / "tests/fuzz/corpus/legacy").iterdir()):
        (folder / f"legacy-{path.name}").write_bytes(path.read_bytes())
        good.append(f"legacy-{path.name}")
    bad = []
    for name, data in broken(encoded["labels"]):
        (folder / name).write_bytes(data)
        bad.append(name)
    return good, bad
