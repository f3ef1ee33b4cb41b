"""Memory that a step has freed is there for the next one."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY
from vidgan_cpu.malloc import USERS_OWN

# One process trains, then takes and frees 64 MB a few times and counts the pages that had to be
# given anew. The fewest count: in some processes malloc takes turns between two places, each of
# which is new once.
CHILD = """
import resource, sys, torch
from vidgan_core.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
new = []
for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16 << 20)
    new.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(new))
"""


def new_pages(folder: Path, **environment: str) -> int:
    command = [sys.executable, "-c", CHILD, "run", "--gen", "mlp", *TINY, "--steps", "1"]
    env = {name: value for name, value in os.environ.items() if name not in USERS_OWN}
    done = subprocess.run(
        command, cwd=folder, env=env | environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout.splitlines()[-1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone is told")
def test_a_run_keeps_what_it_frees_unless_the_environment_says_otherwise(tmp_path: Path) -> None:
    assert new_pages(tmp_path) < 10
    told = tmp_path / "told"
    told.mkdir()
    assert new_pages(told, MALLOC_TRIM_THRESHOLD_="131072") > 10
