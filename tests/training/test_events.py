"""Who is told of a run's events, in which order, and what becomes of those that fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TINY, Result

from vidgan_core.interfaces import Callback, TrainingRun
from vidgan_core.runs.folder import RunDir
from vidgan_core.testing.small_run import make_run

pytestmark = pytest.mark.usefixtures("one_thread")
Command = Callable[..., Result]

MANIFEST = """
from vidgan_core import Component, hookimpl

@hookimpl
def vidgan_components():
    yield Component("callback", "odd", "{module}_code:Odd", "one of its own")
"""
CODE = """
from pathlib import Path

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Callback


def note(word):
    with Path("notes.txt").open("a") as file:
        file.write(word + " ")


class Odd(Callback):
    def fit_start(self, run):
        note("fit_start")
        print("printed")

    def step_end(self, run, scalars):
        note("step_end")

    def crashed(self, run, error):
        note(f"crashed:{error}")

    def close(self):
        note("close")
"""
RUN = ("run", *TINY, "--callback", "odd", "--out", "out", "--steps", "3")


class Noted(Callback):
    def __init__(self, name: str, order: int, notes: list[str], fails: str = "") -> None:
        self.name, self.order, self.notes, self.fails = name, order, notes, fails

    def step_end(self, run: TrainingRun, scalars: dict[str, float] | None) -> None:
        self.note("step_end")
        if scalars is not None:
            self.notes += [name for name in scalars if name.startswith("added-")]
            scalars[f"added-{self.name}"] = 1.0

    def crashed(self, run: TrainingRun, error: BaseException) -> None:
        self.note("crashed")

    def close(self) -> None:
        self.note("close")

    def note(self, event: str) -> None:
        self.notes.append(f"{self.name}.{event}")
        if event == self.fails:
            raise RuntimeError(event)


def test_callbacks_are_called_by_order_and_see_what_earlier_ones_add() -> None:
    notes: list[str] = []
    run = make_run((), ("steps=1",), {"width": 2}, [Noted("b", 2, notes), Noted("a", 1, notes)])
    run.begin(RunDir.create(Path("out"), "run"))
    assert run.fit()
    assert notes == ["a.step_end", "b.step_end", "added-a", "a.close", "b.close"]


@pytest.mark.parametrize("second", ["", "crashed", "close"])
def test_an_error_of_the_callers_own_callback_ends_the_run_and_is_the_one_that_is_raised(
    second: str,
) -> None:
    notes: list[str] = []
    callbacks = [Noted("a", 1, notes, "step_end"), Noted("b", 2, notes, second)]
    run = make_run((), ("steps=2",), {"width": 2}, callbacks)
    run.begin(RunDir.create(Path("out"), "run"))
    with pytest.raises(RuntimeError, match="step_end"):
        run.fit()
    assert notes == ["a.step_end", "a.crashed", "b.crashed", "a.close", "b.close"]


def test_a_third_partys_callback_that_fails_is_closed_and_left_out(
    install: Callable[..., None], vidgan: Command, caplog: pytest.LogCaptureFixture
) -> None:
    install("odd", MANIFEST, CODE.replace('note("step_end")', "raise ValueError('no')"))
    result = vidgan(*RUN)
    assert result.code == 0, result.err
    who = "callback 'odd' of stranger-odd 1.2 (stranger_odd)"
    assert f"{who} failed in step_end and is left out: ValueError: no" in caplog.text
    assert Path("notes.txt").read_text().split() == ["fit_start", "close"]
    assert "printed" not in result.out
    assert json.loads(Path("out/metrics.jsonl").read_text().splitlines()[-1])["step"] == 3


def test_one_that_refuses_the_run_ends_it_before_its_first_step(
    install: Callable[..., None], vidgan: Command
) -> None:
    install("odd", MANIFEST, CODE.replace('print("printed")', "raise UsageError('not so')"))
    result = vidgan(*RUN)
    assert result.code == 2
    assert "error: not so" in result.err
    assert Path("notes.txt").read_text().split() == ["fit_start", "crashed:not", "so", "close"]
    assert not Path("out/metrics.jsonl").exists() or not Path("out/metrics.jsonl").read_text()


def test_a_run_that_ends_with_an_error_tells_and_closes(
    install: Callable[..., None], vidgan: Command
) -> None:
    install("odd", MANIFEST, CODE)
    result = vidgan(*RUN, "--set", "loss.start=2", "--term", "none")
    assert result.code == 2
    assert Path("notes.txt").read_text().startswith("fit_start crashed:generator: nothing to")
    assert Path("notes.txt").read_text().split().count("close") == 1
