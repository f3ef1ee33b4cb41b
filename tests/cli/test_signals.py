"""SIGTERM and SIGINT at random moments: the step is finished, saved, and the code says why."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from conftest import GOOD
from faults import LIVELY, finish, moments, saving, spin, start, steps_done, wait_for

from vidgan_core.runs import checkpoint

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
STEPS = 1000
# A loss that takes for ever where a file says so.
SLOW = """
from pathlib import Path
from vidgan_core.interfaces import Loss as Base

class Loss(Base):
    def discriminator(self, real, fake):
        while Path("slow").exists():
            (real.new_ones(1000, 1000) @ real.new_ones(1000, 1000)).sum().item()
        return fake.mean() - real.mean()

    def generator(self, real, fake):
        return -fake.mean()
"""
PLACES = ("data loading", "step", "save", "sampling")


def sampling(run: Path) -> bool:
    """Are pictures being made? They are written video first, sheet last."""
    videos = (run / "samples").glob("*.mp4")
    return any(not video.with_suffix(".png").exists() for video in videos)


@pytest.mark.parametrize("number", CODES, ids=lambda n: n.name)
@pytest.mark.parametrize("each", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_a_signal_at_any_moment_saves_and_stops(
    number: signal.Signals, each: int, record_property: Callable[[str, object], None]
) -> None:
    places: Counter[str] = Counter()
    for index, rng in enumerate(moments(each, seed=number)):
        aim = PLACES[index % len(PLACES)]
        places[interrupt(Path(f"run-{index}"), number, aim, rng)] += 1
    assert places["save"] >= each / 10
    assert places["sampling"] >= each / 10
    reported = ", ".join(f"{count} in {place}" for place, count in sorted(places.items()))
    record_property(
        number.name, f"{each} of {each} saved and left with {CODES[number]}: {reported}"
    )


def interrupt(run: Path, number: signal.Signals, place: str, rng: Random) -> str:
    """Stop a run somewhere and check what it leaves; return where it was hit."""
    err = Path(f"{run}.err")
    process = start("run", *LIVELY, "--steps", STEPS, "--out", run, err=err)
    assert process.pid
    if place == "data loading":  # the folder is made once the data are there
        assert wait_for(run.exists, process)
    else:
        goal = rng.randrange(1, 6)
        assert wait_for(lambda: steps_done(run) >= goal, process)
    if place == "save":
        assert wait_for(lambda: saving(run, process), process)
    elif place == "sampling":
        assert wait_for(lambda: sampling(run), process)
    else:
        spin(rng.random() * 0.02)
    hit = "save" if saving(run, process) else "sampling" if sampling(run) else place
    done = steps_done(run)
    os.kill(process.pid, number)
    assert finish(process) == CODES[number], err.read_text()
    assert "Traceback" not in err.read_text()
    saved = checkpoint.newest(run / "checkpoints")
    if saved is None:
        assert steps_done(run) == 0
    else:
        assert done <= saved.state["step"] < STEPS
        assert saved.state["step"] == steps_done(run), "a step was done and not saved"
    return hit


@pytest.mark.parametrize("second", CODES, ids=lambda n: n.name)
def test_a_second_signal_leaves_at_once(
    second: signal.Signals, install: Callable[..., None], tmp_path: Path
) -> None:
    """A step that takes minutes would have to be waited for; a second signal does not."""
    install("slow", GOOD, SLOW)
    run, err, place = Path("run"), Path("err"), {"PYTHONPATH": tmp_path / "site"}
    arguments = ("run", *LIVELY, "--loss", "slow", "--out", run)
    assert finish(start(*arguments, "--steps", 1, place=place)) == 0
    before = (run / "checkpoints/step-00000001/MANIFEST.json").read_bytes()
    Path("slow").touch()
    process = start("run", "--resume", run, "--steps", 9, err=err, place=place)
    assert process.pid
    assert wait_for(lambda: err.exists() and "step 1 to 9" in err.read_text(), process)
    os.kill(process.pid, signal.SIGTERM)
    assert wait_for(lambda: "once more" in err.read_text(), process)
    started = time.monotonic()
    os.kill(process.pid, second)
    assert finish(process) == -second  # which a shell reports as 130 and 143
    assert time.monotonic() - started < 2
    saved = checkpoint.newest(run / "checkpoints")
    assert saved
    assert saved.state["step"] == 1
    assert (saved.path / "MANIFEST.json").read_bytes() == before
