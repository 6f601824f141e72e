# SPDX-License-Identifier: MIT
"""Reports where it matters what is around them: other files, a terminal, sources, binaries."""

import subprocess

import pytest

from profd import PROFCTL
from made_up import STACKS, write_profile


@pytest.mark.parametrize("report", [["top"], ["tree"], ["peek", "main"], ["traces"], ["export"]])
def test_a_broken_file_among_others_is_named(tmp_path, report):
    good, broken = write_profile(tmp_path / "good", STACKS), tmp_path / "broken"
    broken.write_text("this is no profile")
    alone = subprocess.run([PROFCTL, *report, good], capture_output=True, timeout=60)
    result = subprocess.run([PROFCTL, *report, good, broken], capture_output=True, timeout=60)
    assert alone.returncode == 0 and not alone.stderr
    assert result.returncode == 1 and result.stdout and b"broken" in result.stderr
    prompt = subprocess.run([PROFCTL, good, broken], input=b"top1", capture_output=True, timeout=60)
    assert prompt.returncode == 1 and b"draw" in prompt.stdout
