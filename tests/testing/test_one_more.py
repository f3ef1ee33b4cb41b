"""Adding a component takes one class and one record: everything else finds it by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLASS = '''

class Squared(Loss):
    """Real scores up, fake scores down, with a penalty on their size."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """E[f - r] + E[r^2 + f^2]."""
        return (fake - real).mean() + (real.square() + fake.square()).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """-E[f]."""
        return -fake.mean()
'''
RECORD = '    yield Component("loss", "squared", "vidgan_losses.losses:Squared", "one more")\n'


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables with which the in-tree losses have one more, before the installed ones."""
    shutil.copytree(ROOT / "plugins/vidgan_losses", tmp_path / "tree/vidgan_losses")
    for name, addition in (("losses.py", CLASS), ("__init__.py", RECORD)):
        path = tmp_path / "tree/vidgan_losses" / name
        path.write_text(path.read_text("utf-8") + addition, "utf-8")
    return {**os.environ, "PYTHONPATH": str(tmp_path / "tree"), "OMP_NUM_THREADS": "1"}


def test_one_class_and_one_record_are_enough(environment: dict[str, str]) -> None:
    def run(*command: object) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *map(str, command)],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    records = json.loads(run("vidgan_core", "plugins", "--json"))
    assert any(r["name"] == "squared" and r["distribution"] == "vidgan" for r in records)
    assert "passed  loss finite of squared" in run("vidgan_core", "plugins", "check", "squared")
    collected = run(
        *("pytest", "--collect-only", "-p", "no:cacheprovider", "--rootdir", ROOT),
        *(ROOT / "tests/testing/test_conformance.py", ROOT / "tests/docs/test_docs.py"),
    )
    assert "TestLosses::test_finite[squared]" in collected
    # The row in docs/components.md is asked for by name.
    assert "test_every_component_has_a_row_with_its_options[loss-squared]" in collected
