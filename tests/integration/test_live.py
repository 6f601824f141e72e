# SPDX-License-Identifier: MIT
"""profctl top --live on a terminal, and without one."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from profd import PROFCTL, Program, wait_for

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """A program on a terminal of its own, of 80 columns and 24 lines."""

    def __init__(self, daemon, *arguments):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.process = subprocess.Popen(
            [PROFCTL, "top", "--live", *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=daemon.environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536).decode(errors="replace")
        return self.text

    def wait_for(self, pattern, since=0):
        """Where the pattern ends in what was printed."""

        def found():
            return re.compile(pattern).search(self.read(), since)

        return wait_for(found, 30, f"{pattern} on the terminal").end()

    def press(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        """The exit code; the terminal must be what it was."""
        wait_for(lambda: self.read() is not None and self.process.poll() is not None, 30, "its end")
        self.read()
        assert termios.tcgetattr(self.slave) == self.before
        assert self.text.rindex(LEAVE) > self.text.rindex(ENTER)
        assert self.text.rindex("\x1b[?25h") > self.text.rindex("\x1b[?25l")
        return self.process.returncode

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(shared_daemon):
    made = []

    def make(*arguments, daemon=shared_daemon):
        made.append(Terminal(daemon, *arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


def plain(frame):
    """The lines of a frame, without what moves the cursor."""
    lines = re.sub(r"\x1b\[[0-9?]*[a-zA-Z]|\r", "", frame).split("\n")
    return lines if lines[-1] else lines[:-1]


def test_keys_and_size(terminal):
    with Program("burn3", 120) as burn:
        t = terminal("--interval", "1s", "--pid", str(burn.pid))
        at = t.wait_for("burn_sixty")
        assert "flat*" in t.text and "CPUs" in t.text
        t.press("c")
        at = t.wait_for(r"cum\*", at)
        t.press("xf")
        at = t.wait_for(r"flat\*", at)
        # A new frame comes by itself, with what was counted since.
        t.wait_for(r"burn_sixty(.|\n)*burn_sixty", at)
        frames = t.read().split("\x1b[H")[1:-1]
        for lines in map(plain, frames):
            assert len(lines) <= 24 and max(map(len, lines)) <= 80, lines
        t.press("q")
        assert t.end() == 0


def test_a_smaller_terminal(terminal):
    with Program("burn3", 120):
        t = terminal("--interval", "1s")
        # By flat: what calls it is below whatever else the host does.
        t.wait_for("churn")
        fcntl.ioctl(t.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 40, 0, 0))
        at = len(t.read())
        os.kill(t.process.pid, signal.SIGWINCH)
        t.wait_for(r"\x1b\[H(.|\n)*\x1b\[H", at)
        lines = plain(t.text[at:].split("\x1b[H")[1])
        assert len(lines) <= 5 and max(map(len, lines)) <= 40, lines
        t.press("q")
        assert t.end() == 0


@pytest.mark.parametrize("how", ["ctrl-c", "term", "hup", "stop"])
def test_signals_give_the_terminal_back(terminal, how):
    t = terminal("--interval", "1s")
    at = t.wait_for("CPUs")
    if how == "ctrl-c":
        t.press("\x03")
    elif how == "stop":
        t.press("\x1a")
        wait_for(lambda: state(t.process.pid) == "T", what="it to stop")
        at = t.wait_for(re.escape(LEAVE), at)
        assert termios.tcgetattr(t.slave) == t.before
        os.kill(t.process.pid, signal.SIGCONT)
        at = t.wait_for(re.escape(ENTER), at)
        t.wait_for("CPUs", at)
        t.press("q")
    else:
        t.process.send_signal(signal.SIGTERM if how == "term" else signal.SIGHUP)
    assert t.end() == 0


def state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def test_a_daemon_that_goes(daemon, terminal):
    t = terminal("--interval", "1s", daemon=daemon)
    t.wait_for("CPUs")
    daemon.stop()
    assert t.end() == 1
    # What went wrong is said where it can be read: on the screen that was there before.
    assert "profd" in t.text[t.text.rindex(LEAVE) :]


def test_in_a_pipe(daemon):
    with Program("burn3", 60) as burn:
        time.sleep(2)
        since = time.monotonic()
        daemon.close_window()
        time.sleep(3)
        result = daemon.ctl(
            "top", "--live", "--frames", 3, "--interval", "1s", "--over", "1h", "--pid", burn.pid
        )
    # The same seconds are not counted twice.
    shown = [int(s) for s in re.findall(r"the last (\d+) s", result.stdout)]
    assert 2 <= shown[0] <= shown[1] <= shown[2] <= time.monotonic() - since + 1
    assert "\x1b" not in result.stdout
    tables = result.stdout.strip().split("\n\n")
    assert len(tables) == 3
    for table in tables:
        head, columns, *rows = table.splitlines()
        assert "CPUs" in head and "q: quit" not in head and columns.split()[0] == "flat*"
        assert "burn_sixty" in table
        flat = [float(row.split()[0]) for row in rows]
        assert flat == sorted(flat, reverse=True) and sum(flat) < 1.5
    assert daemon.ctl("top", "--live", "file", check=False).returncode == 2
    assert daemon.ctl("top", "--live", "--label", "x", check=False).returncode == 2
    nobody = daemon.ctl("top", "--live", "--socket", "/nonexistent", check=False)
    assert nobody.returncode == 1 and "no profd is listening" in nobody.stderr
