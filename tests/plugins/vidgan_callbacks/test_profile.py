"""What --profile writes and prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TINY, Result

pytestmark = pytest.mark.usefixtures("one_thread")
PARTS = [
    f"{phase}/{part}"
    for phase in ("discriminator", "generator")
    for part in ("forward", "backward", "check", "update")
]


@pytest.mark.parametrize("steps", [6, 10])
def test_a_profile_is_a_table_and_a_trace(vidgan: Callable[..., Result], steps: int) -> None:
    """Of five steps after the third, or of as many as there are."""
    result = vidgan("run", *TINY, "--steps", steps, "--out", "run", "--profile")
    assert result.code == 0, result.err
    table = Path("run/profile/table.txt").read_text()
    assert table in result.err
    assert f"a step, the mean of {min(5, steps - 3)}: " in table
    rows = {line.split("  ")[0]: line.split() for line in table.splitlines() if line}
    assert {*PARTS, "data", "snapshot", "everything else"} <= rows.keys()
    assert "aten::convolution_backward" in rows
    assert {rows[part][-1] for part in PARTS} == {"1"}, "each part once a step"
    shares = [float(rows[part][-2].rstrip("%")) for part in (*PARTS, "everything else")]
    assert sum(shares) <= 100.5
    names = {
        e["name"] for e in json.loads(Path("run/profile/trace.json").read_text())["traceEvents"]
    }
    assert set(PARTS) <= names


def test_a_run_without_it_has_none(vidgan: Callable[..., Result]) -> None:
    assert vidgan("run", *TINY, "--steps", 1, "--out", "run").code == 0
    assert not Path("run/profile").exists()
