# SPDX-License-Identifier: MIT
"""Bad input and trouble: one clear line that says what to do, exit 1 or 2, nothing lost."""

import gzip
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import pprof
from profd import PROFCTL, PROFD, PROGRAMS, ROOT, Program, unprivileged, wait_for


def run(*command, **options):
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=60, **options
    )


def check_refusal(result, codes, *words):
    """Fails with one of the codes, one message (and perhaps a hint), and these words in it."""
    assert result.returncode in codes, (result.returncode, result.stdout, result.stderr)
    lines = result.stderr.strip().splitlines()
    assert 1 <= len(lines) <= 2, result.stderr
    assert lines[0].startswith(("profd: ", "profctl: ", "profctl ", "/")), result.stderr
    for word in words:
        assert word.lower() in result.stderr.lower(), (word, result.stderr)


# ---- profd -------------------------------------------------------------------------------------


def profd_in(folder, *arguments, prefix=(), **options):
    where = ["--store", folder / "store", "--socket", folder / "s"]
    return run(*prefix, PROFD, "--foreground", *where, *arguments, **options)


@pytest.fixture
def open_folder():
    """A folder that every user can reach, with copies of the programs."""
    folder = Path(tempfile.mkdtemp(prefix="profd-test-"))
    folder.chmod(0o777)
    for program in (PROFD, PROFCTL):
        shutil.copy(program, folder)
    yield folder
    shutil.rmtree(folder)


def test_no_privilege(open_folder):
    where = ["--store", open_folder / "store", "--socket", open_folder / "s"]
    result = run(*unprivileged([open_folder / "profd", "--foreground", *where]))
    check_refusal(result, [1], "cap_")


def test_no_btf(tmp_path):
    hide = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"]
    check_refusal(profd_in(tmp_path, prefix=hide), [1], "btf")


def test_second_daemon(shared_daemon):
    check_refusal(run(*shared_daemon.command()), [1], str(shared_daemon.pid))
    assert shared_daemon.status()["pid"] == shared_daemon.pid


def test_second_daemon_on_the_same_socket(shared_daemon, tmp_path):
    where = ["--store", tmp_path / "other", "--socket", shared_daemon.socket]
    command = [PROFD, "--foreground", *where]
    check_refusal(run(*command), [1], str(shared_daemon.socket))
    assert shared_daemon.status()["pid"] == shared_daemon.pid


def test_socket_of_a_dead_daemon_is_replaced(new_daemon):
    daemon = new_daemon().start()
    daemon.kill()
    assert daemon.socket.exists()
    daemon.start()


def test_store_folder_missing(tmp_path):
    missing = tmp_path / "no/such/folder"
    result = run(PROFD, "--foreground", "--store", missing, "--socket", tmp_path / "s")
    check_refusal(result, [1], str(missing))


def test_store_is_a_file(tmp_path):
    file = tmp_path / "store"
    file.write_text("")
    check_refusal(profd_in(tmp_path), [1], str(file))


def test_store_read_only(tmp_path):
    ro = ["unshare", "-m", "sh", "-c"]
    script = f'mount -t tmpfs -o ro none {tmp_path} && exec "$@"'
    socket_path = Path(tempfile.mkdtemp()) / "s"
    command = [PROFD, "--foreground", "--store", tmp_path / "store", "--socket", socket_path]
    check_refusal(run(*ro, script, "sh", *command), [1], str(tmp_path), "read-only")


BAD_FLAGS = [
    (["--frequency", "0"], "frequency"),
    (["--frequency", "1001"], "1000"),
    (["--frequency", "often"], "often"),
    (["--window", "5"], "window"),
    (["--window", "2h"], "window"),
    (["--max-age", "soon"], "max"),
    (["--max-size", "-1"], "max"),
    (["--types", "gpu"], "gpu"),
    (["--clock", "sundial"], "sundial"),
    (["--frequenzy", "19"], "frequenzy"),
    (["--config", "/nonexistent"], "/nonexistent"),
    (["stray"], "stray"),
]


@pytest.mark.parametrize("flags, word", BAD_FLAGS, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_bad_flags(tmp_path, flags, word):
    check_refusal(profd_in(tmp_path, *flags), [1, 2], word)


BAD_CONFIG = """[profile]
frequency = 19
window = sixty
colour = red
[nonsense]
key = value
no equals sign
[retention]
max_age = -1
"""


def test_check_config_reports_every_mistake(tmp_path):
    config = tmp_path / "profd.conf"
    config.write_text(BAD_CONFIG)
    result = run(PROFD, "--check-config", "--config", config)
    assert result.returncode == 1
    text = result.stdout + result.stderr
    for line in (3, 4, 9):
        assert f"{config}:{line}:" in text, text
    assert f"{config}:2:" not in text
    config.write_text("[profile]\nfrequency = 49\n")
    result = run(PROFD, "--check-config", "--config", config)
    assert result.returncode == 0 and "ok" in result.stdout + result.stderr


def test_bad_config_does_not_start(tmp_path):
    config = tmp_path / "profd.conf"
    config.write_text("[profile]\nfrequency = fast\n")
    result = profd_in(tmp_path, "--config", config)
    check_refusal(result, [1, 2], f"{config}:2:")


def test_reload(new_daemon, tmp_path):
    """SIGHUP takes good settings, and keeps the old ones when the file is bad."""
    config = tmp_path / "profd.conf"
    config.write_text("[profile]\nfrequency = 19\n")
    daemon = new_daemon(config=config).start()

    def frequency():
        return daemon.status()["sessions"][0]["frequency"]

    assert frequency() == 19
    config.write_text("[profile]\nfrequency = 49\n")
    time.sleep(1)
    os.kill(daemon.pid, signal.SIGHUP)
    wait_for(lambda: frequency() == 49, what="the new rate")
    # A change of rate closes the window: each file has the rate that was in force.
    (first,) = wait_for(daemon.windows, what="the window of the old rate")
    assert abs(pprof.read(first).period - 1e9 / 19) < 100
    config.write_text("[profile]\nfrequency = fast\n")
    os.kill(daemon.pid, signal.SIGHUP)
    wait_for(lambda: "fast" in daemon.log.read_text(), what="the message")
    assert frequency() == 49


def test_second_sigterm_quits(daemon):
    os.kill(daemon.pid, signal.SIGSTOP)
    for _ in range(2):
        os.kill(daemon.pid, signal.SIGTERM)
        os.kill(daemon.pid, signal.SIGCONT)
        time.sleep(0.05)
    daemon.process.wait(20)
    assert daemon.process.returncode in (0, 1)


def test_helpers_that_die_are_replaced(daemon):
    """A symbolizer that is killed costs names at most, never the daemon."""
    with Program("burn3", 60) as burn:
        first = daemon.record_run(burn, 0.3)
        children = run("pgrep", "-P", daemon.pid).stdout.split()
        assert children
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        second = daemon.record_run(burn, 0.5)
    assert first.cumulative()["burn_sixty"] > 0
    assert second.total() > 20 and second.cumulative()["burn_sixty"] > 0


def test_status_names_modules_that_lack_names(daemon, tmp_path):
    """Debug information that cannot be read: the symbol table's names, and a line in the status."""
    program, garbage = tmp_path / "burn3", tmp_path / "garbage"
    garbage.write_bytes(b"\xff" * 4096)
    sections = ["--update-section", f".debug_info={garbage}"]
    run("objcopy", *sections, PROGRAMS / "burn3", program)
    with Program(program, 60) as burn:
        profile = daemon.record_run(burn, 0.3)
    assert profile.cumulative()["burn_sixty"] > 0
    limited = daemon.status()["symbolizer"]["limited"]
    assert [(one["module"], one["why"]) for one in limited] == [(str(program), "debug_info")]
    assert f"{program}: its debug information is broken" in daemon.ctl("status").stdout


def test_status_tells_of_split_debug_information_that_is_broken(daemon, tmp_path):
    """Of a package that is cut off; the program's own part has lines."""
    program, package = tmp_path / "program", tmp_path / "program.dwp"
    flags = ["-O2", "-g", "-gsplit-dwarf", "-D_GNU_SOURCE"]
    run("gcc", *flags, "-c", ROOT / "tests/programs/burn3.c", "-o", tmp_path / "burn3.o")
    run("gcc", "-o", program, tmp_path / "burn3.o", "-lm", "-lpthread")
    package.write_bytes((tmp_path / "burn3.dwo").read_bytes()[:1000])
    (tmp_path / "burn3.dwo").unlink()
    with Program(program, 60) as burn:
        profile = daemon.record_run(burn, 0.3)
    lines = [f.line for s in profile.samples for f in s.frames if f.name == "burn_sixty"]
    assert lines and all(lines)
    limited = daemon.status()["symbolizer"]["limited"]
    assert [(one["module"], one["why"]) for one in limited] == [(str(program), "split")]
    said = daemon.ctl("status").stdout
    assert "its .dwo or .dwp files are broken, cut off or of another build: lines, but no" in said


def test_more_inlined_calls_than_are_shown_are_told(daemon, tmp_path):
    source, program = tmp_path / "deep.c", tmp_path / "deep"
    depth = 300
    inline = "static inline __attribute__((always_inline)) void"
    lines = [f"{inline} level_0(void) {{ for (volatile int i = 0; i < 1000000; i++) ; }}"]
    lines += [f"{inline} level_{i}(void) {{ level_{i - 1}(); }}" for i in range(1, depth)]
    spin = f"__attribute__((noinline)) void spin(void) {{ for (;;) level_{depth - 1}(); }}"
    main = '#include <stdio.h>\nint main(void) { puts("ready"); fflush(stdout); spin(); }'
    source.write_text("\n".join([*lines, spin, main]))
    run("gcc", "-O2", "-g", "-o", program, source)
    with Program(program) as burn:
        profile = daemon.record_run(burn, 0.5)
    names = max(([frame.name for frame in sample.frames] for sample in profile.samples), key=len)
    shown = [name for name in names if name.startswith("level_")]
    assert shown == [f"level_{i}" for i in range(255)]
    assert profile.cumulative()["spin"] >= 0.9 * profile.total() > 0
    limited = daemon.status()["symbolizer"]["limited"]
    assert [(one["module"], one["why"]) for one in limited] == [(str(program), "inlines")]


HELPERS = {"opener", "symbolizer", "unwinder"}


def helper_ranks(daemon, ranks):
    """Nice values by name, of those that run now, into `ranks`."""
    for pid in run("pgrep", "-P", daemon.pid, check=False).stdout.split():
        try:
            name = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[2].decode()
            rank = os.getpriority(os.PRIO_PROCESS, int(pid))
            if rank >= 0 and name in HELPERS:  # else it has only begun
                ranks[name] = rank
        except (FileNotFoundError, ProcessLookupError, IndexError):
            pass
    return HELPERS == ranks.keys()


def test_who_can_wait(new_daemon):
    """What drains the kernel's buffers comes first, what parses does not."""
    daemon = new_daemon(prefix=("setsid",)).start()
    assert os.getpriority(os.PRIO_PROCESS, daemon.pid) == -10
    group = Path(f"/proc/{daemon.pid}/autogroup")  # of its session, which is its own
    assert not group.exists() or group.read_text().endswith("nice -10\n")
    with Program("burn3", 60) as burn:
        process, _ = daemon.start_record("--pid", burn.pid, "--seconds", 2)
        ranks = {}
        wait_for(lambda: helper_ranks(daemon, ranks), 20, "all helpers")
        process.communicate()
    assert ranks == {"opener": 0, "symbolizer": 5, "unwinder": 0}


def test_a_chosen_rank_is_kept(new_daemon):
    daemon = new_daemon(prefix=("nice", "-n", "7")).start()
    assert os.getpriority(os.PRIO_PROCESS, daemon.pid) == 7


def test_symbolizer_is_bare(daemon):
    """It parses what others wrote: without privileges, below a system call filter."""

    def status_of_symbolizer():
        for pid in run("pgrep", "-P", daemon.pid, "-f", "helper symbolizer").stdout.split():
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                found = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
                if found["Seccomp"] == "2":
                    return pid, found, os.listdir(f"/proc/{pid}/fd")
            except (FileNotFoundError, ProcessLookupError, KeyError):
                pass
        return None

    with Program("burn3", 60) as burn:
        process, _ = daemon.start_record("--pid", burn.pid, "--seconds", 1)
        _, status, descriptors = wait_for(status_of_symbolizer, 20, "the symbolizer")
        process.communicate()
    assert status["CapEff"] == status["CapPrm"] == "0000000000000000"
    assert status["NoNewPrivs"] == "1"
    assert "0" not in status["Uid"].split()
    # Standard ones, its socket, and the files that it was sent: none by its own doing.
    assert len(descriptors) < 40
    assert daemon.status()["symbolizer"]["seccomp"]


def test_end_of_daemon_leaves_nothing(new_daemon):
    daemon = new_daemon().start()
    children = run("pgrep", "-P", daemon.pid).stdout.split()
    daemon.stop()
    assert not daemon.socket.exists()
    wait_for(lambda: not any(os.path.exists(f"/proc/{c}") for c in children), 5, "its helpers")


def test_killed_daemon_leaves_no_helpers(new_daemon):
    daemon = new_daemon().start()
    with Program("burn3", 60) as burn:
        daemon.record("--pid", burn.pid, "--seconds", 1)
    children = run("pgrep", "-P", daemon.pid).stdout.split()
    daemon.kill()

    def gone(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    wait_for(lambda: all(map(gone, children)), 5, "its helpers to end")


# ---- profctl -----------------------------------------------------------------------------------


def test_no_daemon(tmp_path):
    for command in (["record", "--seconds", "1"], ["status"]):
        environment = {**os.environ, "PROFD_SOCKET": str(tmp_path / "none")}
        result = run(PROFCTL, *command, env=environment)
        check_refusal(result, [1], str(tmp_path / "none"), "systemctl start profd")


def test_socket_that_nobody_listens_on(tmp_path):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "s"))
    dead.close()
    result = run(PROFCTL, "status", env={**os.environ, "PROFD_SOCKET": str(tmp_path / "s")})
    check_refusal(result, [1], str(tmp_path / "s"))


def test_socket_gone(daemon):
    daemon.socket.unlink()
    check_refusal(daemon.ctl("record", "--seconds", 1, check=False), [1], str(daemon.socket))
    daemon.kill()


def test_unknown_pid(shared_daemon):
    result = shared_daemon.ctl("record", "--pid", 4194303, "--seconds", 1, check=False)
    check_refusal(result, [1], "4194303")


def test_pid_that_dies(shared_daemon):
    with Program("burn3", 60) as burn:
        process, out = shared_daemon.start_record("--pid", burn.pid, "--seconds", 30)
        wait_for(shared_daemon.recordings, what="the recording")
        time.sleep(1.5)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert pprof.read(out).total() > 20


def test_daemon_that_is_killed_while_recording(daemon):
    process, _ = daemon.start_record("--seconds", 30)
    wait_for(daemon.recordings, what="the recording")
    daemon.kill()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "connection to profd is lost" in errors
    assert "no copy goes to the store" in errors and "profctl ls" not in errors


def test_too_many_sessions(daemon):
    running = [daemon.start_record("--seconds", 60)[0] for _ in range(7)]
    wait_for(lambda: len(daemon.recordings()) == 7, what="seven recordings")
    check_refusal(daemon.ctl("record", "--seconds", 1, check=False), [1], "8")
    for process in running:
        process.send_signal(signal.SIGINT)
    for process in running:
        process.communicate(timeout=30)
        assert process.returncode == 0


@pytest.mark.parametrize("when", ["--since", "--around"])
def test_what_is_yet_to_come_is_not_in_the_open_window(shared_daemon, when):
    result = shared_daemon.ctl("top", when, "@4000000000", check=False)
    check_refusal(result, [1], "no cpu profiles of that time")
    assert not result.stdout


def test_the_daemon_of_the_environment_is_not_that_of_another_store(shared_daemon, tmp_path):
    """A mistyped --store is noticed; who names the daemon, too, gets its open window."""
    arguments = ["top", "--last", "1h", "--store", tmp_path / "none"]
    result = shared_daemon.ctl(*arguments, check=False)
    check_refusal(result, [1], str(tmp_path / "none"))
    assert not result.stdout
    result = shared_daemon.ctl(*arguments, "--socket", shared_daemon.socket)
    assert "Showing nodes" in result.stdout


BAD_USAGE = [
    (["record", "--frequency", "0"], "frequency"),
    (["record", "--frequency", "5000"], "1000"),
    (["record", "--pid", "me"], "me"),
    (["record", "--pid", "0"], "0"),
    (["record", "--seconds", "-5"], "-5"),
    (["record", "--type", "gpu"], "gpu"),
    (["record", "--secnods", "5"], "seconds"),
    (["record", "--comm", ""], "--comm"),
    (["record", "--cgroup", ""], "--cgroup"),
    (["record", "--sample-bytes", "100"], "--sample-bytes needs --type heap"),
    (["top", "--since", "the day before"], "the day before"),
    (["top", "--last", "ages"], "ages"),
    (["top", "--type", "nonsense"], "'nonsense' is no type of profile"),
    (["ls", "--type", "nonsense"], "'nonsense' is no type of profile"),
    (["export", "--format", "pdf"], "pdf"),
    (["export", "--label", "novalue"], "novalue"),
    (["tpo"], "top"),
    (["rec"], "record"),
    (["merge"], ""),
    ([], ""),
]


@pytest.mark.parametrize("arguments, word", BAD_USAGE, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_bad_usage(shared_daemon, arguments, word):
    result = shared_daemon.ctl(*arguments, check=False) if arguments else run(PROFCTL)
    assert result.returncode == 2, result.stderr
    assert word in result.stderr
    assert not result.stdout


def test_help_and_version():
    for command in ([], ["record"], ["export"], ["top"], ["ls"], ["status"], ["merge"]):
        result = run(PROFCTL, *command, "--help")
        assert result.returncode == 0 and "profctl" in result.stdout and not result.stderr
    assert run(PROFCTL, "--version").stdout.startswith("profctl ")
    assert run(PROFD, "--version").stdout.startswith("profd ")
    assert run(PROFD, "--help").returncode == 0


def bad_profiles(whole):
    """Files that are no profiles, each for a reason of its own."""
    raw = gzip.decompress(whole)
    return {
        "empty": b"",
        "text": b"this is no profile\n" * 100,
        "truncated gzip": whole[: len(whole) // 2],
        "truncated message": gzip.compress(raw[: len(raw) // 2]),
        "bad string index": gzip.compress(raw + b"\x0a\x04\x08\xff\xff\x03"),
        "bad length": gzip.compress(b"\x0a\xff\xff\xff\xff\x0f"),
        "endless varint": b"\x08" + b"\xff" * 40,
        "location that is not there": gzip.compress(raw + b"\x12\x06\x0a\x02\xff\x7f\x12\x00"),
        "bomb": gzip.compress(b"\x00" * (64 << 20)),
        "elf": Path(PROFCTL).read_bytes()[:4096],
    }


def test_unreadable_profiles(shared_daemon, tmp_path):
    shared_daemon.ctl("record", "--seconds", 1, "-o", tmp_path / "good")
    for why, data in bad_profiles((tmp_path / "good").read_bytes()).items():
        bad = tmp_path / "bad"
        bad.write_bytes(data)
        for command in (["top"], ["export", "--format", "folded"]):
            check_refusal(run(PROFCTL, *command, bad), [1], str(bad))
        # What can be read is not lost with it.
        both = run(PROFCTL, "merge", bad, tmp_path / "good", "-o", tmp_path / "out")
        check_refusal(both, [1], str(bad))
        assert pprof.read(tmp_path / "out").total() == pprof.read(tmp_path / "good").total(), why


def test_profiles_that_cannot_be_opened(tmp_path):
    check_refusal(run(PROFCTL, "top", tmp_path / "none"), [1], str(tmp_path / "none"))
    check_refusal(run(PROFCTL, "top", tmp_path), [1], str(tmp_path))


def test_output_that_cannot_be_written(shared_daemon, tmp_path):
    """It is found out before anything is recorded."""
    start = time.monotonic()
    out = tmp_path / "no/such/folder/p"
    result = shared_daemon.ctl("record", "--seconds", 5, "-o", out, check=False)
    check_refusal(result, [1], str(out))
    assert time.monotonic() - start < 4


def test_no_profiles_match(daemon):
    result = daemon.ctl("top", "--since", "2001-01-01 00:00", "--until", "2001-01-02 00:00", check=False)
    check_refusal(result, [1])


def test_protocol_abuse(shared_daemon):
    """Whatever is sent to the socket, the daemon lives and answers the next."""
    for data in (
        b"",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x02\x00\x00\x00[]",
        b"\x05\x00\x00\x00{\"op\"",
        b"\x0c\x00\x00\x00{\"op\":\"nope\"}"[:16],
        b"\x10\x00\x00\x00" + b"{" * 16,
        b"GET / HTTP/1.1\r\n\r\n",
    ):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(shared_daemon.socket))
            client.settimeout(0.3)
            client.sendall(data)
            try:
                client.recv(65536)
            except (TimeoutError, ConnectionResetError):
                pass
    crowd = []
    for _ in range(200):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(1)
        try:
            client.connect(str(shared_daemon.socket))
        except OSError:
            break
        crowd.append(client)
    for client in crowd:
        client.close()
    wait_for(lambda: shared_daemon.ctl("status", check=False).returncode == 0, what="an answer")


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["top", "--help"], ["symbols", PROFD]])
def test_output_that_cannot_be_written_is_no_success(command):
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [PROFCTL, *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    result.stdout = ""
    check_refusal(result, {1}, "cannot print", "No space left")


def test_help_has_no_blanks_at_ends():
    text = run(PROFCTL, "top", "--help").stdout
    assert "--relative_percentages\n" in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_flame_graphs_have_no_other_format(tmp_path):
    for end in ("png", "PDF"):
        out = tmp_path / f"flame.{end}"
        check_refusal(run(PROFCTL, "flame", "-o", out, "gone"), {2}, out.name, ".svg or .html")
