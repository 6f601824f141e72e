#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""compare.py --build FOLDER [--all] [--only TEXT] [--keep FOLDER]

Prints reports with profctl and with google/pprof, and compares them whole, apart from the header
lines that differ by nature (the time, which Go's versions write in several ways). TAP: a line for
each file. Without --all, a sample of all pairs of file and options is taken, always the same one.
"""

import argparse
import difflib
import os
import random
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import files

ROOT = Path(__file__).resolve().parents[2]
VERSION = "v0.0.0-20251114195745-4902fdda35c8"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
REFERENCE = Path(os.environ.get("PPROF", CACHE / f"profd/pprof-{VERSION}/pprof"))
SAMPLE = 900
TRIES = 12  # where maps decide the order of equals, the reference prints now this, now that

REPORTS = ["top", "tree", "traces", "tags", "raw", "comments", "callgrind", "dot", "peek", "list"]
SYMBOLIC = ["peek", "list", "disasm"]
PATTERN = "main|fn1|burn|inlined|f$"
OPTIONS = """

-cum
-functions
-filefunctions
-files
-lines
-addresses
-noinlines
-lines -noinlines
-addresses -noinlines -cum
-nodecount=5
-nodecount=12 -cum
-nodefraction=0.05
-nodefraction=0 -edgefraction=0
-edgefraction=0.1
-unit=ms
-unit=kb
-unit=auto
-sample_index=0
-mean
-mean -sample_index=1
-focus=fn1|main
-ignore=fn2|malloc
-hide=fn3|inlined
-show=fn|main
-show_from=fn1
-prune_from=fn5
-focus=src/file1 -ignore=fn3$ -lines
-focus=fn1 -relative_percentages
-tagfocus=worker
-tagfocus=pid=101:102 -tagignore=thread=second
-tagignore=2kb:
-tagfocus=latency=:20ms
-tagshow=thread|bytes
-taghide=pid
-tagroot=thread,pid
-tagleaf=latency,bytes -files
-divide_by=3
-drop_negative
-base=base
-base=base -normalize
-diff_base=base
-diff_base=base -drop_negative -nodecount=8
-call_tree
-call_tree -nodecount=10
-call_tree -nodefraction=0.03 -focus=fn
-compact_labels -nodecount=7
-trim_path=/abs:src -lines
-source_path=/x/src -files
-showcolumns -lines
-hide=nothing.matches
-focus=nothing.matches
""".split("\n")[1:-1]


DISASM_OPTIONS = ["", "-cum -noinlines", "-unit=ms", "-sample_index=0", "-intel_syntax -mean"]


def ours(report, options, file):
    named = {"dot": ["export", "--format", "dot"], "callgrind": ["export", "--format", "callgrind"]}
    command = named.get(report, [report])
    return [*command, *options, *([PATTERN] if report in SYMBOLIC else []), file]


def theirs(report, options, file):
    flag = f"-{report}={PATTERN}" if report in SYMBOLIC else f"-{report}"
    return [flag, *options, file]


def loose(lines):
    """Without order, and without the numbers and distances of callgrind that depend on it."""
    text = re.sub(r"^(calls=0 )?(0x\w+|[+-]\d+|\*) (?=\d)", r"\1", "\n".join(lines), flags=re.M)
    return sorted(re.sub(r"\(\d+\) ?|\[\d+/", "", text).split("\n"))


def instructions(lines):
    """Costs and addresses: how instructions are spelled differs from one disassembler to another,
    and long ones have what is known of them in a line of its own."""
    rows = (re.match(r" *(\S+ +\S+ +[0-9a-f]+): ", line) for line in lines)
    return [line for line in lines if "ROUTINE" in line or "Total" in line] + [
        row[1] for row in rows if row
    ]


class Comparer:
    def __init__(self, profctl, folder):
        self.profctl, self.folder = profctl, folder
        self.environment = {**os.environ, "TZ": "UTC", "HOME": str(folder), "PPROF_TMPDIR": str(folder)}

    def run(self, program, arguments):
        result = subprocess.run(
            [program, *arguments], cwd=self.folder, env=self.environment, capture_output=True,
            stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
        lines = result.stdout.decode(errors="replace").split("\n")
        if arguments[0].lstrip("-").startswith("disasm"):
            lines = instructions(lines)
        return result.returncode, [line for line in lines if not line.startswith("Time: ")], result

    def compare(self, file, report, options):
        """None, or what differs."""
        code, lines, result = self.run(self.profctl, ours(report, options, file))
        if code < 0 or code > 2:
            return f"exit {code}: {result.stderr.decode(errors='replace')}"
        seen = []
        for _ in range(TRIES):
            wanted_code, wanted, reference = self.run(REFERENCE, theirs(report, options, file))
            if (code != 0) != (wanted_code != 0):
                return f"exit {code}, the reference {wanted_code}: {result.stderr}, {reference.stderr}"
            if wanted == lines or wanted_code:
                return None
            seen.append(wanted)
            # It contradicts itself only in the order: then so may we.
            if len(seen) > 2 and any(s != wanted for s in seen) and loose(wanted) == loose(lines):
                return None
        return "\n".join(difflib.unified_diff(seen[0], lines, "reference", "profctl", "", "", 2, ""))


def pick(good, everything):
    pairs = [(f, r, o.split()) for f in good for r in REPORTS for o in OPTIONS]
    # The reference gives up where an address of another file comes first: only one's are left.
    pairs += [("burn", "disasm", ["-show=/burn3$", *o.split()]) for o in DISASM_OPTIONS]
    # Each file with each report once without options, then a sample of the rest.
    if everything:
        return pairs
    plain = [pair for pair in pairs if not pair[2] or pair[1] == "disasm"]
    rest = [pair for pair in pairs if pair[2] and pair[1] != "disasm"]
    return plain + random.Random(1).sample(rest, min(SAMPLE - len(plain), len(rest)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", default="", help="pairs whose text contains this")
    parser.add_argument("--keep", help="folder for the files, which stay there")
    arguments = parser.parse_args()
    if not REFERENCE.exists():
        sys.exit(f"there is no {REFERENCE}: run 'make deps'")
    profctl = (ROOT / arguments.build / "profctl").resolve()
    with tempfile.TemporaryDirectory(prefix="profd-reports-") as temporary:
        folder = Path(arguments.keep or temporary)
        folder.mkdir(exist_ok=True)
        good, bad = files.make(folder, profctl, profctl.parent / "programs", VERSION)
        comparer = Comparer(profctl, folder)
        pairs = pick(good, arguments.all) + [(f, "top", []) for f in bad]
        pairs = [p for p in pairs if arguments.only in f"{p[0]} {p[1]} {' '.join(p[2])}"]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            results = list(pool.map(lambda pair: comparer.compare(*pair), pairs))
    failed = {}
    for (file, report, options), problem in zip(pairs, results):
        failed.setdefault(file, [])
        if problem is not None:
            failed[file].append(f"{report} {' '.join(options)} {file}\n{problem}")
    for file, problems in failed.items():
        print(f"{'not ' if problems else ''}ok {file}: reports equal google/pprof's")
        for problem in problems:
            print("# " + problem.replace("\n", "\n#   "))
    print(f"# {len(pairs)} reports compared")
    return any(failed.values())


if __name__ == "__main__":
    sys.exit(main())
