#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""compare.py --build FOLDER [--all] [--only TEXT] [--keep FOLDER]

Prints reports with profctl and with google/pprof, and compares them whole, apart from the header
lines that differ by nature (the time, which Go's versions write in several ways). TAP: a line for
each file. Without --all, a sample of all pairs of file and options is taken, always the same one.
"""

import argparse
import base64
import difflib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path

import files

ROOT = Path(__file__).resolve().parents[2]
VERSION = re.search(r"google/pprof (v\S+)", (ROOT / "tests/reports/go.mod").read_text())[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = CACHE / f"profd/pprof-{VERSION}"
REFERENCE = Path(os.environ.get("PPROF", FOLDER / "pprof"))  # as users start it
MANY = FOLDER / "reference"  # reference.go: many reports by one process
SAMPLE = 1500
TRIES = 12  # where maps decide the order of equals, the reference prints now this, now that

REPORTS = "top tree traces tags raw comments callgrind dot peek list topproto".split()
SYMBOLIC = ["peek", "list", "disasm", "weblist"]
SAMPLES = "noinlines focus ignore hide show show_from prune_from tagfocus tagignore tagshow"
SAMPLES += " taghide tagroot tagleaf divide_by base diff_base normalize"  # what proto heeds
BINARY = {"topproto": ["-raw"], "proto": ["-tree", "-lines", "-trim=false"]}  # reports that are profiles again, and what is compared of them
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
-nodecount=-1 -lines
-nodecount=-2
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

# Several files of different types of value, and what is asked of their sum.
MIXED = """
mixed-a mixed-b
mixed-b mixed-a
mixed-a mixed-c mixed-b
mixed-c mixed-a
mixed-d mixed-b
mixed-a mixed-d
mixed-a mixed-bytes
mixed-a mixed-twice
mixed-twice mixed-b
mixed-a mixed-period
mixed-a mixed-zero
mixed-a mixed-a
mixed-d old.heap
""".split("\n")[1:-1]
MIXED_REPORTS = ["raw", "top", "traces", "tags", "topproto"]
MIXED_OPTIONS = ["", "-sample_index=cpu", "-base=mixed-b", "-diff_base=mixed-c -lines"]
MIXED_OPTIONS += ["-base=mixed-a -normalize", "-diff_base=mixed-a -base=mixed-b"]

DISASM_OPTIONS = ["", "-cum -noinlines", "-unit=ms", "-sample_index=0", "-intel_syntax -mean"]


def pattern_of(report):
    # The reference gives up on functions close to the start of a mapping, and takes what is behind
    # the last one to be its own.
    return {"weblist": ["burn_[st]"]}.get(report, [PATTERN] if report in SYMBOLIC else [])


def ours(report, options, file):
    if report == "weblist":
        options = [*options, "-o", "-"]
    named = {"proto": ["export"], "dot": ["export", "--format", "dot"], "callgrind": ["export", "--format", "callgrind"]}
    command = named.get(report, [report])
    return [*command, *options, *pattern_of(report), *file.split()]


def theirs(report, options, file):
    flag = "=".join([f"-{report}", *pattern_of(report)])
    return [flag, *options, *file.split()]


def code_of_lines(lines):
    """Of a page of weblist: each function's lines, each with its instructions and their costs."""
    rows, function, line = [], "", ""
    for text in lines:
        if found := re.search(r"<h2>(.*?)</h2>", text):
            function = found[1]
        if found := re.search(r"class=\"?(?:line|number)\"?> *(\d+)</span>", text):
            line = found[1]
        # In the reference, the first instruction follows the source on its line.
        text = re.sub(r"<[^>]*>", "", text.rsplit("<span class=asm>", 1)[-1])
        if found := re.match(r" *(\S+) +(\S+) +([0-9a-f]+): ", text):
            rows.append(f"{function} {line} {' '.join(found.groups())}")
    return sorted(rows)


class Reference:
    """google/pprof, asked for one report after the other."""

    def __init__(self, folder, environment):
        self.process = subprocess.Popen(
            [MANY], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def run(self, arguments):
        """(exit code, output, errors)"""
        self.process.stdin.write(json.dumps(list(map(str, arguments))).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["code"], base64.b64decode(answer["out"] or ""), answer["err"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def loose(lines):
    """Without order, and without the numbers and distances of callgrind and the nodes' numbers of
    dot that depend on it: the latter stand for their labels."""
    text = re.sub(r"^(calls=0 )?(0x\w+|[+-]\d+|\*) (?=\d)", r"\1", "\n".join(lines), flags=re.M)
    labels = dict(re.findall(r'^N(\d+) (\[label=".*?") id=', text, flags=re.M))
    text = re.sub(r' id="node\d+"', "", text)
    text = re.sub(r"\bN(\d+)(?=[ _])", lambda m: labels.get(m[1], m[0]), text)
    return sorted(re.sub(r"\(\d+\) ?|\[\d+/", "", text).split("\n"))


def agrees(seen, lines):
    """Where the reference contradicts itself in more than the order (of equal nodes, chance decides
    which are shown, and so which calls go over others): whether ours has what all of its answers
    have, but for a few lines that may be in all of them by chance, and about as much."""

    def count(text):
        return Counter(line.replace(" ... ", " -> ").replace(' style="dotted"', "") for line in loose(text))

    answers = [count(answer) for answer in seen]
    if all(loose(answer) == loose(seen[0]) for answer in seen):
        return False
    missing = reduce(Counter.__and__, answers) - count(lines)
    sizes = [len(answer) for answer in seen]
    few = missing.total() <= len(lines) / 10
    return few and min(sizes) * 0.7 <= len(lines) <= max(sizes) * 1.3


def without_ids(raw):
    """Samples with their locations themselves."""
    text = raw.decode()
    locations = dict(re.findall(r"^ +(\d+): (0x.*)$", text, flags=re.M))
    text = re.sub(r"^ +\d+: 0x.*\n", "", text, flags=re.M)
    return re.sub(
        r"^( +-?\d+ +-?\d+: )(\d+) $", lambda m: m[1] + locations[m[2]], text, flags=re.M
    ).encode()


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
        self.mine = threading.local()
        self.references = []

    def reference(self):
        """This thread's own."""
        if not hasattr(self.mine, "reference"):
            self.mine.reference = Reference(self.folder, self.environment)
            self.references.append(self.mine.reference)
        return self.mine.reference

    def close(self):
        for reference in self.references:
            reference.close()

    def run(self, arguments):
        result = subprocess.run(
            [self.profctl, *arguments], cwd=self.folder, env=self.environment, capture_output=True,
            stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
        return result.returncode, result.stdout, result.stderr.decode(errors="replace")

    def lines(self, report, output):
        if report in BINARY:
            output = self.decode(report, output)
        lines = output.decode(errors="replace").split("\n")
        if report == "disasm":
            lines = instructions(lines)
        if report == "weblist":
            return code_of_lines(lines)
        if report == "proto":  # what is in it matters, not how that is ordered
            lines.sort()
        return [line for line in lines if not line.startswith("Time: ")]

    def decode(self, report, output):
        """What the reference says of a profile that was printed."""
        with tempfile.NamedTemporaryFile(dir=self.folder) as file:
            file.write(output)
            file.flush()
            code, text, errors = self.reference().run([*BINARY[report], file.name])
        return errors.replace(file.name, "FILE").encode() if code else without_ids(text)

    def compare(self, file, report, options):
        """None, or what differs."""
        code, output, errors = self.run(ours(report, options, file))
        if code < 0 or code > 2:
            return f"exit {code}: {errors}"
        lines, seen = None, []
        for _ in range(TRIES):
            wanted_code, wanted, wanted_errors = self.reference().run(theirs(report, options, file))
            if (code != 0) != (wanted_code != 0):
                return f"exit {code}, the reference {wanted_code}: {errors}, {wanted_errors}"
            if wanted_code:
                return None
            lines = lines or self.lines(report, output)
            wanted = self.lines(report, wanted)
            if wanted == lines:
                return None
            seen.append(wanted)
            # It contradicts itself only in the order: then so may we.
            if len(seen) > 2 and any(s != wanted for s in seen) and loose(wanted) == loose(lines):
                return None
        if agrees(seen, lines):
            return None
        return "\n".join(difflib.unified_diff(seen[0], lines, "reference", "profctl", "", "", 2, ""))


def about_samples(options):
    return all(option[1:].split("=")[0] in SAMPLES.split() for option in options.split())


def pick(good, everything):
    pairs = [(f, r, o.split()) for f in good for r in REPORTS for o in OPTIONS]
    # Of "zeros", values cancel out where equal stacks become one in ours.
    proto_files = [f for f in good + MIXED if f != "zeros"]
    pairs += [(f, "proto", o.split()) for f in proto_files for o in OPTIONS if about_samples(o)]
    # The reference gives up where an address of another file comes first: only one's are left.
    pairs += [("burn", "disasm", ["-show=/burn3$", *o.split()]) for o in DISASM_OPTIONS]
    pairs += [("burn", "weblist", ["-show=/burn3$", *o.split()]) for o in DISASM_OPTIONS]
    pairs += [(f, r, o.split()) for f in MIXED for r in MIXED_REPORTS for o in MIXED_OPTIONS]
    # Each file with each report once without options, then a sample of the rest.
    if everything:
        return pairs
    plain = [pair for pair in pairs if not pair[2] or pair[1] in ("disasm", "weblist")]
    rest = [pair for pair in pairs if pair not in plain]
    return plain + random.Random(1).sample(rest, min(SAMPLE - len(plain), len(rest)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", default="", help="pairs whose text contains this")
    parser.add_argument("--keep", help="folder for the files, which stay there")
    arguments = parser.parse_args()
    if not MANY.exists():
        sys.exit(f"there is no {MANY}: run 'make deps'")
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
        comparer.close()
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
