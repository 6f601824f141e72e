# SPDX-License-Identifier: MIT
"""How dear this machine is now, by programs that do one thing each (yardstick.bpf.c).

Peers cannot be had everywhere, and what they cost was measured elsewhere (peers.tsv). What cold
caches cost differs between machines and hours; so a figure of theirs is multiplied by what the
parts cost here, on the same load and at the same time, divided by what they cost there.
"""

import subprocess

import objects


def programs(pid):
    """{name: (nanoseconds, runs)}"""
    return {
        entry["name"].removeprefix("yard_"): (entry.get("run_time_ns", 0), entry.get("run_cnt", 0))
        for entry in objects.shown("prog", pid)
    }


class Yardstick:
    """Runs while the block does."""

    def __init__(self, build, hz):
        self.command = [f"{build}/bench/yardstick", str(hz)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE)
        return self

    def __exit__(self, *unused):
        self.process.communicate()
        assert self.process.returncode == 0, self.command

    def begin(self):
        self.before = programs(self.process.pid)

    def end(self):
        """What the parts took since, together, without entering the programs: ns."""
        each = {}
        for name, (ns, runs) in programs(self.process.pid).items():
            before_ns, before_runs = self.before[name]
            each[name] = (ns - before_ns) / max(1, runs - before_runs)
        entry = each.pop("entry")
        return sum(each.values()) - entry * len(each)
