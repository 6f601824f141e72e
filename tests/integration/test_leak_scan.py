# SPDX-License-Identifier: MIT
"""record --leak-check=full, of a program that loses memory in known ways, beside valgrind."""

import collections
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

import pprof
from profd import PROFCTL, PROGRAMS
from test_heap import HEAP

LOST, LIBRARY = HEAP / "lost", PROGRAMS / "heap/leaking.so"
ENTRY = 64
# By site and kind: blocks and bytes.
TRUTH = {
    ("lost_each", "definite"): (5, 5 * ENTRY),
    ("lost_list", "definite"): (1, ENTRY),
    ("lost_list", "indirect"): (9, 9 * ENTRY),
    ("lost_ring", "definite"): (1, ENTRY),
    ("lost_ring", "indirect"): (3, 3 * ENTRY),
    ("lost_large", "definite"): (1, 100000),
    ("plugin_leak", "definite"): (1, 500),
    ("by_middle", "possible"): (3, 3 * ENTRY),
    ("by_global", "reachable"): (7, 7 * ENTRY),
    ("by_thread_local", "reachable"): (1, ENTRY),
    ("by_mapping", "reachable"): (2, 2 * ENTRY),
    ("by_large", "reachable"): (2, 400000 + ENTRY),
    ("by_thread", "reachable"): (6, 6 * ENTRY),
    ("by_stack", "reachable"): (8, 8 * ENTRY),
}
SITES = {site for site, _ in TRUTH}


def site_of(names):
    return next((name for name in names if name in SITES), None)


def add(found, key, blocks, size):
    found[key] = (found[key][0] + blocks, found[key][1] + size)


def found_by_profctl(path):
    found = collections.defaultdict(lambda: (0, 0))
    for sample in pprof.read(path).samples:
        site, kind = site_of(sample.names), sample.labels.get("leak_kind")
        blocks, size = sample.values[2:4]
        if site and blocks:
            add(found, (site, kind), blocks, size)
    return dict(found)


def leaked(what):
    """Blocks and bytes; what is lost with them is told of on its own."""
    direct = re.search(r"\(([\d,]+) direct", what.findtext("text"))
    size = direct[1].replace(",", "") if direct else what.findtext("leakedbytes")
    return int(what.findtext("leakedblocks")), int(size)


def found_by_valgrind(tmp_path, what):
    out = tmp_path / "valgrind.%p.xml"
    options = ["--leak-check=full", "--show-leak-kinds=all", "--keep-debuginfo=yes"]
    options += ["--trace-children=yes", "--child-silent-after-fork=no", "--leak-resolution=high"]
    options += ["--leak-check-heuristics=none", "--xml=yes", f"--xml-file={out}"]
    subprocess.run(["valgrind", *options, LOST, what, LIBRARY], timeout=120)
    kinds = {
        "Leak_DefinitelyLost": "definite",
        "Leak_IndirectlyLost": "indirect",
        "Leak_PossiblyLost": "possible",
        "Leak_StillReachable": "reachable",
    }
    found = collections.defaultdict(lambda: (0, 0))
    for error in ElementTree.parse(next(tmp_path.glob("valgrind.*.xml"))).iter("error"):
        site = site_of([frame.findtext("fn") for frame in error.iter("frame")])
        if site:
            add(found, (site, kinds[error.findtext("kind")]), *leaked(error.find("xwhat")))
    return dict(found)


def record(daemon, out, *command, **options):
    return subprocess.run(
        [PROFCTL, "record", "--type", "heap", "--leak-check=full", "--min", "1", "-o", out]
        + [*map(str, command)],
        capture_output=True,
        text=True,
        env=daemon.environment,
        timeout=120,
        **options,
    )


@pytest.mark.parametrize("what, code", [("all", 1), ("child", 1), ("killed", 143)])
def test_what_is_lost(quiet_daemon, tmp_path, what, code):
    """Also of a child, and of what a signal ends; threads and a library that is gone are in it."""
    out = tmp_path / "lost.pb.gz"
    result = record(quiet_daemon, out, "--", LOST, what, LIBRARY)
    assert result.returncode == code, result.stderr
    assert found_by_profctl(out) == TRUTH
    assert re.search(r"\b5 stacks have lost 1B or more", result.stderr), result.stderr
    assert "nothing leads to 97.66kB in 1 block" in result.stderr
    for site in ("by_global", "by_middle"):
        assert site not in result.stderr


def test_as_valgrind_says(quiet_daemon, tmp_path):
    assert found_by_valgrind(tmp_path, "all") == TRUTH


def test_the_report_of_the_file(quiet_daemon, tmp_path):
    """What is known is left out, and what is reachable is told apart."""
    out, known = tmp_path / "lost.pb.gz", tmp_path / "known"
    known.write_text("^lost_\n^plugin_leak$\n")
    result = record(quiet_daemon, out, "--suppressions", known, "--", LOST, "all", LIBRARY)
    assert result.returncode == 0, result.stderr
    told = json.loads(quiet_daemon.ctl("leaks", "--json", "--min", "1", out).stdout)
    of = {site_of([f["function"] for f in s["frames"]]): s for s in told["stacks"]}
    assert of["lost_list"]["verdict"] == "lost" and of["by_global"]["verdict"] == "reachable"
    assert of["by_middle"]["verdict"] == "possibly lost"
    assert of["lost_list"]["kinds"]["indirect"] == {"bytes": 9 * ENTRY, "objects": 9}
    assert told["leaks"] == 5 and told["stacks"][0]["verdict"] == "lost"
    assert told["kinds"]["definite"]["objects"] >= 9
    text = quiet_daemon.ctl("leaks", "--min", "1", out).stdout
    assert "only what is lost itself leads to 576B in 9 blocks" in text


def test_a_command_that_is_stopped_and_goes_on(quiet_daemon, tmp_path):
    """Signals, stops and exec are the command's own business."""
    script = "trap 'echo got' USR1; kill -USR1 $$; (sleep 0.3; kill -CONT $$) & kill -STOP $$; wait"
    script += "; exec sh -c 'exit 7'"
    result = record(quiet_daemon, tmp_path / "x.pb.gz", "--", "sh", "-c", script)
    assert (result.returncode, result.stdout.splitlines()[0]) == (7, "got"), result.stderr


def test_samples_only(quiet_daemon, tmp_path):
    """Where not every block is known, all memory may lead to those that are."""
    out = tmp_path / "lost.pb.gz"
    result = record(quiet_daemon, out, "--sample-bytes", 2, "--", LOST, "all", LIBRARY)
    found = found_by_profctl(out)
    assert result.returncode == 1, result.stderr
    assert found["lost_large", "definite"] == (1, 100000)
    assert set(found) <= set(TRUTH) | {(site, "possible") for site in SITES}


@pytest.mark.parametrize(
    "options, command, code",
    [
        ([], [HEAP / "steps-static", 0], 125),  # it has ended before there are probes
        (["--sample-bytes", 1 << 29], ["true"], 0),  # it is seen, and allocates too little
    ],
)
def test_nothing_is_seen(quiet_daemon, tmp_path, options, command, code):
    """Who was not seen is not said to have lost nothing."""
    result = record(
        quiet_daemon, tmp_path / "x.pb.gz", *options, "--", *command, stdin=subprocess.DEVNULL
    )
    assert result.returncode == code, result.stderr
    assert ("nothing was checked for leaks" in result.stderr) == (code == 125)
    assert "no memory was scanned" not in result.stderr
