# SPDX-License-Identifier: MIT
"""BPF objects of a process, and the time that its programs take."""

import contextlib
import json
import shutil
import subprocess
from pathlib import Path

BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
STATS = Path("/proc/sys/kernel/bpf_stats_enabled")


def bpftool(*arguments):
    command = [BPFTOOL, "-j", *map(str, arguments)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def ids(pid, key):
    """Ids of the BPF objects that a process holds: prog_id or map_id."""
    found = set()
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = path.read_text().splitlines()
        except FileNotFoundError:
            continue  # closed since: a file of a process that it looked at
        found.update(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
    return found


def shown(kind, pid):
    """What bpftool shows of those: prog or map."""
    wanted = ids(pid, f"{kind}_id")
    return [entry for entry in bpftool(kind, "show") if entry["id"] in wanted]


@contextlib.contextmanager
def timed():
    """The kernel measures the programs meanwhile, which costs something for each of their runs."""
    before = STATS.read_text()
    STATS.write_text("1")
    try:
        yield
    finally:
        STATS.write_text(before)
