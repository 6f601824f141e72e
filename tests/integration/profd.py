# SPDX-License-Identifier: MIT
"""What the integration tests share: a private profd, programs of known truth, profctl, go."""

import atexit
import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pprof

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PROFD_BUILD", ROOT / "build")).resolve()
PROGRAMS = BUILD / "programs"
PROFD = str(BUILD / "profd")
PROFCTL = str(BUILD / "profctl")
GO = shutil.which("go") or "/usr/local/go/bin/go"

# Names that profctl found before stay for this run of the tests only.
os.environ["PROFD_CACHE"] = tempfile.mkdtemp(prefix="profd-test-cache-")
atexit.register(shutil.rmtree, os.environ["PROFD_CACHE"], ignore_errors=True)


def wait_for(condition, seconds=10.0, what="it"):
    """Polls until condition() is true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s for {what} in vain"
        time.sleep(0.02)


def unprivileged(command):
    """The command line that runs a command as nobody."""
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *map(str, command)]


@contextlib.contextmanager
def for_anyone(daemon, *files):
    """A folder that every user may write in, with the files and profctl copied into it, and the
    environment in which they reach the daemon. Folders of pytest are their owner's alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        for file in [PROFCTL, *files]:
            shutil.copy(file, folder)
        daemon.socket.parent.chmod(0o755)
        os.link(daemon.socket, folder / "s")
        yield folder, {**os.environ, "PROFD_SOCKET": str(folder / "s")}


def mark(program, name):
    """The line of tests/programs/PROGRAM that carries a mark."""
    text = (ROOT / "tests/programs" / program).read_text().splitlines()
    found = [i + 1 for i, line in enumerate(text) if re.search(rf"mark: {name}\b", line)]
    assert len(found) == 1, f"{program} has {len(found)} marks {name}"
    return found[0]


def z_score(hits, n, share):
    """How many standard deviations of the binomial distribution lie between hits and share."""
    return (hits - n * share) / math.sqrt(n * share * (1 - share))


class Program:
    """One of tests/programs, or any command, in the background until the block ends."""

    def __init__(self, *command, wait=True, **options):
        program = PROGRAMS / str(command[0])
        command = [str(program if program.exists() else command[0]), *map(str, command[1:])]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
        self.pid = self.process.pid
        if wait:
            assert self.process.stdout.readline() == "ready\n", f"{command} did not start"

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def truth(self):
        """Waits for its end; what it printed about itself."""
        output, _ = self.process.communicate()
        assert self.process.returncode == 0
        return truth(output)

    def cpu(self):
        """Seconds of CPU time so far."""
        fields = Path(f"/proc/{self.pid}/schedstat").read_text().split()
        return int(fields[0]) / 1e9

    def let_run(self, seconds):
        """Of CPU time, however much of that others want."""
        enough = self.cpu() + seconds
        wait_for(lambda: self.cpu() >= enough, 60, "the program to run")


def truth(output):
    """{"sixty": 1.2, …} of the lines that a program prints."""
    pairs = (line.split() for line in output.splitlines())
    return {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2}


class Daemon:
    """A private profd: own store, own socket. Options are flags of profd: window=10."""

    def __init__(self, folder, prefix=(), program=PROFD, **options):
        self.program = str(program)
        self.store = Path(options.pop("store", folder / "store"))
        self.socket = folder / "s"
        self.log = folder / "profd.log"
        self.prefix = list(prefix)
        self.options = options
        self.process = None

    def command(self):
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in self.options.items()]
        where = ["--store", str(self.store), "--socket", str(self.socket)]
        return [*self.prefix, self.program, "--foreground", *where, *flags]

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        wait_for(self.answers, 30, "profd to answer; its log:\n" + self.log.read_text())
        return self

    def answers(self):
        assert self.process.poll() is None, "profd ended:\n" + self.log.read_text()
        return self.ctl("status", "--json", check=False).returncode == 0

    @property
    def pid(self):
        return self.process.pid

    @property
    def environment(self):
        return {**os.environ, "PROFD_STORE": str(self.store), "PROFD_SOCKET": str(self.socket)}

    def ctl(self, *arguments, check=True, **options):
        options = {"timeout": 120, "env": self.environment, **options}
        command = [PROFCTL, *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, **options)
        if check:
            assert result.returncode == 0, f"profctl {arguments}: {result.stderr}"
        return result

    def record(self, *arguments, **options):
        """The profile of `profctl record ARGUMENTS`."""
        out = self.store.parent / f"record-{time.monotonic_ns()}.pb.gz"
        self.ctl("record", "-o", out, *arguments, **options)
        return pprof.read(out)

    def record_until(self, over, *arguments):
        """The file of a recording that is ended when over() returns."""
        process, out = self.start_record("--seconds", 0, *arguments)
        wait_for(lambda: self.recordings() or process.poll() is not None, 60, "the recording")
        over()
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return out

    def record_run(self, program, seconds):
        """The profile of a program's next seconds of CPU time."""
        options = ["--pid", program.pid, "--frequency", 997]
        return pprof.read(self.record_until(lambda: program.let_run(seconds), *options))

    def start_record(self, *arguments):
        """(process, file) of a recording in the background."""
        out = self.store.parent / f"record-{time.monotonic_ns()}.pb.gz"
        process = subprocess.Popen(
            [PROFCTL, "record", "-o", str(out), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        return process, out

    def recordings(self):
        return [s for s in self.status()["sessions"] if s["kind"] == "recording"]

    def status(self):
        return json.loads(self.ctl("status", "--json").stdout)

    def windows(self, kind="cpu"):
        """Files of continuous profiles, oldest first."""
        return sorted(self.store.glob(f"{kind}/*/*.pb.gz"))

    def written(self, kind="cpu"):
        """Its windows, each with when it was written: a name can come again once its file is deleted."""
        found = {}
        for path in self.windows(kind):
            with contextlib.suppress(FileNotFoundError):
                found[path] = path.stat().st_mtime_ns
        return found.items()

    def close_window(self, kind="cpu"):
        """SIGUSR1, and the file that it leads to."""
        before = self.written(kind)
        self.process.send_signal(signal.SIGUSR1)
        new = wait_for(lambda: self.written(kind) - before, 30, "the window's file")
        return new.pop()[0]

    def check_ledger(self):
        status = self.status()
        check_ledger(status["samples"])
        for session in status["sessions"]:
            check_ledger(session["samples"])
        return status

    def stop(self, wanted=signal.SIGTERM, code=0):
        if self.process and self.process.poll() is None:
            self.process.send_signal(wanted)
            self.process.wait(60)
            assert self.process.returncode == code, self.log.read_text()

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()


def check_ledger(samples):
    """The two equations that every snapshot has to satisfy exactly."""
    lost = sum(samples["lost"].values())
    assert samples["ticks"] == samples["idle"] + samples["filtered"] + samples["taken"], samples
    assert samples["taken"] == samples["written"] + samples["pending"] + lost, samples
    assert min(*samples["lost"].values(), samples["pending"], samples["idle"]) >= 0, samples


def pprof_tool(*arguments, env=None):
    """`go tool pprof ARGUMENTS`; it must succeed and be silent on standard error."""
    result = subprocess.run(
        [GO, "tool", "pprof", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PPROF_NO_BROWSER": "1", **(env or {})},
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == "", result.stderr
    return result.stdout
