"""A game that stands still is noticed: the figures, and the warning, once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import REGISTRY, small

from vidgan_core.observers.collapse import CollapseWatch
from vidgan_core.run import Run


@pytest.mark.parametrize("name", ["accuracy", "spread"])
def test_a_game_that_stands_still_is_told_once(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = CollapseWatch(patience=50)
    still: dict[str, Any] = {"discriminator/accuracy": 0.7, "generator/spread": 0.4}
    key = "discriminator/accuracy" if name == "accuracy" else "generator/spread"
    bad = still | {key: 1.0 if name == "accuracy" else 0.001}

    def ticks(first: int, last: int, scalars: dict[str, Any]) -> str:
        for step in range(first, last, 10):
            run = SimpleNamespace(step=step, config=SimpleNamespace(data=SimpleNamespace(batch=4)))
            watch.vidgan_step_end(run, scalars)  # type: ignore[arg-type]
        return capsys.readouterr().err

    assert not ticks(0, 50, bad)
    assert not ticks(50, 60, still)
    assert not ticks(60, 110, bad)
    assert "50 steps" in ticks(110, 120, bad)
    assert not ticks(120, 300, bad)


def test_accuracy_and_spread_are_what_they_say() -> None:
    run = Run(small("conv3d", "minimax", "generator.width=1", "discriminator.width=1"), REGISTRY)
    with torch.no_grad():
        for parameter in run.parts.generator.parameters():
            parameter.zero_()
    scalars = run.trainer.step()
    assert scalars
    assert scalars["generator/spread"] == 0
    assert 0 <= scalars["discriminator/accuracy"] <= 1
