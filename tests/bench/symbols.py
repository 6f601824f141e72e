# SPDX-License-Identifier: MIT
"""Names with inlined calls for random addresses of large files, beside other symbolizers: addresses
for each second of CPU time, when they are asked for the first time, again, and from disk, and memory."""

import os
import random
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "truth"))
import modules  # noqa: E402

ADDRESSES = 20000
PATIENCE = 20  # seconds for each run of a peer; what it managed by then counts

PEERS = {
    "llvm-symbolizer": ["llvm-symbolizer", "--inlines", "--output-style=GNU", "-a", "--obj={}"],
    "addr2line": ["addr2line", "-a", "-f", "-i", "-e", "{}"],
    "eu-addr2line": ["eu-addr2line", "-a", "-f", "-i", "-e", "{}"],
}


def addresses_of(path):
    chance = random.Random(2654435761)
    low, size = modules.text_of(path)
    return [low + chance.randrange(size) for _ in range(ADDRESSES)]


def run(command, addresses):
    """(addresses answered, CPU seconds, MiB at most) of a peer."""
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as out:
        given.write("".join(f"{a:#x}\n" for a in addresses))
        given.seek(0)
        process = subprocess.Popen(command, stdin=given, stdout=out, stderr=subprocess.DEVNULL)
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        answered = sum(line.startswith("0x") for line in out)
    return answered, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def rates(command, addresses):
    """(first, again, MiB): again is None if the first took too long."""
    n, seconds, mib = run(command, addresses)
    if n < len(addresses):
        return n / max(seconds, 0.01), None, mib
    twice, both, mib = run(command, addresses * 2)
    more = twice - n
    return n / seconds, more / max(both - seconds, 0.01) if more > 0 else None, mib


def ours(build, module, addresses):
    debug = ["--debug", module.debug] if module.debug else []
    command = [build / "truth/symbols", "--passes", "2", *debug, module.path]
    given = "".join(f"{a:#x}\n" for a in addresses)
    result = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    *seconds, kib = map(float, result.stdout.split())
    # What does not fit into one cache file has no rate.
    rates = [f"{len(addresses) / s:,.0f}" if s > 0 else "-" for s in seconds]
    return rates, kib / 1024


def main(show, build):
    build = Path(build)
    for module in modules.at_hand(build / "truth", build / "profctl"):
        addresses = addresses_of(module.path)
        print(f"names of {ADDRESSES:,} addresses of {module.name}: a CPU second, first / again")
        (first, again, disk), mib = ours(build, module, addresses)
        remark = f"{mib:>8.0f} MiB, private; from disk {disk}"
        show("profd's symbolizer", f"{first} / {again}", remark)
        for name, command in PEERS.items():
            command = [word.format(modules.with_debug(module)) for word in command]
            first, again, mib = rates(command, addresses)
            second = f"{again:,.0f}" if again else "-"
            show(name, f"{first:,.0f} / {second}", f"{mib:>8.0f} MiB")
        print()
