# SPDX-License-Identifier: MIT
"""The names of windows as a profiler asks for them: some addresses in each of many modules, the same
ones again and again. profctl names two windows that overlap, the second with what the first has
left on disk; other symbolizers begin anew each time."""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("truth", "reports")]
import files  # noqa: E402
import modules  # noqa: E402

MODULES = 200
ASKED = 5000  # of a window, with repetitions
SPOTS = 120  # places in a module that are hit at all
PATIENCE = 20  # seconds of a peer for one window


class Module:
    """A file, with its code where the loader would put it."""

    def __init__(self, path, base, dice):
        self.path, self.base = path, base
        self.vaddr, self.offset, self.size = code_of(path)
        self.spots = [self.vaddr + dice.randrange(self.size) for _ in range(SPOTS)]


def code_of(path):
    """(address, offset, size) of its executable segment."""
    shown = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True).stdout
    for line in shown.splitlines():
        fields = line.split()
        if fields[:1] == ["LOAD"] and "E" in fields[6:8]:
            return int(fields[2], 16), int(fields[1], 16), int(fields[4], 16)
    return None


def choose(dice):
    """Half of them, as far as there are so many, have debug files."""
    found = [*Path("/usr/lib/x86_64-linux-gnu").glob("*.so*"), *Path("/usr/bin").iterdir()]
    found = sorted({path.resolve() for path in found if path.is_file()})
    dice.shuffle(found)
    rich, poor = [], []
    for path in found:
        if len(rich) >= MODULES // 2 and len(poor) >= MODULES:
            break
        with open(path, "rb") as file:
            if file.read(4) != b"\x7fELF":
                continue
        if not (code := code_of(path)) or code[2] < 4096:
            continue
        (rich if modules.debug_file(path) else poor).append(path)
    rich = rich[: MODULES // 2]
    chosen = [*rich, *poor[: MODULES - len(rich)]]
    dice.shuffle(chosen)
    return [Module(path, (i + 1) << 36, dice) for i, path in enumerate(chosen)], len(rich)


def zipf(n):
    return [1 / (rank + 1) for rank in range(n)]


def window(all_modules, dice):
    """{module: addresses}, each once."""
    asked = {}
    for module in dice.choices(all_modules, zipf(len(all_modules)), k=ASKED):
        asked.setdefault(module, set()).add(dice.choices(module.spots, zipf(SPOTS))[0])
    return {module: sorted(addresses) for module, addresses in asked.items()}


def count(asked):
    return sum(map(len, asked.values()))


def profile_of(asked):
    p = files.Profile()
    for module, addresses in asked.items():
        start = module.base + (module.vaddr & ~4095)
        limit = module.base + module.vaddr + module.size
        mapping = p.mapping(str(module.path), start, limit, module.offset & ~4095, flags=0)
        for address in addresses:
            p.sample([p.location(module.base + address, mapping=mapping)], [1, 1])
    return p.encode()


def measured(command, given, patience, **environment):
    """(lines that begin with an address, CPU seconds with those of its children, MiB at most)."""
    with tempfile.TemporaryFile("w+") as text, tempfile.TemporaryFile("w+") as out:
        text.write(given)
        text.seek(0)
        env = {**os.environ, **environment}
        process = subprocess.Popen(
            command, stdin=text, stdout=out, stderr=subprocess.DEVNULL, env=env
        )
        end = time.monotonic() + patience
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                process.kill()
            time.sleep(0.001)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        answered = sum(line.startswith("0x") for line in out)
    return answered, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def ours(build, asked, folder, cache):
    given, named = Path(folder) / "window.pb", Path(folder) / "named.pb"
    given.write_bytes(profile_of(asked))
    command = [Path(build) / "profctl", "symbolize", "-o", named, given]
    _, seconds, mib = measured(command, "", 600, PROFD_CACHE=str(cache))
    return count(asked) / seconds, mib


def all_at_once(asked):
    command = ["llvm-symbolizer", "--inlines", "--output-style=GNU", "-a"]
    lines = [f'"{m.path}" {a:#x}\n' for m, addresses in asked.items() for a in addresses]
    answered, seconds, mib = measured(command, "".join(lines), PATIENCE)
    return answered / seconds, mib


def one_by_one(tool):
    def run(asked):
        answered, seconds, most, end = 0, 0.001, 0, time.monotonic() + PATIENCE
        for module, addresses in asked.items():
            if (left := end - time.monotonic()) <= 0:
                break
            lines = "".join(f"{address:#x}\n" for address in addresses)
            n, took, mib = measured([tool, "-a", "-f", "-i", "-e", module.path], lines, left)
            answered, seconds, most = answered + n, seconds + took, max(most, mib)
        return answered / seconds, most

    return run


PEERS = {
    "llvm-symbolizer": all_at_once,
    "addr2line": one_by_one("addr2line"),
    "eu-addr2line": one_by_one("eu-addr2line"),
}


def main(show, build):
    dice = random.Random(2654435761)
    all_modules, rich = choose(dice)
    first, second = window(all_modules, dice), window(all_modules, dice)
    known = {(module, address) for module, all_of in first.items() for address in all_of}
    new = sum((m, a) not in known for m, all_of in second.items() for a in all_of)
    print(
        f"names of a window: {count(first):,} addresses in {len(first)} modules, {rich} of the "
        f"{MODULES} with debug files; then {count(second):,}, {new:,} of them new: a CPU second"
    )
    with tempfile.TemporaryDirectory(prefix="profd-bench-") as folder:
        cache = Path(folder) / "cache"
        ours(build, first, folder, "")  # from now on all are in the page cache
        for what, asked, where in [
            ("profctl symbolize", first, cache),
            ("  the next window", second, cache),
            ("  the same again", second, cache),
        ]:
            rate, mib = ours(build, asked, folder, where)
            show(what, f"{rate:,.0f}", f"{mib:>8.0f} MiB")
    for name, run in PEERS.items():
        rate, mib = run(first)
        show(name, f"{rate:,.0f}", f"{mib:>8.0f} MiB")
    print()
