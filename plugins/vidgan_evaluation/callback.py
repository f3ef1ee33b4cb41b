"""Measures a run while it trains, and keeps the checkpoint where it was best."""

from __future__ import annotations

import sys
from functools import partial

import click
import torch

from vidgan_core import hookimpl
from vidgan_core.errors import UsageError, VidganError, did_you_mean
from vidgan_core.runs import best, checkpoint
from vidgan_core.runs.best import Best
from vidgan_core.training.run import Run
from vidgan_evaluation import results_store as store
from vidgan_evaluation.clip_source import fake
from vidgan_evaluation.evaluator import Evaluator
from vidgan_evaluation.options import Request
from vidgan_evaluation.prepare import prepare
from vidgan_evaluation.results_store import Evaluation


class EvaluationCallback:
    """Evaluates the EMA generator every `eval.every` steps and at the end.

    It draws from generators of its own and saves nothing but its numbers, so that training goes
    on as if it were not there.
    """

    def __init__(self) -> None:
        self._prepared: tuple[Evaluator, int] | None = None
        self._evaluated = -1

    @hookimpl
    def vidgan_fit_start(self, run: Run) -> None:
        """Make ready, so that what can't be measured is said before the first step."""
        if run.config.eval.every:
            with torch.random.fork_rng():
                self._prepared = _prepare(run)
            _keep_best(run)

    @hookimpl
    def vidgan_step_end(self, run: Run) -> None:
        """Measure when it is due."""
        if self._prepared and run.step % run.config.eval.every == 0:
            self._evaluate(run, *self._prepared)

    @hookimpl
    def vidgan_checkpoint_saved(self, run: Run) -> None:
        """Keep the checkpoint if it is the best."""
        if self._prepared:
            _keep_best(run)

    @hookimpl
    def vidgan_fit_end(self, run: Run, finished: bool) -> None:
        """Measure the last step."""
        if self._prepared and finished:
            self._evaluate(run, *self._prepared)
            _keep_best(run)

    def _evaluate(self, run: Run, bench: Evaluator, n: int) -> None:
        if run.step == self._evaluated:
            return
        generator = run.ema.generator
        clips = fake(generator, n, run.config.seed, f"step {run.step}'s", bench.reference)
        try:
            with torch.random.fork_rng():
                numbers = bench.measure(clips, generator)
        except VidganError as error:  # of samples that are not finite: training may recover
            print(f"warning: step {run.step} is not evaluated: {error}", file=sys.stderr)
            return
        model = checkpoint.model_hash(generator.state_dict())
        store.write(run.folder.evaluations, Evaluation(run.step, model, tuple(numbers)))
        said = "  ".join(f"{number.name} {number.value:.4g}" for number in numbers)
        print(f"step {run.step}: {said}", file=sys.stderr)
        self._evaluated = run.step


def _prepare(run: Run) -> tuple[Evaluator, int]:
    """Return the bench of a run. Raises UsageError if it does not give the number that decides."""
    config = run.config.eval
    request = Request(
        metrics=tuple(word.strip() for word in config.metrics.split(",")),
        features=tuple(config.features),
        at_most=config.n,
        seed=run.config.seed,
        split=config.split,
        device=run.device,
        say=partial(click.echo, err=True),
    )
    bench, n = prepare(run.config, run.registry, run.parts.spec, request)
    if (wanted := run.config.checkpoint.best) and wanted not in bench.names:
        hint = did_you_mean(wanted, bench.names)
        raise UsageError(f"checkpoint.best: the evaluation gives no {wanted!r}", hint=hint)
    return bench, n


def _keep_best(run: Run) -> None:
    """Keep the best checkpoint that there is, if there is a number that decides."""
    if not (name := run.config.checkpoint.best):
        return
    there = {checkpoint.step_of(path) for path in checkpoint.available(run.folder.checkpoints)}
    curve = store.curve(store.read(run.folder.evaluations), name)
    found = [number for step, number in curve.items() if step in there]
    if found:
        choose = min if found[0].better == "lower" else max
        value = choose(number.value for number in found)
        step = next(s for s, n in curve.items() if s in there and n.value == value)
        best.mark(run.folder.checkpoints, Best(step, name, value))
