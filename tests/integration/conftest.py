# SPDX-License-Identifier: MIT
"""Daemons for tests: private ones, and those that the tests of a file share. The ledger of each is
checked when a test that had it is over."""

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
def lone_daemon(new_daemon):
    """A daemon that takes recordings only: its ledger is that of the test's recording."""
    return new_daemon(types="").start()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Daemons that the tests of a file share, by their options: to start one takes its time."""
    daemons = {}
    yield daemons
    try:
        for daemon in daemons.values():
            daemon.stop()
    finally:
        for daemon in daemons.values():
            daemon.kill()


@pytest.fixture
def lend(request, tmp_path_factory, shared):
    """Lends shared daemons. The ledger of each is checked when the test is over, and who finds one
    that a failed test had, or one with recordings, gets a new one instead."""
    lent, failures = {}, request.session.testsfailed

    def lend_one(**options):
        key = str(options)
        if key not in shared:
            shared[key] = profd.Daemon(tmp_path_factory.mktemp("profd"), **options)
            lent[key] = shared[key], 0
            return shared[key].start()
        lent[key] = shared[key], shared[key].log.stat().st_size
        return shared[key]

    yield lend_one
    for key, (daemon, seen) in lent.items():
        good = False
        try:
            assert daemon.process.poll() is None, "profd ended"
            daemon.check_ledger()
            good = failures == request.session.testsfailed and not daemon.recordings()
            if not good:
                daemon.stop()
        finally:
            print(daemon.log.read_bytes()[seen:].decode(errors="replace"))
            if not good:
                daemon.kill()
                del shared[key]


@pytest.fixture
def shared_daemon(lend):
    """As daemon, but shared: what it has written, and its sums, are not this test's alone."""
    return lend(window=3600)


@pytest.fixture
def quiet_daemon(lend):
    """As lone_daemon, but shared."""
    return lend(types="")


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
