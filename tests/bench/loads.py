#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real work for the benchmark and the demo: a compiler, a compressor and two interpreters.

loads.py SECONDS NAME...    runs the named loads (cc1 xz perl python hot) side by side
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PYTHON = r"""
import json
words = [f"{i:x}" * 3 for i in range(20000)]
while True:
    table = {}
    for w in words:
        table.setdefault(hash(w) % 997, []).append(w)
    json.loads(json.dumps(table))
    sorted(words, key=lambda w: w[::-1])
"""

PERL = r"""
my @words = map { sprintf("%x", $_ * 2654435761 % 4294967296) x 3 } 1 .. 20000;
while (1) {
    my %table;
    for my $w (@words) { $table{$1}++ if $w =~ /([0-9]+[a-f]+)/; }
    my @sorted = sort { reverse($a) cmp reverse($b) } @words;
}
"""


def write_c(path):
    """A file that keeps cc1 -O2 busy for some seconds."""
    chance = random.Random(1)
    lines = []
    for i in range(1500):
        body = "".join(
            f"  if (a[{chance.randrange(64)}] > x + {chance.randrange(99)}) "
            f"x += a[x % {chance.randrange(1, 63)}] * {chance.randrange(2, 99)};\n"
            for _ in range(12)
        )
        lines.append(
            f"int f{i}(int *a, int n)\n{{\n int x = n;\n for (int i = 0; i < n; i++) {{\n{body} }}\n"
            f" return x{f' + f{i - 1}(a, n / 2)' if i else ''};\n}}\n"
        )
    path.write_text("".join(lines))


def write_text(path):
    """16 MiB that can be compressed to about a third."""
    chance = random.Random(2)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randrange(2, 9))) for _ in range(5000)]
    with open(path, "w") as out:
        for _ in range(16):
            out.write(" ".join(chance.choices(words, k=160_000)) + "\n")


def command(name, folder):
    if name == "cc1":
        write_c(folder / "big.c")
        return ["sh", "-c", f"while :; do gcc -O2 -c -o {folder}/big.o {folder}/big.c; done"]
    if name == "xz":
        write_text(folder / "text")
        return ["sh", "-c", f"while :; do xz -9 -c {folder}/text >{folder}/text.xz; done"]
    if name == "python":
        return ["/usr/bin/python3", "-c", PYTHON]
    if name == "perl":
        return ["perl", "-e", PERL]
    build = os.environ.get("PROFD_BUILD", "build")
    return [f"{build}/programs/depth", "25", "100000"]


class Loads:
    """The named loads run while the block does."""

    def __init__(self, *names):
        self.names = names
        self.folder = tempfile.TemporaryDirectory(prefix="profd-load-")

    def __enter__(self):
        folder = Path(self.folder.name)
        commands = [command(name, folder) for name in self.names]
        self.running = [
            subprocess.Popen(c, stdout=subprocess.DEVNULL, start_new_session=True)
            for c in commands
        ]
        return self

    def __exit__(self, *unused):
        for process in self.running:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.folder.cleanup()


def main():
    # Whoever ends this early ends its loads too.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *unused: sys.exit(1))
    with Loads(*sys.argv[2:]):
        print("ready", flush=True)
        time.sleep(float(sys.argv[1]))


if __name__ == "__main__":
    main()
