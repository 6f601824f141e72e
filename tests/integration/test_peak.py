# SPDX-License-Identifier: MIT
"""The profile of the moment at which most was in use."""

import re
from pathlib import Path

import pytest

import pprof
from profd import pprof_tool, wait_for
from test_heap import HEAP, record_steps, start, sums
from test_snapshots import reasons, record, snapshots

# Of peaks, then and at its end: alloc_objects, alloc_space, inuse_objects, inuse_space. What
# second calls counts for it, too.
PEAK = {
    "base": (10, 1000, 10, 1000),
    "first": (300, 300000, 0, 0),
    "churn": (400, 200000, 0, 0),
    "second": (800, 600000, 400, 400000),
    "third": (0, 0, 0, 0),
}
END = {**PEAK, "second": (800, 600000, 0, 0), "third": (100, 100000, 100, 100000)}


def beside(path):
    return Path(str(path).removesuffix(".pb.gz").removesuffix(".heap") + ".peak.heap.pb.gz")


def check(path):
    peak, whole = pprof.read(beside(path)), pprof.read(path)
    assert {function: sums(peak, function) for function in PEAK} == PEAK
    assert {function: sums(whole, function) for function in END} == END
    said = re.fullmatch(
        r"peak of in-use: (\d+) bytes, ([\d.]+) s after the beginning", peak.comments[-1]
    )
    # And what its C library has in use.
    assert said and int(said[1]) == peak.total(3) and 401000 <= peak.total(3) < 450000
    assert 0 < peak.duration_nanos <= whole.duration_nanos
    assert all("third" not in sample.names for sample in peak.samples)


@pytest.mark.parametrize("ages", [(), ("--ages",)])
def test_by_uprobes(quiet_daemon, ages):
    with start("peaks", arguments=[]) as program:
        command = ["--sample-bytes", 1, "--peak", *ages]
        out, _ = record_steps(quiet_daemon, program, *command, lines=2)
    check(out)
    top = pprof_tool("-sample_index=inuse_objects", "-top", beside(out))
    assert re.search(r"^ *400 .* second$", top, re.M), top
    quiet_daemon.check_ledger()


def test_by_the_library_with_snapshots(quiet_daemon, tmp_path):
    recorder = record(
        *(quiet_daemon, tmp_path, "--peak", "--snapshot-every", "350000-grown"),
        *("--", HEAP / "peaks"),
    )
    recorder.stdin.write("\n")
    recorder.stdin.flush()
    wait_for(lambda: snapshots(tmp_path), 60, "the snapshot")
    output, errors = recorder.communicate()
    assert recorder.returncode == 0, errors
    check(tmp_path / "x.heap.pb.gz")
    assert output.splitlines()[-3:] == ["x.0001.heap.pb.gz", "x.peak.heap.pb.gz", "x.heap.pb.gz"]
    written = snapshots(tmp_path)
    assert reasons(written) == ["350000 grown"] and sums(written[0], "first")[0] == 300
    assert 350000 <= written[0].total(3) < 360000


def test_of_a_family(quiet_daemon, tmp_path):
    """What a process had in use when it ended is not in use any more: the second is no higher."""
    script = f"echo | {HEAP}/peaks; echo | {HEAP}/peaks; true"
    recorder = record(quiet_daemon, tmp_path, "--peak", "--", "/bin/sh", "-c", script)
    _, errors = recorder.communicate()
    assert recorder.returncode == 0, errors
    peak, whole = (pprof.read(tmp_path / f"x.{name}.pb.gz") for name in ("peak.heap", "heap"))
    assert sums(peak, "second")[2:] == (400, 400000) and sums(peak, "third")[2] in (0, 100)
    assert sums(whole, "third") == (200, 200000, 200, 200000)
    assert peak.total(3) < 401000 + 100000


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--peak"], "--peak needs --type heap"),
        (["--peak", "--type", "heap", "--pid", "1", "--max-cost", "5"], "does not go with"),
        (["--peak", "--type", "heap", "--pid", "1", "-o", "-"], "files of their"),
    ],
)
def test_wrong_input(quiet_daemon, arguments, said):
    result = quiet_daemon.ctl("record", *arguments, check=False)
    assert result.returncode == 2 and said in result.stderr
