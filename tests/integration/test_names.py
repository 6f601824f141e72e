# SPDX-License-Identifier: MIT
"""Names for profiles that have addresses only: gperftools' files, and profiles of known truth whose
names were taken away."""

import contextlib
import gzip
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import pprof
from debug_server import build_id
from profd import GO, PROFCTL, PROGRAMS, ROOT, Daemon, Program, unprivileged

sys.path.insert(0, str(ROOT / "tests/reports"))
from compare import REFERENCE  # noqa: E402
from files import Profile, block, number  # noqa: E402


def profctl(*arguments, code=0, environment=(), **options):
    result = subprocess.run(
        [PROFCTL, *map(str, arguments)],
        capture_output=True,
        timeout=120,
        text=True,
        env={**os.environ, "PPROF_BINARY_PATH": "/nowhere", **dict(environment)},
        **options,
    )
    assert result.returncode == code, result.stderr
    return result


def reference(*arguments):
    result = subprocess.run(
        [REFERENCE, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=True
    )
    return result.stdout


# ---- gperftools -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["pie", "no-pie"])
def gperf(request, tmp_path_factory):
    """(program, {kind: file}) of a program that its own profilers have watched."""
    folder = tmp_path_factory.mktemp("gperf")
    program = PROGRAMS / f"gperf-{request.param}"
    environment = {
        **os.environ,
        "HEAPPROFILE": str(folder / "heap"),
        "HEAP_PROFILE_ALLOCATION_INTERVAL": "10000000",
    }
    subprocess.run([program], env=environment, check=True, capture_output=True, timeout=60)
    # Its heap profiler would be in the stacks of the other.
    environment = {**os.environ, "CPUPROFILE": str(folder / "cpu")}
    subprocess.run([program], env=environment, check=True, capture_output=True, timeout=60)
    heaps = sorted(folder.glob("heap.*.heap"))
    return program, {"heap": heaps[-1], "cpu": folder / "cpu"}


# Libraries have the names that their debug packages give them, which the reference does not read.
OURS_ONLY = "-hide=x86_64-linux-gnu/(lib|ld-)"


def without_order(report):
    """Of rows with equal values, the reference puts now this and now that one first; the sum over
    the rows so far (the third column) follows their order."""
    row = re.compile(r"^(\s*\S+\s+\S+%)\s+\S+%(\s+\S+\s+\S+%)")
    return sorted(row.sub(r"\1\2", line) for line in report.splitlines())


@pytest.mark.parametrize("kind", ["heap", "cpu"])
@pytest.mark.parametrize(
    "report", ["top", "top -cum", "top -lines", "top -files", "traces", "list=keep|fill|spin"]
)
def test_gperftools_files_read_as_with_pprof(gperf, kind, report):
    program, files = gperf
    command, *options = [*report.split(), OURS_ONLY]
    name, _, pattern = command.partition("=")
    ours = profctl(name, *([pattern] if pattern else []), *options, program, files[kind])
    theirs = reference(f"-{command}", *options, program, files[kind])
    assert without_order(ours.stdout) == without_order(theirs)
    expected = {"heap": ["keep", "fill"], "cpu": ["spin_long", "spin_short"]}[kind]
    if "-files" not in options:
        assert all(function in ours.stdout for function in expected)


def test_a_program_and_a_profile_open_the_prompt(gperf):
    program, files = gperf
    assert "spin_long" in profctl(program, files["cpu"], input="top20\n").stdout


def test_a_program_alone_is_no_profile(gperf):
    assert "is a program and no profile" in profctl("top", gperf[0], code=1).stderr


def test_any_user_gets_names(gperf):
    program, files = gperf
    # Folders of pytest are their owner's alone.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for path in [PROFCTL, program, files["heap"]]:
            copy = Path(shutil.copy(path, folder))
            copy.chmod(0o755)
        command = ["./profctl", "top", f"./{program.name}", f"./{files['heap'].name}"]
        result = subprocess.run(
            unprivileged(command), cwd=folder, capture_output=True, text=True, timeout=60
        )
    assert "keep_many" in result.stdout, result.stderr


def test_other_reports_take_a_program(gperf, tmp_path):
    program, files = gperf
    # The mappings say where the program was: what is named before them counts.
    moved = tmp_path / "moved"
    moved.write_bytes(program.read_bytes())
    for command in ["flame", "export --format folded", "export --format callgrind"]:
        assert "keep_many" in profctl(*command.split(), moved, files["heap"]).stdout


def test_a_program_stands_before_the_files_of_a_comparison(gperf, tmp_path):
    program, files = gperf
    moved = tmp_path / "moved"
    moved.write_bytes(program.read_bytes())
    heap = files["heap"]
    first = heap.with_name(heap.name.replace("3.heap", "1.heap"))
    for arguments in [[moved, first, heap], [moved, heap, "--against", first]]:
        assert "keep_many" in profctl("diff", "--cum", *arguments).stdout
    assert "keep_many" not in profctl("diff", "--symbolize=none", moved, first, heap).stdout


# ---- profiles without their names -----------------------------------------------------------------


def without_names(data):
    """The same profile, but with addresses only."""
    out = b""
    for field, value in pprof.fields(gzip.decompress(data)):
        if field == 5:  # a function
            continue
        if field == 3:  # a mapping: what it has
            value = encode(value, lambda key: key < 7)
        if field == 4:  # a location: its lines
            value = encode(value, lambda key: key != 4)
        out += number(field, value) if isinstance(value, int) else block(field, value)
    return gzip.compress(out)


def encode(message, keep):
    return b"".join(
        number(key, value) if isinstance(value, int) else block(key, value)
        for key, value in pprof.fields(message)
        if keep(key)
    )


def in_files(profile):
    """Stacks of what lies in files: memory and the kernel are named while they are there."""

    def frames(sample):
        return tuple(
            (f.name, f.file, f.line, f.inlined)
            for f in sample.frames
            if re.match("/[^/]", f.mapping) and not f.name.startswith("[")
        )

    return [(frames(s), tuple(s.values), tuple(sorted(s.labels.items()))) for s in profile.samples]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """What profd wrote with names of C and C++ (of programs that stay: their files are read again)."""
    folder = tmp_path_factory.mktemp("recorded")
    daemon = Daemon(folder, types="", debug_dirs=PROGRAMS / "debug").start()
    programs = ["burn3", "burn3-o1", "names-cc", "burn3-buildid", "burn3-minidebug"]
    try:
        with contextlib.ExitStack() as stack:
            pids = [stack.enter_context(Program(name, 60)).pid for name in programs]
            pids = ",".join(map(str, pids))
            daemon.ctl("record", "--pid", pids, "--seconds", 4, "-o", folder / "named.pb.gz")
        daemon.check_ledger()
    finally:
        daemon.kill()
    bare = folder / "bare.pb.gz"
    bare.write_bytes(without_names((folder / "named.pb.gz").read_bytes()))
    return folder / "named.pb.gz", bare


def test_symbolize_gives_the_names_back(recorded, tmp_path):
    named, bare = recorded
    out = tmp_path / "again.pb.gz"
    result = profctl(
        "symbolize", "--names=templates", "--debug_dirs", PROGRAMS / "debug", bare, "-o", out
    )
    assert not any(s.frames and s.frames[0].name for s in pprof.read(bare).samples)
    assert in_files(pprof.read(out)) == in_files(pprof.read(named))
    text = result.stderr
    assert re.search(r"/burn3: \d+ of \d+ addresses named, by its DWARF", text)
    assert "no build-id says" not in text
    assert re.search(r"/burn3-buildid: .* by DWARF in /\S+\.debug", text)
    assert re.search(r"/burn3-minidebug: .* by its .gnu_debugdata", text)


def test_reports_name_what_has_no_names(recorded):
    _, bare = recorded
    assert "burn_sixty" in profctl("top", bare).stdout
    assert "burn_sixty" not in profctl("top", "-symbolize=none", bare).stdout
    assert "burn_sixty" in profctl("export", "--format", "folded", bare).stdout
    assert "local or none" in profctl("top", "-symbolize=remote", bare, code=2).stderr


def test_symbolize_names_what_profd_could_not(recorded, tmp_path):
    """A debug package that was installed later."""
    daemon = Daemon(tmp_path, types="").start()
    try:
        with Program("burn3-buildid", 60) as burn:
            daemon.ctl("record", "--pid", burn.pid, "--seconds", 2, "-o", tmp_path / "old")
    finally:
        daemon.kill()
    assert any("burn3-buildid+0x" in name for name in pprof.read(tmp_path / "old").cumulative())
    arguments = ["symbolize", "--debug_dirs", PROGRAMS / "debug", tmp_path / "old", "-o"]
    profctl(*arguments, tmp_path / "new")
    assert "burn_sixty" in pprof.read(tmp_path / "new").cumulative()


KINDS = {
    "short": ["outer::burn_template", "outer::(anonymous namespace)::Burner::member"],
    "templates": ["outer::burn_template<long>", "outer::(anonymous namespace)::Burner::member"],
    "full": [
        "void outer::burn_template<long>(long)",
        "outer::(anonymous namespace)::Burner::member(int) const",
    ],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", [0, 1])
def test_names_are_as_short_as_they_are_wanted(recorded, tmp_path, kind, which):
    """Those that a file has, and those that are looked up; in every command."""
    profile, names = recorded[which], KINDS[kind]
    other = [name for k in KINDS for name in KINDS[k] if name not in names]
    for command in (
        ["top", "-nodecount=0", "-nodefraction=0"],
        ["traces"],
        ["raw"],
        ["tree", "-nodecount=0", "-nodefraction=0", "-edgefraction=0"],
        ["export", "--format", "folded"],
    ):
        output = profctl(*command, f"--names={kind}", profile).stdout
        found = re.split(r"[;\n\"]| {2,}|\t", output)
        found = [re.sub(r" (\d+|/.*|-|\(inline\))$", "", word).strip() for word in found]
        if command[0] != "raw":
            assert all(name in found for name in names), (command, names)
            assert not any(name in found for name in other), command
        assert all(name in output for name in names), (command, names)
    output = profctl("export", "--format", "speedscope", f"--names={kind}", profile).stdout
    assert set(names) <= {frame["name"] for frame in json.loads(output)["shared"]["frames"]}
    profctl("flame", f"--names={kind}", profile, "-o", tmp_path / "flame")
    text = html.unescape((tmp_path / "flame").read_text())
    assert all(name in text for name in names)
    for command in ("symbolize", "export"):
        out = tmp_path / command
        profctl(command, f"--names={kind}", profile, "-o", out)
        frames = {f.name: f for s in pprof.read(out).samples for f in s.frames}
        assert all(frames[name].system_name.startswith("_Z") for name in names)
        assert not any(name in frames for name in other)


def test_a_recording_has_the_names_that_are_wanted(tmp_path):
    daemon = Daemon(tmp_path, types="").start()
    try:
        with Program("names-cc", 60) as program:
            who = ["record", "--pid", program.pid, "--seconds", 1]
            daemon.ctl(*who, "--names=full", "-o", tmp_path / "full")
            refused = daemon.ctl(*who, "--names=full", check=False)
            wrong = daemon.ctl(*who, "--names=long", "-o", tmp_path / "long", check=False)
        daemon.check_ledger()
    finally:
        daemon.kill()
    assert all(name in pprof.read(tmp_path / "full").cumulative() for name in KINDS["full"])
    assert refused.returncode == 2 and "needs -o FILE" in refused.stderr
    assert wrong.returncode == 2 and "short, templates or full" in wrong.stderr


def test_symbolize_of_what_has_names_keeps_it(recorded, tmp_path):
    named, _ = recorded
    profctl("symbolize", named, "-o", tmp_path / "same")
    assert in_files(pprof.read(tmp_path / "same")) == in_files(pprof.read(named))


def test_go_programs_get_the_names_that_go_gives(tmp_path):
    source = ROOT / "tests/programs/goprofile.go"
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GO111MODULE": "off"}
    program = tmp_path / "goprofile"
    subprocess.run([GO, "build", "-o", program, source], check=True, env=environment, timeout=300)
    subprocess.run([program, tmp_path], check=True, timeout=60)
    bare, out, stripped = tmp_path / "bare", tmp_path / "out", tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, program], check=True)
    for kind, function in {"cpu": "main.burn", "heap": "main.allocate"}.items():
        named = tmp_path / f"{kind}.pb.gz"
        bare.write_bytes(without_names(named.read_bytes()))
        profctl("symbolize", program, bare, "-o", out)
        again, before = pprof.read(out).cumulative(), pprof.read(named).cumulative()
        assert before[function] == again[function] > 0
        mine = {name: n for name, n in before.items() if name.startswith("main.")}
        assert {name: again[name] for name in mine} == mine
        profctl("symbolize", stripped, bare, "-o", out)
        stacks = in_files(pprof.read(named))
        assert any(frame[0] == function and frame[2] for stack, *_ in stacks for frame in stack)
        # Go leaves out wrappers that its compiler made, as of a method that is used as a value; for
        # them there is no file.
        for ours, theirs in zip(in_files(pprof.read(out)), stacks, strict=True):
            wrapped = any(not frame[1] for frame in ours[0])
            assert ours[1:] == theirs[1:] and (wrapped or ours == theirs)


# ---- files of others ------------------------------------------------------------------------------


def perf_like(path, program, address, build_id="", **mapping):
    """As converters write perf.data: raw addresses, ranges of files, nothing else."""
    p = Profile()
    at = p.mapping(str(program), build_id=build_id, flags=0, **mapping)
    p.sample([p.location(address, mapping=at)], [1, 1])
    path.write_bytes(gzip.compress(p.encode()))


def symbol_of(program, name):
    for line in subprocess.run(["nm", program], capture_output=True, text=True).stdout.splitlines():
        address, _, symbol = line.split(maxsplit=2) if line[0] != " " else (0, 0, "")
        if symbol == name:
            return int(address, 16)
    raise KeyError(name)


@pytest.mark.parametrize("linker", ["bfd", "lld"])
@pytest.mark.parametrize("kind", ["pie", "no-pie"])
def test_ranges_of_files_as_the_kernel_maps_them(tmp_path, linker, kind):
    program = tmp_path / "program"
    source = ROOT / "tests/programs/burn3.c"
    flags = ["-O1", "-g", "-D_GNU_SOURCE", f"-{kind}", *(["-fPIE"] if kind == "pie" else ["-fno-pie"])]
    flags += ["-fuse-ld=lld"] if linker == "lld" else []
    subprocess.run(["gcc", *flags, "-o", program, source, "-pthread", "-ldl"], check=True)
    with Program(program, 60) as running:
        maps = Path(f"/proc/{running.pid}/maps").read_text().splitlines()
    parts = [line.split() for line in maps if line.endswith(f"/{program.name}")]
    low = min(int(part[0].split("-")[0], 16) for part in parts)
    code = next(part for part in parts if "x" in part[1])
    start, limit = (int(text, 16) for text in code[0].split("-"))
    address = symbol_of(program, "burn_sixty") + 4 + (low if kind == "pie" else 0)
    perf_like(tmp_path / "p", program, address, start=start, limit=limit, offset=int(code[2], 16))
    assert "burn_sixty" in profctl("top", tmp_path / "p").stdout


def test_what_is_no_file_is_not_missed(tmp_path):
    perf_like(tmp_path / "p", "[kernel.kallsyms]", 1 << 63, start=1 << 63, limit=(1 << 64) - 1)
    assert profctl("top", tmp_path / "p").stderr == ""
    output = profctl("symbolize", tmp_path / "p", "-o", tmp_path / "out", code=1).stderr
    assert "it is memory of the process or the kernel" in output


def test_binaries_of_another_host(tmp_path):
    burn = PROGRAMS / "burn3-o1"
    perf_like(tmp_path / "p", "/opt/service", symbol_of(burn, "burn_sixty"), limit=0x500000)
    (tmp_path / "service").symlink_to(burn)
    named = profctl("top", tmp_path / "p", environment={"PPROF_BINARY_PATH": str(tmp_path)})
    assert "burn_sixty" in named.stdout
    missing = profctl("top", tmp_path / "p")
    assert "/opt/service: No such file" in missing.stderr


def test_symbolize_says_what_it_could_not_use(tmp_path):
    burn = PROGRAMS / "burn3-o1"
    address = symbol_of(burn, "burn_sixty")
    out = ["-o", tmp_path / "out"]
    perf_like(tmp_path / "p", burn, address, build_id="00112233", limit=0x500000)
    assert "it is another one now" in profctl("symbolize", tmp_path / "p", *out, code=1).stderr
    perf_like(tmp_path / "p", "/etc/passwd", address, limit=0x500000)
    assert "it is no ELF file" in profctl("symbolize", tmp_path / "p", *out, code=1).stderr
    perf_like(tmp_path / "p", burn, address, limit=0x500000)
    assert "no build-id says" in profctl("symbolize", tmp_path / "p", *out).stderr
    perf_like(tmp_path / "p", burn, 0x10, limit=0x500000)
    assert "it has no code at" in profctl("symbolize", tmp_path / "p", *out, code=1).stderr
    assert "which file" in profctl("symbolize", code=2).stderr
    assert "a: No such file" in profctl("symbolize", "a", tmp_path / "p", code=2).stderr
    both = profctl("symbolize", tmp_path / "p", tmp_path / "p", code=2).stderr
    assert "no program, and profiles go one at a time" in both


def test_symbolize_knows_before_what_it_cannot_write(recorded, tmp_path):
    """One line, and none of work that is for nothing; nor is anything left."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for path, says in ((folder, "Is a directory"), (folder / "none/x", "No such file or directory")):
        told = profctl("symbolize", recorded[1], "-o", path, code=1).stderr
        assert told == f"profctl: cannot write {path}: {says}\n"
    assert "without a name" in profctl("symbolize", recorded[1], "-o", "", code=2).stderr
    told = profctl("symbolize", recorded[1], "-o", "/dev/full", code=1).stderr
    assert told.endswith("profctl: cannot write /dev/full: No space left on device\n")
    assert [*folder.iterdir()] == []


MORE = """
static inline int twice(int x) { return 2 * x * x; }
__attribute__((noinline)) int more(int x) { return twice(x) + 3; }
"""


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """A program of two units and their .dwo files, a profile of all its code, and what names that
    gets of them."""
    folder = tmp_path_factory.mktemp("split")
    (folder / "more.c").write_text(MORE)
    sources = [ROOT / "tests/programs/burn3.c", "more.c"]
    flags = ["-O2", "-gdwarf-4", "-gsplit-dwarf", "-D_GNU_SOURCE", "-fno-pie"]
    subprocess.run(["gcc", *flags, "-c", *sources], cwd=folder, check=True)
    link = ["gcc", "-no-pie", "-o", "program", "burn3.o", "more.o", "-lm", "-lpthread"]
    subprocess.run(link, cwd=folder, check=True)
    p = Profile()
    mapping = p.mapping(str(folder / "program"), flags=0)
    for name in ("more", "burn_sixty"):
        start = symbol_of(folder / "program", name)
        for at in range(start, start + 64):
            p.sample([p.location(at, mapping=mapping)], [1, 1])
    (folder / "bare").write_bytes(gzip.compress(p.encode()))
    names = names_of(folder, folder / "cache")
    for unit in ("more", "burn3"):
        assert any(f.inlined and f.file.endswith(f"{unit}.c") for s in names.samples for f in s.frames)
    return folder, in_files(names)


def names_of(folder, cache):
    out = cache.with_suffix(".out")
    profctl("symbolize", folder / "bare", "-o", out, environment={"PROFD_CACHE": str(cache)})
    return pprof.read(out)


def compressed(file, how):
    subprocess.run(["objcopy", f"--compress-debug-sections={how}", file], check=True)
    said = subprocess.run(["readelf", "-t", file], capture_output=True, text=True).stdout
    assert (".zdebug_info" if how == "zlib-gnu" else "COMPRESSED") in said


@pytest.mark.parametrize("how", ["zlib", "zlib-gnu", "zstd"])
def test_split_debug_information_may_be_compressed(split, tmp_path, how):
    folder, names = split
    parts = [folder / "burn3.dwo", folder / "more.dwo"]
    package, away = folder / "program.dwp", tmp_path / "away"
    away.mkdir()
    subprocess.run(["dwp", *parts, "-o", tmp_path / "packed"], check=True)
    try:
        for part in parts:
            shutil.copy(part, away)
            compressed(part, how)
        assert in_files(names_of(folder, tmp_path / "parts")) == names
        for part in parts:
            part.unlink()
        assert in_files(names_of(folder, tmp_path / "nothing")) != names
        shutil.copy(tmp_path / "packed", package)
        compressed(package, how)
        assert in_files(names_of(folder, tmp_path / "package")) == names
    finally:
        package.unlink(missing_ok=True)
        for part in parts:
            shutil.copy(away / part.name, part)


def test_what_finds_no_room_to_be_unpacked_is_told(split, tmp_path):
    folder, _ = split
    package, small, zeros = tmp_path / "program.dwp", tmp_path / "small", tmp_path / "zeros"
    shutil.copy(folder / "program", tmp_path)
    subprocess.run(["dwp", folder / "burn3.dwo", folder / "more.dwo", "-o", package], check=True)
    zeros.write_bytes(bytes(24 << 20))
    subprocess.run(["objcopy", "--update-section", f".debug_str.dwo={zeros}", package], check=True)
    compressed(package, "zlib")
    small.mkdir()
    script = f'mount -t tmpfs -o size=40m none {small} && TMPDIR={small} exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", PROFCTL, "symbols", tmp_path / "program"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"passed over: {package}: it is compressed, and needs more room than half of" in said
    assert str(small) in said


def test_split_debug_information_that_is_missing_is_told(split, tmp_path):
    """Lines are there without it, but no inlined calls."""
    folder, _ = split
    program, package = tmp_path / "program", tmp_path / "program.dwp"
    parts = [folder / "burn3.dwo", folder / "more.dwo"]
    environment = {"PROFD_CACHE": str(tmp_path / "cache")}

    def told():
        symbols = profctl("symbols", program, environment=environment).stdout
        assert symbols.startswith(f"{program}\n    names: its DWARF\n")
        out = ["-o", tmp_path / "out", program, folder / "bare"]
        return symbols.partition("its DWARF\n")[2], profctl("symbolize", *out).stderr

    # Without the folder that the compiler has written them to.
    shutil.copy(folder / "program", program)
    away = [part.rename(tmp_path / f"{part.name}.away") for part in parts]
    try:
        symbols, symbolize = told()
        assert symbols.startswith("    better: its .dwo files") and symbols.count("\n") == 1
        assert f"{program}: there are no inlined calls: its .dwo or .dwp files are not" in symbolize
        subprocess.run(["dwp", *away, "-o", package], check=True)
        assert "inlined calls" not in "".join(told())
        package.write_bytes(package.read_bytes()[:2000])
        symbols, symbolize = told()
        assert f"    passed over: {package}: broken, cut off or of another build" in symbols
        assert "better" not in symbols
        assert "its .dwo or .dwp files are broken, cut off or of another build" in symbolize
    finally:
        for file, part in zip(away, parts):
            file.rename(part)


# ---- old debug information ------------------------------------------------------------------------

SECTIONS = """
[[gnu::cold, gnu::noinline, gnu::used]] static int seldom(int n) { return n * n; }
int main(int argc, char **) { return argc < 0 ? seldom(argc) : 0; }
"""


def test_dwarf_2_tells_of_other_sections_elsewhere(tmp_path):
    """In .debug_aranges; newer ones have lists of ranges."""
    source, program = tmp_path / "a.cc", tmp_path / "a"
    source.write_text(SECTIONS)
    subprocess.run(
        ["g++", "-O2", "-gdwarf-2", "-gstrict-dwarf", "-o", program, source], check=True
    )
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    profile = Profile()
    mapping = profile.mapping(str(program), 0, 1 << 20, 0, build_id(program), flags=0)
    for name in ("_ZL6seldomi", "main"):
        at = next(int(s.split()[0], 16) for s in symbols.splitlines() if s.endswith(f" {name}"))
        profile.sample([profile.location(at + 1, mapping=mapping)], [1, 1])
    (tmp_path / "in").write_bytes(gzip.compress(profile.encode()))
    profctl("symbolize", "-o", tmp_path / "out", tmp_path / "in")
    frames = [f for s in pprof.read(tmp_path / "out").samples for f in s.frames]
    assert [(f.name, f.file, f.line) for f in frames] == [
        ("seldom", str(source), 2),
        ("main", str(source), 3),
    ]


# ---- where names come from ------------------------------------------------------------------------

SOURCES = {
    "burn3": ["names: its DWARF"],
    "burn3-symtab": ["names: its .symtab", "better: "],
    "burn3-minidebug": ["names: its .gnu_debugdata", "better: "],
    "burn3-stripped": ["names: its .dynsym", "/usr/lib/debug"],
    "burn3-debuglink": ["burn3-debuglink.debug, found by .gnu_debuglink"],
    "burn3-buildid": [".debug, found by build-id"],
}


def test_symbols_of_modules():
    paths = [PROGRAMS / name for name in SOURCES]
    output = profctl("symbols", "--debug_dirs", PROGRAMS / "debug", *paths).stdout
    for name, wanted in SOURCES.items():
        part = output.split(f"{PROGRAMS}/{name}\n")[1].split("\n/")[0]
        assert all(text in part for text in wanted), part


def test_symbols_misses_what_is_shared(tmp_path):
    """Also where names are cached."""
    lonely = tmp_path / "lonely"
    shutil.copy(PROGRAMS / "burn3-dwz", lonely)
    environment = {"PROFD_CACHE": str(tmp_path / "cache"), "DEBUGINFOD_URLS": ""}
    for _ in range(2):
        whole = profctl("symbols", PROGRAMS / "burn3-dwz", environment=environment).stdout
        assert whole == f"{PROGRAMS}/burn3-dwz\n    names: its DWARF\n"
        said = profctl("symbols", lonely, environment=environment).stdout
        assert "names: its DWARF\n    better: the file that it shares with others" in said
        assert f".build-id/{build_id(PROGRAMS / 'burn3-dwz.common')[:2]}/" in said


def test_symbols_of_a_stripped_go_program(tmp_path):
    program = tmp_path / "gostack"
    subprocess.run(["strip", "-o", program, PROGRAMS / "unwind/gostack"], check=True)
    output = profctl("symbols", program, PROGRAMS / "unwind/gostack").stdout
    assert f"{program}\n    names: its Go table (pclntab)\n" in output
    assert f"{PROGRAMS}/unwind/gostack\n    names: its DWARF\n" in output
    assert "better" not in output


def test_symbols_name_the_package():
    output = profctl("symbols", "/usr/bin/env").stdout
    assert "names: its .dynsym" in output and "apt-get install coreutils-dbgsym" in output
    assert "debian-debug" in output


def test_symbols_of_a_process():
    with Program("burn3", 60) as burn:
        output = profctl("symbols", "--pid", burn.pid).stdout
    assert f"{PROGRAMS}/burn3\n    names: its DWARF" in output
    assert "/libc.so.6\n    names: " in output
    assert "[kernel.kallsyms]\n    names: /proc/kallsyms" in output
    assert "kallsyms" not in profctl("symbols", PROGRAMS / "burn3").stdout


def test_symbols_of_a_process_that_has_ended():
    """It maps nothing, as the kernel's own threads do."""
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert "maps nothing" in profctl("symbols", "--pid", ended.pid, code=1).stderr


def test_symbols_says_what_it_cannot_read(tmp_path):
    assert "it is no ELF file" in profctl("symbols", "/etc/passwd", code=1).stdout
    assert "No such file" in profctl("symbols", tmp_path / "gone", code=1).stdout
    assert "there is none" in profctl("symbols", "--pid", "4194303", code=1).stderr
    assert "of which file" in profctl("symbols", code=2).stderr
    told = profctl("symbols", "--debug_dirs", tmp_path / "gone", PROGRAMS / "burn3").stderr
    assert f"{tmp_path}/gone: No such file or directory: no debug files come from there" in told
    whole = (PROGRAMS / "burn3").read_bytes()
    for size in 3000, len(whole) - 1:
        (tmp_path / "part").write_bytes(whole[:size])
        said = profctl("symbols", tmp_path / "part", code=1).stdout
        assert f"cut off: by its headers it has at least {len(whole)} bytes, and {size} " in said


def test_debug_information_that_is_broken_is_told(tmp_path):
    """Names come from what is left, and that is what is said."""
    burn, garbage, out = tmp_path / "burn3", tmp_path / "garbage", tmp_path / "out"
    garbage.write_bytes(b"\xff" * 4096)
    sections = ["--update-section", f".debug_info={garbage}"]
    subprocess.run(["objcopy", *sections, PROGRAMS / "burn3-o1", burn], check=True)
    said = profctl("symbols", burn).stdout
    assert "names: its .symtab\n    passed over: its debug information: it is broken" in said
    perf_like(tmp_path / "p", burn, symbol_of(burn, "burn_sixty"), limit=0x500000)
    said = profctl("symbolize", tmp_path / "p", "-o", out).stderr
    assert "no lines and inlined calls: its debug information is broken, cut off or" in said
    assert "1 of 1 addresses named, by its .symtab" in said


def test_a_debug_file_that_is_cut_off_is_told(tmp_path):
    identity = build_id(PROGRAMS / "burn3-buildid")
    name = f".build-id/{identity[:2]}/{identity[2:]}.debug"
    short = tmp_path / name
    short.parent.mkdir(parents=True)
    short.write_bytes((PROGRAMS / "debug" / name).read_bytes()[:3000])
    said = profctl("symbols", "--debug_dirs", tmp_path, PROGRAMS / "burn3-buildid").stdout
    assert f"passed over: {short}: it has nothing to name with, and may be cut off" in said
    assert "names: its .dynsym, which has exported functions only\n" in said
    assert "better" not in said


def test_symbolize_fails_where_it_can_name_nothing(tmp_path):
    """Its symbols are those that it exports."""
    burn, stripped, out = PROGRAMS / "burn3-o1", tmp_path / "stripped", tmp_path / "out"
    subprocess.run(["strip", "-o", stripped, burn], check=True)
    perf_like(tmp_path / "p", stripped, symbol_of(burn, "burn_sixty"), limit=0x500000)
    said = profctl("symbolize", tmp_path / "p", "-o", out, code=1).stderr
    assert "0 of 1 addresses named (names come from its .dynsym" in said
    assert pprof.read(out).total()


INLINED = """
static inline __attribute__((always_inline)) int twice(int x) { return 2 * x * x; }
__attribute__((noinline)) int more(int x) { return twice(x) + 3; }
int main(int argc, char **argv) { return more(argc); }
"""


def first_frames(program, symbol, tmp_path, start=0x400000):
    """(name, file) of each frame at a function's first instruction."""
    at = symbol_of(program, symbol)
    perf_like(tmp_path / "p", program, at, start=start, limit=0x500000)
    profctl("symbolize", tmp_path / "p", "-o", tmp_path / "out")
    (sample,) = pprof.read(tmp_path / "out").samples
    return [(frame.name, Path(frame.file).name) for frame in sample.frames]


def run(*command, cwd):
    subprocess.run([*map(str, command)], cwd=cwd, check=True)


def test_a_program_is_not_its_own_debug_file(tmp_path):
    """dh_strip calls them by one name, and the program lies first where that is looked for."""
    (tmp_path / "a.c").write_text(INLINED)
    (tmp_path / ".debug").mkdir()
    run("gcc", "-g", "-O1", "-no-pie", "-o", "a", "a.c", cwd=tmp_path)
    run("objcopy", "--only-keep-debug", "a", ".debug/a", cwd=tmp_path)
    run("strip", "-g", "a", cwd=tmp_path)
    run("objcopy", "--add-gnu-debuglink=a", "../a", cwd=tmp_path / ".debug")
    said = profctl("symbols", tmp_path / "a").stdout
    assert f"names: DWARF in {tmp_path}/.debug/a, found by .gnu_debuglink\n" in said


def test_split_debug_information_in_another_folder(tmp_path):
    """gcc is told to write beside the folder that it runs in."""
    (tmp_path / "src").mkdir()
    (tmp_path / "obj").mkdir()
    (tmp_path / "src/a.c").write_text(INLINED)
    run("gcc", "-g", "-O1", "-gsplit-dwarf", "-c", "a.c", "-o", "../obj/a.o", cwd=tmp_path / "src")
    run("gcc", "-no-pie", "-o", "a", "obj/a.o", cwd=tmp_path)
    assert "better" not in profctl("symbols", tmp_path / "a").stdout
    assert first_frames(tmp_path / "a", "more", tmp_path)[-1] == ("more", "a.c")
    assert ("twice", "a.c") in first_frames(tmp_path / "a", "more", tmp_path)


def test_code_that_the_linker_dropped_names_no_other(tmp_path):
    """Its ranges count from 0 in DWARF 5, and would reach over all that is linked low."""
    functions = "\n".join(
        f"__attribute__((noinline)) int dead{i}(int x) {{ return t<{i}>(x) + {i}; }}"
        for i in range(400)
    )
    template = "template <int N> __attribute__((noinline)) int t(int x) { return x * N + N; }"
    (tmp_path / "dead.cc").write_text(f"{template}\n{functions}\n")
    (tmp_path / "live.cc").write_text(INLINED)
    flags = ["-O1", "-gdwarf-5", "-fpie"]
    run("clang++", *flags, "-c", "dead.cc", "live.cc", cwd=tmp_path)
    link = ["-pie", "-Wl,--gc-sections", "-o", "a", "dead.o", "live.o"]
    run("clang++", *link, cwd=tmp_path)
    assert symbol_of(tmp_path / "a", "main") < 0x2800, "it lies where none of the dead would reach"
    assert first_frames(tmp_path / "a", "main", tmp_path, start=0)[-1] == ("main", "live.cc")


def test_a_debugdata_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "junk").write_bytes(b"junk" * 100)
    section = f"--update-section=.gnu_debugdata={tmp_path}/junk"
    run("objcopy", section, PROGRAMS / "burn3-minidebug", "a", cwd=tmp_path)
    said = profctl("symbols", tmp_path / "a").stdout
    assert "names: its .dynsym" in said and "passed over: its .gnu_debugdata: it is broken" in said
    assert "passed over" not in profctl("symbols", PROGRAMS / "burn3-minidebug").stdout
