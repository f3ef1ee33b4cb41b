"""Evaluate checkpoints of a run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

from vidgan_core.config.schema import RunConfig
from vidgan_core.config.settings import with_settings
from vidgan_core.errors import CheckpointError, UsageError, printable
from vidgan_core.inference.load_generator import load_ready
from vidgan_core.inference.sampler import find_checkpoint
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs import checkpoint
from vidgan_core.runs.bookkeeping import read_best
from vidgan_core.runs.checkpoint import Checkpoint
from vidgan_core.runs.folder import RunDir
from vidgan_core.runs.vouched_paths import check_vouched
from vidgan_core.training.run import Run
from vidgan_core.training.trainer import Trainer
from vidgan_evaluation import results_store as store
from vidgan_evaluation.clip_source import fake
from vidgan_evaluation.evaluator import Evaluator, Step
from vidgan_evaluation.options import Request
from vidgan_evaluation.prepare import prepare
from vidgan_evaluation.prepare_published import prepare_published
from vidgan_evaluation.protocols import Published
from vidgan_evaluation.results_store import Evaluation

FREE = ("data", "metric", "features")  # tables that an evaluation may set


def evaluate_run(
    path: Path,
    checkpoints: str,
    settings: Sequence[str],
    registry: Registry,
    request: Request,
    published: Published | None = None,
) -> Iterator[tuple[Evaluation, Path | None]]:
    """Yield the evaluation of each checkpoint and the file that holds it.

    `checkpoints`: newest, best, all, or steps between commas. A checkpoint outside of a run's
    folder is evaluated and not stored. A `published` protocol decides what is measured.
    """
    prepared: tuple[Evaluator, int] | None = None
    if published:
        settings = (*settings, *published.settings)
    for find in _checkpoints(path, checkpoints):
        saved = find()
        generator, config = load_ready(saved, registry, request.device)
        if prepared is None:
            config = with_settings(config, settings, registry, FREE)
            named = {setting.partition("=")[0].strip() for setting in settings}
            check_vouched(_folder_of(saved.path), config, named)
            of = (config, registry, generator.spec, request)
            prepared = prepare_published(*of, published) if published else prepare(*of)
        evaluator, n = prepared
        what = f"step {saved.state['step']}'s"
        clips = fake(generator, n, request.seed, what, evaluator.reference)
        step = training_step(config, registry, request)
        started = time.perf_counter()
        numbers = tuple(evaluator.measure(clips, generator, step))
        seconds = round(time.perf_counter() - started, 3)
        evaluation = Evaluation(saved.state["step"], saved.model_hash, numbers, seconds)
        run = RunDir(saved.path.parent.parent)
        stored = numbers and run.config_file.is_file() and saved.path.parent == run.checkpoints
        yield evaluation, store.write(run.evaluations, evaluation) if stored else None


def _folder_of(saved: Path) -> Path:
    """Return the folder of a checkpoint's run; the checkpoint's own where it is in none."""
    run = RunDir(saved.parent.parent)
    return run.path if run.config_file.is_file() and saved.parent == run.checkpoints else saved


def training_step(config: RunConfig, registry: Registry, request: Request) -> Step:
    """Return what takes a step of a run that begins when it is called first."""

    @cache
    def trainer() -> Trainer:
        there = config.trainer.model_copy(update={"device": str(request.device)})
        return Run(config.model_copy(update={"trainer": there}), registry).trainer

    return lambda: trainer().step()


def named_data(path: str | None) -> tuple[str, ...]:
    """Return the setting for the data that a user names; none if there are none."""
    return () if path is None else (f"data.path={json.dumps(path, ensure_ascii=False)}",)


def _checkpoints(path: Path, wanted: str) -> list[Callable[[], Checkpoint]]:
    """Return what loads each of the wanted checkpoints. Raises UsageError for one that is not."""
    if wanted == "newest" or (path / checkpoint.MANIFEST).exists():
        return [partial(find_checkpoint, path)]
    folder = RunDir.open(path).checkpoints
    if wanted == "best":
        kept = read_best(folder)
        if kept is None:
            raise CheckpointError(f"{path} has no best checkpoint", hint="checkpoint.best keeps it")
        return [partial(find_checkpoint, path, kept.step)]
    if wanted == "all":
        steps = [checkpoint.step_of(p) for p in checkpoint.available(folder)]
        if not steps:
            raise CheckpointError(f"{path} has no checkpoint yet")
    else:
        try:
            steps = [int(word) for word in wanted.split(",")]
        except ValueError:
            raise UsageError(
                f"--checkpoints {printable(wanted)}: newest, best, all, or steps between commas"
            ) from None
    return [partial(find_checkpoint, path, step) for step in steps]
