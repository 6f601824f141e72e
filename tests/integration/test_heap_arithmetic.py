# SPDX-License-Identifier: MIT
"""The arithmetic of heap samples is the same in the kernel."""

import subprocess

from profd import PROGRAMS


def test_arithmetic_in_the_kernel():
    done = subprocess.run([PROGRAMS / "heap_arithmetic"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "20000\n"), done.stdout + done.stderr
