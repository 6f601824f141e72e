# SPDX-License-Identifier: MIT
"""What was freed soon by the thread that allocated it."""

import re
import subprocess

import pytest

import pprof
from profd import GO
from test_heap import HEAP, record_steps, start, sums

# alloc_objects, alloc_space, inuse_objects, inuse_space; of all, and of what was temporary.
TRUTH = {
    "soon": ((200, 200000, 0, 0), (200, 200000, 0, 0)),
    # What realloc was given has moved; what it gave was freed at once.
    "regrow": ((200, 770000, 0, 0), (100, 700000, 0, 0)),
    "late": ((10, 20000, 0, 0), (0, 0, 0, 0)),
    "hand_over": ((50, 150000, 0, 0), (0, 0, 0, 0)),
    "keep": ((40, 88000, 20, 80000), (0, 0, 0, 0)),
}


def listed(top):
    """{function: bytes} of a report."""
    return {name: int(n) for n, name in re.findall(r"^ *(\d+)B .* (\w+)$", top, re.M)}


def check(daemon, path):
    whole = pprof.read(path)
    some = [s for s in whole.samples if "temporary" in s.labels]
    assert all(0 < s.labels["temporary"] <= 10**6 for s in some)
    for function, (all_of_it, brief) in TRUTH.items():
        ours = [s.values for s in some if function in s.names]
        assert sums(whole, function) == all_of_it, function
        assert tuple(map(sum, zip(*ours))) == (brief if any(brief) else ()), function
    top = daemon.ctl("top", "--temporary", "-unit=B", path).stdout
    assert listed(top) == {f: brief[1] for f, (_, brief) in TRUTH.items() if brief[1]}, top
    # It says on standard error that it takes this for a range.
    theirs = subprocess.run(
        [GO, "tool", "pprof", "-sample_index=alloc_space", "-unit=B", "-top"]
        + ["-tagfocus=temporary=:1s", path],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert listed(theirs) == listed(top), theirs
    # Sooner than that is a part of it.
    sooner = daemon.ctl("top", "--temporary=10us", "--sample_index=alloc_objects", path).stdout
    assert sum(map(int, re.findall(r"^ *(\d+) .* (?:soon|regrow)$", sooner, re.M))) <= 300
    folded = daemon.ctl("flame", "--temporary", "--raw", "--print", path).stdout
    assert "soon" in folded and "hand_over" not in folded and "keep" not in folded


@pytest.mark.parametrize("ages", [(), ("--ages",)])
def test_by_uprobes(quiet_daemon, ages):
    with start("temporary", arguments=[]) as program:
        out, _ = record_steps(quiet_daemon, program, "--sample-bytes", 1, "--temporary=1s", *ages)
    check(quiet_daemon, out)
    if ages:
        assert all("lifetime" in s.labels for s in pprof.read(out).samples if "soon" in s.names)
    result = quiet_daemon.ctl("leaks", "--stacks", 5, out, check=False) if ages else None
    assert not ages or (result.returncode in (0, 1) and "keep" in result.stdout), result
    quiet_daemon.check_ledger()


def test_by_the_library(quiet_daemon, tmp_path):
    path = tmp_path / "x.pb.gz"
    quiet_daemon.ctl(
        *("record", "--type", "heap", "--sample-bytes", 1, "--temporary=1s", "-o", path),
        *("--", HEAP / "temporary"),
        input="\n",
    )
    check(quiet_daemon, path)
    result = quiet_daemon.ctl("top", "--temporary=2s", path, check=False)
    assert result.returncode == 2 and "'2s' is none of" in result.stderr


def test_not_recorded(quiet_daemon, tmp_path):
    for within, more in ("=10ms", ["--temporary=100us"]), ("", []):
        path = tmp_path / f"x{within}.pb.gz"
        quiet_daemon.ctl(
            *("record", "--type", "heap", "--sample-bytes", 1, "-o", path, *more),
            *("--", HEAP / "peaks"),
            input="\n",
        )
        result = quiet_daemon.ctl("top", f"--temporary{within}", path, check=False)
        assert result.returncode == 1
        assert f"profctl record --type heap --temporary{within}\n" in result.stderr


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--temporary"], "--temporary needs --type heap"),
        (["--temporary=7ms", "--type", "heap", "--pid", "1"], "is one of 10us"),
        (["--temporary", "--type", "heap", "--pid", "1", "--max-cost", "5"], "does not go with"),
    ],
)
def test_wrong_input(quiet_daemon, arguments, said):
    result = quiet_daemon.ctl("record", *arguments, check=False)
    assert result.returncode == 2 and said in result.stderr
