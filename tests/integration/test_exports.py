# SPDX-License-Identifier: MIT
"""Exports as the tools that they are for define them, with every value and thread in them."""

import json
import os
import pty
import subprocess
import time
from collections import Counter

import jsonschema
import pytest

import pprof
from profd import PROFCTL, Daemon, Program, pprof_tool, wait_for
from made_up import HARD_NAMES, STACKS, write_profile

NUMBER, TEXT = {"type": "number"}, {"type": "string"}


def array(items):
    return {"type": "array", "items": items}


def fields(**properties):
    return {"type": "object", "properties": properties, "required": list(properties)}


def or_null(kind):
    return {"anyOf": [kind, {"type": "null"}]}


# What https://www.speedscope.app/file-format-schema.json asks of sampled profiles.
SPEEDSCOPE = fields(
    **{"$schema": {"const": "https://www.speedscope.app/file-format-schema.json"}},
    shared=fields(
        frames=array({
            "type": "object",
            "properties": {"name": TEXT, "file": TEXT, "line": NUMBER, "col": NUMBER},
            "required": ["name"],
        })
    ),
    profiles=array(
        fields(
            type={"const": "sampled"},
            name=TEXT,
            unit={"enum": ["bytes", "microseconds", "milliseconds", "nanoseconds", "none", "seconds"]},
            startValue=NUMBER,
            endValue=NUMBER,
            samples=array(array(NUMBER)),
            weights=array(NUMBER),
        )
    ),
)

INDEX = {"type": "integer", "minimum": 0}
CATEGORY = fields(name=TEXT, color=TEXT, subcategories=array(TEXT))


def table(**columns):
    return fields(length=INDEX, **{name: array(kind) for name, kind in columns.items()})


# What version 48 of src/types/profile.js of firefox-devtools/profiler asks of all profiles.
FIREFOX = fields(
    meta=fields(
        interval=NUMBER,
        startTime=NUMBER,
        processType=NUMBER,
        categories=array(CATEGORY),
        product=TEXT,
        stackwalk={"enum": [0, 1]},
        version=NUMBER,
        preprocessedProfileVersion={"const": 48},
        markerSchema=array({}),
        extensions=table(id=TEXT, name=TEXT, baseURL=TEXT),
    ),
    libs=array(
        fields(
            name=TEXT,
            path=TEXT,
            debugName=TEXT,
            debugPath=TEXT,
            breakpadId=TEXT,
            codeId=or_null(TEXT),
            arch=or_null(TEXT),
        )
    ),
    threads=array(
        fields(
            processType=TEXT,
            processStartupTime=NUMBER,
            processShutdownTime=or_null(NUMBER),
            registerTime=NUMBER,
            unregisterTime=or_null(NUMBER),
            pausedRanges=array({}),
            name=TEXT,
            processName=TEXT,
            isMainThread={"type": "boolean"},
            pid=TEXT,
            tid=NUMBER,
            stringArray=array(TEXT),
            samples=fields(
                length=INDEX,
                stack=array(or_null(INDEX)),
                time=array(NUMBER),
                weight=array(NUMBER),
                weightType={"enum": ["samples", "tracing-ms", "bytes"]},
            ),
            stackTable=table(frame=INDEX, prefix=or_null(INDEX), category=INDEX, subcategory=INDEX),
            frameTable=table(
                address=NUMBER,
                inlineDepth=INDEX,
                category=or_null(INDEX),
                subcategory=or_null(INDEX),
                func=INDEX,
                nativeSymbol=or_null(INDEX),
                innerWindowID=or_null(INDEX),
                implementation=or_null(INDEX),
                line=or_null(NUMBER),
                column=or_null(NUMBER),
            ),
            funcTable=table(
                name=INDEX,
                isJS={"type": "boolean"},
                relevantForJS={"type": "boolean"},
                resource={"type": "integer", "minimum": -1},
                fileName=or_null(INDEX),
                lineNumber=or_null(NUMBER),
                columnNumber=or_null(NUMBER),
            ),
            resourceTable=table(lib=INDEX, name=INDEX, host=or_null(INDEX), type=INDEX),
            nativeSymbols=table(libIndex=INDEX, address=NUMBER, name=INDEX, functionSize=NUMBER),
            markers=table(data={}, name=INDEX, startTime={}, endTime={}, phase=NUMBER, category=INDEX),
        )
    ),
)


def export(kind, path, *options):
    command = [PROFCTL, "export", "--format", kind, *map(str, options), str(path)]
    result = subprocess.run(command, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Of two programs with threads, and of stacks and names that are known."""
    folder = tmp_path_factory.mktemp("exports")
    daemon = Daemon(folder, types="").start()
    try:
        threads = Program("threads", wait=False)
        with threads, Program("burn3", 60) as burn, Program("kernelwork", 60) as work:
            both = lambda: [program.let_run(0.5) for program in (burn, work)]
            host = daemon.record_until(both, "--frequency", 199)
        daemon.check_ledger()
    finally:
        daemon.kill()
    write_profile(folder / "plain.pb.gz", STACKS)
    hard = {("main", name): 1 + i for i, name in enumerate(HARD_NAMES)}
    write_profile(folder / "hard.pb.gz", hard)
    write_profile(folder / "empty.pb.gz", {})
    made = {name: folder / f"{name}.pb.gz" for name in ("plain", "hard", "empty")}
    return {"host": host, **made}


KINDS = ["host", "plain", "hard", "empty"]


def by_thread(profile, value=0):
    """{(pid, tid): sum}"""
    sums = Counter()
    for sample in profile.samples:
        sums[sample.labels.get("pid", 0), sample.labels.get("tid", 0)] += sample.values[value]
    return sums


def stacks(profile, value=0):
    """{(root, …, leaf): sum}"""
    sums = Counter()
    for sample in profile.samples:
        sums[tuple(reversed(sample.names))] += sample.values[value]
    return sums


@pytest.mark.parametrize("kind", KINDS)
def test_speedscope(files, kind):
    data = json.loads(export("speedscope", files[kind]))
    jsonschema.validate(data, SPEEDSCOPE)
    profile = pprof.read(files[kind])
    names = [frame["name"] for frame in data["shared"]["frames"]]
    above = 2 if kind == "host" else 0  # process and thread
    assert [p["name"] for p in data["profiles"]] == [name for name, _ in profile.sample_types]
    for i, one in enumerate(data["profiles"]):
        found = Counter()
        for stack, weight in zip(one["samples"], one["weights"], strict=True):
            found[tuple(names[f] for f in stack[above:])] += weight
        assert found == stacks(profile, i)
        assert one["endValue"] == profile.total(i)
    if kind == "host":
        cpu = data["profiles"][data["activeProfileIndex"]]
        assert (cpu["name"], cpu["unit"]) == ("cpu", "nanoseconds")
        roots = {names[stack[0]] for stack in cpu["samples"]}
        assert any(root.startswith("burn3 (process ") for root in roots)
        threads = {names[stack[1]] for stack in cpu["samples"]}
        assert len(threads) == len({s.labels.get("tid") for s in profile.samples})


@pytest.mark.parametrize("kind", KINDS)
def test_firefox(files, kind):
    data = json.loads(export("firefox", files[kind], "--sample_index=samples"))
    jsonschema.validate(data, FIREFOX)
    profile = pprof.read(files[kind])
    weights, found = Counter(), Counter()
    for thread in data["threads"]:
        for value in thread.values():
            if isinstance(value, dict):
                columns = [c for c in value.values() if isinstance(c, list)]
                assert all(len(column) == value["length"] for column in columns)
        samples, table = thread["samples"], thread["stackTable"]
        weights[int(thread["pid"]), thread["tid"]] = sum(samples["weight"])
        assert samples["time"] == sorted(samples["time"])
        for row, weight in zip(samples["stack"], samples["weight"]):
            stack = []
            while row is not None:
                func = thread["frameTable"]["func"][table["frame"][row]]
                stack.insert(0, thread["stringArray"][thread["funcTable"]["name"][func]])
                assert table["prefix"][row] is None or table["prefix"][row] < row
                row = table["prefix"][row]
            found[tuple(stack)] += weight
        assert all(lib < len(data["libs"]) for lib in thread["resourceTable"]["lib"])
    assert weights == by_thread(profile)
    assert found == stacks(profile)
    if kind == "host":
        assert {"burn3", "kernelwork"} <= {thread["processName"] for thread in data["threads"]}
        names = [category["name"] for category in data["meta"]["categories"]]
        kernel = names.index("Kernel")
        assert any(kernel in thread["frameTable"]["category"] for thread in data["threads"])
        assert any("/burn3" in lib["path"] and lib["codeId"] for lib in data["libs"])


def decode(data):
    """(stacks by sum, threads by sum, names of processes, times) of a Perfetto trace, by the
    numbers of its fields."""
    packets = [dict(pprof.fields(packet)) for _, packet in pprof.fields(data)]
    strings, frames, callstacks, processes = {}, {}, {}, {}
    found, threads, times = Counter(), Counter(), []
    for packet in packets:
        for number, item in pprof.fields(packet.get(12, b"")):
            parts = list(pprof.fields(item))
            one = dict(parts)
            if number == 5:
                strings[one[1]] = one[2].decode()
            elif number == 6:
                frames[one[1]] = strings[one[2]]
            elif number == 7:
                callstacks[one[1]] = tuple(frames[value] for key, value in parts if key == 2)
        for number, item in pprof.fields(packet.get(2, b"")):
            if number == 1:
                one = dict(pprof.fields(item))
                processes[one[1]] = one[3].decode()
        if 66 in packet:
            sample = dict(pprof.fields(packet[66]))
            found[callstacks[sample[4]]] += 1
            threads[sample[2], sample[3]] += 1
            times.append(packet[8])
    assert packets[0][13] == 1 and all(packet[10] == 1 for packet in packets)
    return found, threads, processes, times


@pytest.mark.parametrize("kind", ["host", "plain", "hard"])
def test_perfetto(files, kind):
    found, threads, processes, times = decode(export("perfetto", files[kind]))
    profile = pprof.read(files[kind])
    assert found == stacks(profile)
    if kind == "host":
        assert threads == by_thread(profile)
        assert {"burn3", "kernelwork"} <= set(processes.values())
        assert min(times) == profile.time_nanos
    else:
        assert processes == {2**31 - 1: "samples"}


def test_perfetto_of_nothing(files):
    assert decode(export("perfetto", files["empty"])) == (Counter(), Counter(), {}, [])


@pytest.mark.parametrize("kind", KINDS)
def test_json(files, kind):
    data = json.loads(export("json", files[kind]))
    profile = pprof.read(files[kind])
    assert data["version"] == 1
    assert [(t["type"], t["unit"]) for t in data["sample_types"]] == profile.sample_types
    assert data["time_nanos"] == profile.time_nanos and data["period"] == profile.period
    assert len(data["samples"]) == len(profile.samples)
    for ours, sample in zip(data["samples"], profile.samples):
        assert ours["values"] == sample.values
        assert {label["key"]: label["value"] for label in ours["labels"]} == sample.labels
        frames = [data["frames"][f] for f in reversed(ours["stack"])]
        assert [f["name"] for f in frames] == sample.names
        assert [f["line"] for f in frames] == [f.line for f in sample.frames]
        assert [int(f["address"], 16) for f in frames] == [f.address for f in sample.frames]
        assert [f["kind"] == "inlined" for f in frames] == [f.inlined for f in sample.frames]
        modules = [*data["mappings"], {"file": ""}]  # -1 is none
        assert [modules[f["mapping"]]["file"] for f in frames] == [f.mapping for f in sample.frames]
    numbers = sorted(n for thread in data["threads"] for n in thread["samples"])
    assert numbers == list(range(len(profile.samples)))


def test_binary_formats_spare_the_terminal(files):
    for kind, refused in (("perfetto", True), ("pprof", True), ("json", False)):
        master, slave = pty.openpty()
        command = [PROFCTL, "export", "--format", kind, str(files["empty"])]
        result = subprocess.run(command, stdout=slave, stderr=subprocess.PIPE, timeout=60)
        os.close(slave)
        os.close(master)
        assert (result.returncode != 0) == refused
        assert (b"terminal" in result.stderr) == refused


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A recording that keeps times, with a program that begins in its middle."""
    folder = tmp_path_factory.mktemp("timed")
    daemon = Daemon(folder, types="").start()
    try:
        process, out = daemon.start_record("--seconds", 3, "--frequency", 199, "--timestamps")
        wait_for(daemon.recordings, 30, "the recording")
        time.sleep(1)
        begin = time.time()
        with Program("burn3", 60) as burn:
            process.communicate(timeout=60)
        assert process.returncode == 0
        daemon.check_ledger()
        yield out, burn.pid, begin
    finally:
        daemon.kill()


def test_samples_keep_their_time(timed):
    path, pid, begin = timed
    profile = pprof.read(path)
    assert all(sample.values[0] == 1 for sample in profile.samples)
    ends = profile.time_nanos + profile.duration_nanos
    assert all(
        profile.time_nanos - 1e8 <= sample.labels["timestamp"] <= ends + 1e8
        for sample in profile.samples
    )
    times = sorted(s.labels["timestamp"] for s in profile.select(pid=pid))
    assert len(times) > 20 and times[0] / 1e9 > begin - 0.05
    assert len(set(times)) == len(times)
    top = subprocess.run([PROFCTL, "top", path], capture_output=True, text=True)
    assert top.returncode == 0 and "burn_sixty" in top.stdout
    assert "burn_sixty" in pprof_tool("-top", path)


def test_timelines_by_thread(timed):
    path, pid, _ = timed
    profile = pprof.read(path)
    first = min(sample.labels["timestamp"] for sample in profile.samples)
    times = sorted(s.labels["timestamp"] for s in profile.select(pid=pid))

    data = json.loads(export("speedscope", path))
    jsonschema.validate(data, SPEEDSCOPE)
    burn = next(p for p in data["profiles"] if p["name"] == f"burn3 (thread {pid})")
    taken = [stack for stack in burn["samples"] if stack]
    assert len(taken) == len(times)
    if times[0] > first:
        assert burn["weights"][0] == times[0] - first and burn["samples"][0] == []
    assert burn["endValue"] >= times[-1] - first

    data = json.loads(export("firefox", path))
    jsonschema.validate(data, FIREFOX)
    burn = next(t for t in data["threads"] if t["tid"] == pid)
    wanted = [(t - first) / 1e6 for t in times]
    assert burn["samples"]["time"] == pytest.approx(wanted, abs=1e-3)
    assert data["meta"]["startTime"] == pytest.approx(first / 1e6, abs=1)

    assert sorted(decode(export("perfetto", path))[3]) == sorted(
        sample.labels["timestamp"] for sample in profile.samples
    )


FILTERS = {
    "-focus=read_file": lambda stack: stack if "read_file" in stack else (),
    "-ignore=^(parse|wait)$": lambda stack: () if {"parse", "wait"} & set(stack) else stack,
    "-hide=main|paint": lambda stack: tuple(f for f in stack if f not in ("main", "paint")),
    "-show_from=draw": lambda stack: stack[stack.index("draw") :] if "draw" in stack else (),
    "-prune_from=draw": lambda stack: stack[: len(stack) - stack[::-1].index("draw")]
    if "draw" in stack
    else stack,
}
TEXTUAL = ["folded", "speedscope", "firefox", "json", "svg", "html"]


@pytest.mark.parametrize("option", FILTERS)
def test_filters(files, tmp_path, option):
    (tmp_path / "left.pb.gz").write_bytes(export("pprof", files["plain"], option))
    wanted = Counter()
    for stack, count in STACKS.items():
        if FILTERS[option](stack):
            wanted[FILTERS[option](stack)] += count
    assert stacks(pprof.read(tmp_path / "left.pb.gz")) == wanted
    # Each format has what is left and nothing else: as if that were the file.
    for kind in (*TEXTUAL, "perfetto"):
        assert export(kind, files["plain"], option) == export(kind, tmp_path / "left.pb.gz"), kind
    flame = [PROFCTL, "flame", "-p"]
    filtered = subprocess.run([*flame, option, files["plain"]], capture_output=True, timeout=60)
    alone = subprocess.run([*flame, tmp_path / "left.pb.gz"], capture_output=True, timeout=60)
    assert filtered.returncode == 0 and filtered.stdout == alone.stdout


def test_filters_by_label(files):
    whole = pprof.read(files["host"])
    pid = max(by_thread(whole), key=by_thread(whole).get)[0]
    for option in (f"-tagfocus=pid={pid}", f"-tagfocus=pid={pid}:{pid}"):
        data = json.loads(export("json", files["host"], option))
        assert sum(s["values"][0] for s in data["samples"]) == sum(
            count for (one, _), count in by_thread(whole).items() if one == pid
        )
    text = export("folded", files["host"], "-tagroot=comm", "-taghide=pid", "-noinlines").decode()
    assert "_[i]" not in text and "\nburn3;" in text


def test_base_is_subtracted(files):
    text = export("folded", files["plain"], "-base", files["plain"]).decode()
    assert text == ""
    base = export("folded", files["plain"], "-base", files["plain"], "-ignore=nothing", "-divide_by=2")
    assert base == b""
    half = export("folded", files["plain"], "-divide_by=2").decode()
    assert "main;parse 15\n" in half


@pytest.mark.parametrize("kind", [*TEXTUAL, "perfetto", "pprof"])
@pytest.mark.parametrize("option", ["-cum", "-nodecount=5", "-unit=ms", "-lines", "-mean_delay"])
def test_what_has_no_meaning_is_refused(files, kind, option):
    command = [PROFCTL, "export", "--format", kind, option, files["plain"]]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2 and not result.stdout
    assert f"-{option.split('=')[0]} is for reports and graphs" in result.stderr
