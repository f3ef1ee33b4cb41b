"""kill -9 at random moments: whatever happens, the run goes on to the same last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch
from faults import (
    LIVELY,
    assert_identical,
    final_state,
    finish,
    moments,
    saving,
    spin,
    start,
    steps_done,
    wait_for,
)

KILLED = -9
A_LIFE = 5  # kills of one and the same run
WORKERS = (0, 2)


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_runs_resume_by_themselves_to_the_same_bits(
    kills: int, record_property: Callable[[str, object], None]
) -> None:
    inside = 0
    wholes = {workers: whole(workers) for workers in WORKERS}
    for number in range(kills // A_LIFE):
        workers = WORKERS[number % len(WORKERS)]
        run = Path(f"killed-{number}")
        inside += sum(kill(run, workers, rng) for rng in moments(A_LIFE, seed=number))
        assert finish(start(*arguments(run, workers))) == 0
        assert_identical(wholes[workers], final_state(run))
    assert inside >= kills / 4, "too few kills hit a save"
    record_property("kill -9", f"{kills} of {kills} kills resumed, {inside} inside a save")


def arguments(run: Path, workers: int) -> tuple[object, ...]:
    chosen = ("--set", f"data.workers={workers}") if workers else ()
    return ("run", *LIVELY, *chosen, "--steps", 12 * A_LIFE, "--out", run, "--resume", "auto")


def whole(workers: int) -> dict[str, torch.Tensor]:
    run = Path(f"whole-{workers}")
    assert finish(start(*arguments(run, workers))) == 0
    return final_state(run)


def kill(run: Path, workers: int, rng: Random) -> bool:
    """Start or go on, kill at a random moment, and return whether that was inside a save.

    Half of them aim at a save, a tenth at the start, the others at any moment of some steps.
    """
    before = steps_done(run)
    process = start(*arguments(run, workers))
    aim = rng.random()
    if aim < 0.1:
        assert wait_for(run.exists, process)
    else:
        goal = before + rng.randrange(1, 7)
        assert wait_for(lambda: steps_done(run) >= goal, process)
    if aim < 0.5:
        spin(rng.random() * 0.05)
    else:
        assert wait_for(lambda: saving(run, process), process)
        spin(rng.random() * 0.003)
    process.kill()
    assert finish(process) == KILLED, "the run was over before it was killed"
    return saving(run, process)
