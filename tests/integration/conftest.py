# SPDX-License-Identifier: MIT
"""A private profd for each test, whose ledger is checked when the test is over."""

import os

import pytest

import profd


@pytest.fixture
def new_daemon(tmp_path):
    """Makes daemons; all of them are stopped, and those that live are audited, at the end."""
    made = []

    def make(**options):
        folder = tmp_path / f"profd-{len(made)}"
        folder.mkdir()
        daemon = profd.Daemon(folder, **options)
        made.append(daemon)
        return daemon

    yield make
    try:
        for daemon in made:
            if daemon.process and daemon.process.poll() is None:
                daemon.check_ledger()
                daemon.stop()
    finally:
        for daemon in made:
            daemon.kill()
            print(daemon.log.read_text() if daemon.log.exists() else "")


@pytest.fixture
def daemon(new_daemon):
    """A daemon that profiles continuously, with the longest window."""
    return new_daemon(window=3600).start()


@pytest.fixture
def quiet_daemon(new_daemon):
    """A daemon that takes recordings only: its ledger is that of the recording."""
    return new_daemon(types="").start()


@pytest.fixture
def cgroup():
    """A cgroup of this test's own, in whichever hierarchy can have one."""
    for root in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup"):
        path = f"{root}/profd-test-{os.getpid()}"
        if os.path.exists(f"{root}/cgroup.procs"):
            os.makedirs(f"{path}/inner")
            yield path
            profd.wait_for(lambda: not open(f"{path}/inner/cgroup.procs").read(), what="its end")
            os.rmdir(f"{path}/inner")
            os.rmdir(path)
            return
    pytest.fail("no cgroup hierarchy to test with")
