"""Measures a run while it trains, and keeps the checkpoint where it was best."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import click
import torch
from annotated_types import Ge, doc

from vidgan_core.errors import UsageError, VidganError, did_you_mean
from vidgan_core.interfaces import Callback, TrainingRun
from vidgan_core.runs import checkpoint
from vidgan_core.runs.bookkeeping import Best, mark_best
from vidgan_evaluation import results_store as store
from vidgan_evaluation.result import Result, headline
from vidgan_evaluation.results_store import Evaluation

if TYPE_CHECKING:
    from vidgan_evaluation.evaluator import Evaluator

Prepared = tuple["Evaluator", int]


class EvaluationCallback(Callback):
    """Evaluates the averaged generator every so many steps and at the end.

    It draws from random generators of its own and writes nothing but its results, so that the run
    is the same with it and without.
    """

    def __init__(
        self,
        *,
        every: Annotated[int, Ge(0), doc("steps between evaluations; 0: never")] = 0,
        n: Annotated[int, Ge(2), doc("clips on each side, or what the real split offers")] = 256,
        metrics: Annotated[str, doc("fast, full, none, or names between commas")] = "fast",
        features: Annotated[tuple[str, ...], doc("names; all that there are if none")] = (),
        split: Annotated[Literal["test", "train"], doc("which real clips")] = "test",
        search: Annotated[int, Ge(1), doc("training clips among which copies are looked for")] = (
            1000
        ),
    ) -> None:
        self.every, self.n, self.metrics = every, n, metrics
        self.features, self.split, self.search = features, split, search
        self._prepared: Prepared | None = None
        self._evaluated = -1

    def fit_start(self, run: TrainingRun) -> None:
        """Prepare, so that what can't be measured is reported before the first step."""
        _check_best(run, self.every)
        if self.every:
            with torch.random.fork_rng():
                self._prepared = self._prepare(run)
            due = run.step and run.step % self.every == 0
            if due and run.step not in store.read(run.folder.evaluations):
                self._evaluate(run, *self._prepared)  # it was saved, and stopped before this
            _keep_best(run)

    def after_step(self, run: TrainingRun) -> None:
        """Measure when it is due."""
        if self._prepared and run.step % self.every == 0:
            self._evaluate(run, *self._prepared)
            _keep_best(run)

    def checkpoint_saved(self, run: TrainingRun, path: Path) -> None:
        """Keep the checkpoint if it is the best."""
        if self._prepared:
            _keep_best(run)

    def fit_end(self, run: TrainingRun, finished: bool) -> None:
        """Measure the last step."""
        if self._prepared and finished:
            self._evaluate(run, *self._prepared)
            _keep_best(run)

    def _prepare(self, run: TrainingRun) -> Prepared:
        """Return the evaluator. Raises UsageError if `checkpoint.best` is none of its results."""
        from vidgan_evaluation.options import Request
        from vidgan_evaluation.prepare import prepare

        request = Request(
            metrics=tuple(word.strip() for word in self.metrics.split(",")),
            features=self.features,
            at_most=self.n,
            seed=run.config.seed,
            split=self.split,
            search=self.search,
            device=run.device,
            say=partial(click.echo, err=True),
        )
        evaluator, n = prepare(run.config, run.registry, run.spec, request)
        if (wanted := run.config.checkpoint.best) and wanted not in evaluator.names:
            hint = did_you_mean(wanted, evaluator.names)
            raise UsageError(f"checkpoint.best: the evaluation gives no {wanted!r}", hint=hint)
        return evaluator, n

    def _evaluate(self, run: TrainingRun, evaluator: Evaluator, n: int) -> None:
        from vidgan_evaluation.clip_source import fake

        if run.step == self._evaluated:
            return
        generator = run.sampled
        clips = fake(generator, n, run.config.seed, f"step {run.step}'s", evaluator.reference)
        try:
            with torch.random.fork_rng():
                results = evaluator.measure(clips, generator)
        except VidganError as error:  # of samples that are not finite: training may recover
            print(f"warning: step {run.step} is not evaluated: {error}", file=sys.stderr)
            return
        model = checkpoint.model_hash(run.model_tensors())
        store.write(run.folder.evaluations, Evaluation(run.step, model, tuple(results)))
        self._evaluated = run.step
        print(_line(run, results), file=sys.stderr)
        run.report("evaluated", results=results)


def _line(run: TrainingRun, results: Sequence[Result]) -> str:
    """Return the results that tell most, such as ``step 400: fd-lite0 0.31 (floor 0.02)``."""
    shown = headline(results, also=run.config.checkpoint.best)
    return f"step {run.step}: {', '.join(map(str, shown))}"


def _check_best(run: TrainingRun, every: int) -> None:
    """Refuse to keep the best checkpoint where checkpoints are not measured."""
    best, saved = run.config.checkpoint.best, run.config.checkpoint.every
    if best and (not every or every % saved):
        raise UsageError(
            f"checkpoint.best: callback.evaluation.every must be a multiple of "
            f"checkpoint.every, {saved} (it is {every})"
        )


def _keep_best(run: TrainingRun) -> None:
    """Keep the best of the checkpoints that are there, if there is a result that decides."""
    if not (name := run.config.checkpoint.best):
        return
    there = {checkpoint.step_of(path) for path in checkpoint.available(run.folder.checkpoints)}
    curve = store.curve(store.read(run.folder.evaluations), name)
    found = [result for step, result in curve.items() if step in there]
    if found:
        chosen = min(found, key=lambda result: result.cost)
        step = next(s for s, r in curve.items() if r is chosen)
        mark_best(run.folder.checkpoints, Best(step, name, chosen.value))
