"""Evaluation while a run trains: it disturbs nothing, keeps the best, and survives a resume."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measures
import pytest
from conftest import TINY, Result
from vidgan_evaluation import results_store as store

from vidgan_core.runs import checkpoint
from vidgan_core.runs.bookkeeping import Best, mark_best, read_best

Command = Callable[..., Result]

RUN = ("run", *TINY, "--data", "shapes", "--set", "data.clips=200", "--set", "checkpoint.every=1",
       "--set", "checkpoint.keep=1")  # fmt: skip
EVALUATION = ("metrics=gap", "features=['colours']", "n=10")
EVAL = (
    *("--eval-every", 1),
    *(word for option in EVALUATION for word in ("--set", f"callback.evaluation.{option}")),
)
BEST = ("--set", "checkpoint.best=gap-colours")


@pytest.fixture(autouse=True)
def _small(install: Callable[..., None], one_thread: None) -> None:
    install("meter", measures.MANIFEST, measures.CODE)


def values(run: str) -> dict[int, float]:
    found = store.curve(store.read(Path(run) / "eval"), "gap-colours")
    return {step: number.value for step, number in found.items()}


def hashes(run: str) -> dict[str, str]:
    saved = checkpoint.newest(Path(run) / "checkpoints")
    assert saved
    return {name: saved.manifest[name]["sha256"] for name in (checkpoint.MODEL, checkpoint.TRAIN)}


def test_a_run_with_evaluation_is_the_run_without_it(vidgan: Command) -> None:
    assert vidgan(*RUN, "--steps", 4, "--out", "without").code == 0
    result = vidgan(*RUN, *EVAL, "--steps", 4, "--out", "with")
    assert result.code == 0
    assert "step 4: gap-colours " in result.err
    assert hashes("with") == hashes("without")
    assert list(values("with")) == [1, 2, 3, 4]


def numbers(evaluations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All that is stored of the numbers of one step, but for the time that they took."""
    (evaluation,) = evaluations
    return [{**number, "seconds": 0} for number in evaluation["numbers"]]


@pytest.mark.parametrize("name", ["conv3d", "vgan", "tgan", "twostream", "dvdgan", "continuous"])
def test_numbers_in_training_are_those_of_the_command(name: str, vidgan: Command) -> None:
    network = ("--gen", name, "--set", "generator.width=4", "--seed", 3)
    assert vidgan(*RUN, *network, *EVAL, "--steps", 2, "--out", "out").code == 0
    file = Path("out/eval/step-00000002.json")
    before = json.loads(file.read_text())
    options = ("--metrics", "gap", "--features", "colours", "-n", 10, "--seed", 3, "--json")
    assert numbers(json.loads(vidgan("eval", "out", *options).out)) == numbers([before])
    assert numbers([json.loads(file.read_text())]) == numbers([before])


ACCELERATOR = """
from dataclasses import replace
from vidgan_core import hookimpl
from vidgan_core.interfaces import Generator

@hookimpl
def vidgan_prepare_module(module):
    if isinstance(module, Generator):
        module.register_forward_hook(lambda m, i, fake: replace(fake, video=fake.video / 2 - 0.5))
"""


def test_what_is_measured_is_the_network_with_the_layers_that_users_run(
    vidgan: Command, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("accelerator", ACCELERATOR)
    assert vidgan(*RUN, *EVAL, "--steps", 1, "--out", "out").code == 0
    before = values("out")
    options = ("--metrics", "gap", "--features", "colours", "-n", 10)
    assert vidgan("eval", "out", *options).code == 0
    assert values("out") == before
    monkeypatch.setenv("VIDGAN_PLUGINS", "stranger-meter")
    assert vidgan("eval", "out", *options).code == 0
    assert values("out") != before


def test_the_best_checkpoint_is_kept_next_to_the_newest(vidgan: Command) -> None:
    assert vidgan(*RUN, *EVAL, *BEST, "--steps", 6, "--out", "out").code == 0
    found = values("out")
    step = min(found, key=found.__getitem__)
    folder = Path("out/checkpoints")
    assert read_best(folder) == Best(step, "gap-colours", found[step])
    assert [checkpoint.step_of(p) for p in checkpoint.available(folder)] == sorted({step, 6})
    assert json.loads(vidgan("eval", "out", "--checkpoints", "best", "--metrics", "gap",
                             "--features", "colours", "--json").out)[0]["step"] == step  # fmt: skip


def test_what_was_the_best_gives_way_to_what_is_better(tmp_path: Path) -> None:
    for step in range(1, 7):
        checkpoint.save(tmp_path, step, model={}, train={}, state={})
        if step in (2, 4):
            mark_best(tmp_path, Best(step, "fd", 1 / step))
        spared = read_best(tmp_path)
        checkpoint.prune(tmp_path, 1, newest=step, spare=[spared.step] if spared else [])
        kept = [checkpoint.step_of(p) for p in checkpoint.available(tmp_path)]
        assert kept == {1: [1], 2: [2], 3: [2, 3], 4: [4], 5: [4, 5], 6: [4, 6]}[step]


def test_a_resumed_run_knows_what_was_best(vidgan: Command) -> None:
    assert vidgan(*RUN, *EVAL, *BEST, "--steps", 6, "--out", "whole").code == 0
    assert vidgan(*RUN, *EVAL, *BEST, "--steps", 3, "--out", "out").code == 0
    Path("out/checkpoints/best.json").unlink()  # as if it had been killed before it was written
    assert vidgan("run", "--resume", "out", "--steps", 6).code == 0
    assert values("out") == values("whole")
    marked = [read_best(Path(name) / "checkpoints") for name in ("whole", "out")]
    assert marked[0] == marked[1] != None  # noqa: E711
    assert hashes("out") == hashes("whole")


def test_evaluations_of_steps_that_are_trained_again_are_dropped(vidgan: Command) -> None:
    assert vidgan(*RUN, *EVAL, "--set", "checkpoint.keep=3", "--steps", 3, "--out", "out").code == 0
    before = values("out")
    (Path("out/checkpoints/step-00000003") / checkpoint.MODEL).write_bytes(b"damaged")
    assert vidgan("run", "--resume", "out", "--eval-every", 3, "--steps", 3).code == 0
    assert values("out") == before
    assert not list(Path("out/eval").glob(".tmp*"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (BEST, "every must be a multiple of checkpoint.every, 1"),
        (
            (*EVAL, "--set", "checkpoint.best=fd"),
            "the evaluation gives no 'fd'; known: gap-colours",
        ),
        ((*EVAL, "--set", "data.clips=5"), "the test split of shapes gives 0 clips for each side"),
        ((*EVAL, "--set", "callback.evaluation.metrics=gpa"), "no metric named 'gpa'"),
        (("--set", "metric.gap.pwr=1"), "metric.gap.pwr: no such option; did you mean 'power'?"),
        (("--set", "features.colour.least=1"), "no features named 'colour'"),
        (
            (*EVAL, *BEST, "--set", "checkpoint.every=2"),
            "every must be a multiple of checkpoint.every, 2",
        ),
    ],
)
def test_what_can_not_be_evaluated_is_reported_before_the_first_step(
    vidgan: Command, settings: tuple[object, ...], message: str
) -> None:
    result = vidgan(*RUN, *settings, "--steps", 1, "--out", "out")
    assert result.code == 2
    assert message in result.err
    assert not list(Path().glob("out/checkpoints/step-*"))


def test_copies_are_looked_for_among_fewer_clips_and_the_protocol_says_so(vidgan: Command) -> None:
    settings = ("metrics=nearest", "search=50")
    nearest = [word for s in settings for word in ("--set", f"callback.evaluation.{s}")]
    assert vidgan(*RUN, *EVAL, *nearest, "--steps", 1, "--out", "out").code == 0
    (found,) = store.read(Path("out/eval"))[1].numbers
    assert found.protocol == "nearest-colours@4f-16px-n10+searched=50of200"
