# SPDX-License-Identifier: MIT
"""Files as others read them, and reports as others print them."""

import collections
import json
import math
import os
import re
import subprocess
import time

import pytest

import pprof
from profd import GO, PROFCTL, PROGRAMS, ROOT, Daemon, Program, pprof_tool, wait_for


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(a recording, a continuous window, another recording) that all tests here look at."""
    folder = tmp_path_factory.mktemp("files")
    daemon = Daemon(folder, window=3600).start()
    try:
        with Program("burn3", 60) as burn, Program("names-cc", 60), Program("kernelwork", 60):
            one, two = folder / "one.pb.gz", folder / "two.pb.gz"
            daemon.ctl("record", "--pid", burn.pid, "--seconds", 3, "-o", one)
            daemon.ctl("record", "--seconds", 3, "-o", two)
            window = daemon.close_window()
        daemon.check_ledger()
        yield {"recording": one, "host": two, "window": window}
    finally:
        daemon.kill()


KINDS = ["recording", "host", "window"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("report", ["top", "tree", "svg", "raw", "tags", "traces", "dot"])
def test_go_tool_pprof_reads_it(files, kind, report):
    output = pprof_tool(f"-{report}", files[kind])
    if report == "tags":
        assert "burn3" in output and "pid" in output
    elif kind == "recording":
        assert "burn_sixty" in output
    else:
        assert output


def test_go_tool_pprof_lists_source_lines(files):
    output = pprof_tool("-list", "burn_sixty", files["recording"])
    assert "mark: sixty-churn" in output
    assert "ROUTINE" in output


def test_go_tool_pprof_subtracts_a_base(files):
    output = pprof_tool("-top", "-base", files["recording"], files["recording"])
    assert "0 of 0 total" in output or "accounting for 0" in output


def test_go_tool_pprof_filters_by_tags(files):
    output = pprof_tool("-top", "-tagfocus=comm=burn3", files["host"])
    assert "burn_sixty" in output and "vfs_read" not in output


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_as_consumers_want_them(files, kind):
    profile = pprof.read(files[kind])
    assert profile.strings[0] == "" and len(set(profile.strings)) == len(profile.strings)
    assert all(sample.frames for sample in profile.samples)
    assert all(frame.name for sample in profile.samples for frame in sample.frames)
    assert all(len(sample.values) == 2 for sample in profile.samples)
    for sample in profile.samples:
        assert {"pid", "tid", "comm"} <= set(sample.labels) or sample.labels.get("tid") is None
        for frame in sample.frames:
            if frame.name == frame.system_name:
                assert "<" not in frame.name and "(" not in frame.name
    # One entry for each stack of a thread: equal ones were added up.
    keys = [
        (tuple((f.address, f.name) for f in s.frames), tuple(sorted(s.labels.items())))
        for s in profile.samples
    ]
    assert len(set(keys)) == len(keys)
    build_ids = {m["file"]: m["build_id"] for m in profile.mappings}
    notes = subprocess.run(["readelf", "-n", PROGRAMS / "burn3"], capture_output=True, text=True)
    assert build_ids[str(PROGRAMS / "burn3")] in notes.stdout.split()


@pytest.fixture(scope="module")
def go_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("go")
    source = ROOT / "tests/programs/goprofile.go"
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GO111MODULE": "off"}
    subprocess.run([GO, "run", source, folder], check=True, env=environment, timeout=300)
    return folder


def rows(text):
    """What a report says about the profile: Go's versions print the time in several ways."""
    return [line for line in text.splitlines() if not line.startswith(("Time:", "Build ID:"))]


def profctl(*arguments):
    return subprocess.run(
        [PROFCTL, *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def same_top(file, *options):
    ours = profctl("top", *options, file)
    assert ours.returncode == 0, ours.stderr
    assert rows(ours.stdout) == rows(pprof_tool("-top", *options, file))


OPTIONS = [[], ["-cum"], ["-nodecount=5"], ["-sample_index=samples"], ["-nodefraction=0"]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "plain")
def test_top_equals_go_tool_pprof(files, kind, options):
    same_top(files[kind], *options)


@pytest.mark.parametrize("name", ["cpu", "heap", "mutex", "goroutine"])
def test_top_of_profiles_that_go_wrote(go_files, name):
    same_top(go_files / f"{name}.pb.gz")
    same_top(go_files / f"{name}.pb.gz", "-cum")


@pytest.mark.parametrize("name", ["alloc_space", "alloc_objects", "inuse_space", "inuse_objects"])
def test_top_of_each_sample_type(go_files, name):
    same_top(go_files / "heap.pb.gz", f"-sample_index={name}")


def test_files_that_go_rewrote(files, tmp_path):
    out = tmp_path / "go.pb.gz"
    subprocess.run([GO, "tool", "pprof", "-proto", f"-output={out}", files["host"]], check=True)
    same_top(out)


def test_merge_equals_the_sum(files, tmp_path):
    out = tmp_path / "merged.pb.gz"
    result = profctl("merge", files["host"], files["host"], "-o", out)
    assert result.returncode == 0, result.stderr
    one, both = pprof.read(files["host"]), pprof.read(out)
    assert both.total() == 2 * one.total()
    assert len(both.samples) == len(one.samples)
    assert both.duration_nanos == 2 * one.duration_nanos
    assert {n: 2 * c for n, c in one.cumulative().items()} == dict(both.cumulative())
    same_top(out)
    gos = rows(pprof_tool("-top", files["host"], files["host"]))
    assert [r for r in gos if "%" in r] == [r for r in rows(pprof_tool("-top", out)) if "%" in r]


def test_folded_has_every_sample(files):
    result = profctl("export", "--format", "folded", files["host"])
    assert result.returncode == 0, result.stderr
    total = by_name = 0
    for line in result.stdout.splitlines():
        stack, count = line.rsplit(" ", 1)
        total += int(count)
        by_name += int(count) if "burn_sixty" in stack else 0
        assert stack.split(";")[0]
    profile = pprof.read(files["host"])
    assert total in (profile.total(), profile.total(1))
    assert by_name in (profile.cumulative()["burn_sixty"], by_name)


def test_folded_puts_the_root_first(files):
    lines = profctl("export", "--format", "folded", files["recording"]).stdout.splitlines()
    line = next(line for line in lines if "burn_sixty" in line)
    stack = line.rsplit(" ", 1)[0].split(";")
    names = [name.removesuffix("_[i]").removesuffix("_[k]") for name in stack]
    assert names.index("main") < names.index("burn_round") < names.index("burn_sixty")


def test_queries_by_label(files, tmp_path):
    for options, wanted, unwanted in (
        (["--comm", "burn3"], "burn_sixty", "vfs_read"),
        (["--label", "comm=kernelwork"], "vfs_read", "burn_sixty"),
    ):
        result = profctl("top", *options, files["host"])
        assert result.returncode == 0, result.stderr
        assert wanted in result.stdout and unwanted not in result.stdout


def test_difference(files, tmp_path):
    """What diff writes is what pprof makes of the same two files, where no scale is between them."""
    one, two, out = files["host"], files["window"], tmp_path / "diff.pb.gz"
    result = profctl("diff", "--json", "--normalize", one, two)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    before, after = found["before"]["total"], found["after"]["total"]
    assert math.isclose(found["scale"], after / before)
    by_name = {f["name"]: f for f in found["functions"]}
    assert all(0 <= f["p"] <= 1 for f in by_name.values())
    # 19 Hz and 99 Hz of the same load: the same shares, but for the samples of the longer one.
    assert result.stdout == profctl("diff", "--json", two, "--against", one, "--normalize").stdout
    assert profctl("diff", "-o", out, one, one).returncode == 0
    ours = pprof_tool("-top", "-nodefraction=0", out).splitlines()
    theirs = pprof_tool("-top", "-nodefraction=0", f"-diff_base={one}", one).splitlines()
    assert ours[-1] == theirs[-1] and len(ours) == len(theirs)
    assert profctl("diff", "-o", out, one, two).returncode == 0
    assert pprof.read(out).cumulative()["burn_sixty"] == pytest.approx(
        pprof.read(two).cumulative()["burn_sixty"]
        - pprof.read(one).cumulative()["burn_sixty"]
        * pprof.read(two).duration_nanos
        / pprof.read(one).duration_nanos,
        abs=len(pprof.read(one).samples),
    )


def test_store_queries(daemon, tmp_path):
    with Program("burn3", 60) as burn:
        burn.let_run(2.5)
        daemon.close_window()
        time.sleep(1.5)
        out = tmp_path / "closed.pb.gz"
        daemon.ctl("export", "--format", "pprof", "--type", "cpu", "--since", "10m ago", "-o", out)
        assert pprof.read(out).cumulative()["burn_sixty"] > 10
        both = daemon.ctl("top", "--last", "10m", "--pid", burn.pid)
        assert "burn_sixty" in both.stdout
        around = daemon.ctl("top", "--around", "now", "--within", "1m", "--pid", burn.pid)
        assert "burn_sixty" in around.stdout
        check_listing(daemon, burn.pid)


def check_listing(daemon, pid):
    """What ls says of the only window is what its profile says."""
    (file,) = daemon.windows()
    wait_for(file.with_name(file.name.replace(".pb.gz", ".activity")).exists, what=".activity")
    profile = pprof.read(file)
    (window,) = json.loads(daemon.ctl("ls", "--json", "--around", "now").stdout)["profiles"]
    assert window["samples"] == profile.total() and window["path"] == str(file)
    assert window["cpu_nanoseconds"] == window["samples"] * profile.period
    by_pid = collections.Counter()
    for sample in profile.samples:
        by_pid[sample.labels["pid"]] += sample.values[0]
    busiest = window["busiest"]
    assert busiest["samples"] == by_pid[busiest["pid"]] == max(by_pid.values())
    timeline = json.loads(daemon.ctl("ls", "--json", "--timeline").stdout)["timeline"]
    rows = {row["pid"]: row for row in timeline["processes"]}
    assert rows[pid]["comm"] == "burn3" and sum(rows[pid]["columns"]) == by_pid[pid]
    assert sum(timeline["columns"]) == profile.total()
    shown = daemon.ctl("ls", "--timeline", "--by", "comm").stdout
    assert re.search(r"^burn3 .*%", shown, re.MULTILINE) and "busiest: " in shown
    assert file.name in daemon.ctl("ls").stdout
    assert daemon.ctl("ls", "--around", "10m ago").stdout.count("\n") == 1
    assert daemon.ctl("ls", "--within", "10m", check=False).returncode == 2
