"""A game that stands still is noticed: the figures, and the warning, once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import REGISTRY, small
from vidgan_callbacks.collapse_warning import CollapseWarning

from vidgan_core.training.run import Run


@pytest.mark.parametrize("name", ["accuracy", "spread"])
def test_a_game_that_stands_still_is_told_once(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = CollapseWarning(patience=50)
    still: dict[str, Any] = {"discriminator/accuracy": 0.7, "generator/spread": 0.4}
    key = "discriminator/accuracy" if name == "accuracy" else "generator/spread"
    bad = still | {key: 1.0 if name == "accuracy" else 0.001}

    def ticks(first: int, last: int, scalars: dict[str, Any]) -> str:
        loss = REGISTRY.load("loss", "minimax")()
        for step in range(first, last, 10):
            run = SimpleNamespace(
                step=step,
                config=SimpleNamespace(data=SimpleNamespace(batch=4)),
                game=SimpleNamespace(
                    parts=SimpleNamespace(loss=loss),
                    accuracy_scalar="discriminator/accuracy",
                    spread_scalar="generator/spread",
                ),
            )
            watch.step_end(run, scalars)  # type: ignore[arg-type]
        return capsys.readouterr().err

    assert not ticks(0, 50, bad)
    assert not ticks(50, 60, still)
    assert not ticks(60, 110, bad)
    assert "50 steps" in ticks(110, 120, bad)
    assert not ticks(120, 300, bad)


def test_accuracy_and_spread_are_what_they_say() -> None:
    run = Run(small("conv3d", "minimax", "generator.width=1", "discriminator.width=1"), REGISTRY)
    made = []
    run.networks["generator"].register_forward_hook(
        lambda layer, given, fake: made.append(fake.video)
    )
    scalars = run.trainer.step()
    assert scalars
    over_clips = made[-1].detach().std(0, correction=0)
    torch.testing.assert_close(scalars["generator/spread"], over_clips.square().mean().sqrt())
    with torch.no_grad():
        for parameter in run.networks["generator"].parameters():
            parameter.zero_()
    scalars = run.trainer.step()
    assert scalars
    assert scalars["generator/spread"] == 0
    assert 0 <= scalars["discriminator/accuracy"] <= 1


@pytest.mark.parametrize("loss", ["wasserstein", "hinge"])
def test_a_critic_that_is_to_be_optimal_is_not_told_of_being_so(
    loss: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(small("conv3d", loss), REGISTRY)
    watch = CollapseWarning(patience=10)
    for step in range(30):
        run.trainer.steps_done = step
        watch.step_end(run, {"discriminator/accuracy": 1.0})
    assert bool(capsys.readouterr().err) == (loss == "hinge")
