"""What watches a run: an object with options whose methods are called as the run goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from vidgan_core.interfaces.dataset import DataSpec
from vidgan_core.interfaces.networks import Generator


class TrainingRun(Protocol):
    """A run that is being trained, as callbacks and lifecycle hooks see it."""

    config: Any  # vidgan_core.config.schema.RunConfig
    registry: Any  # vidgan_core.plugins.registry.Registry
    device: torch.device
    group: Any  # the run's processes
    precision: Any  # vidgan_core.device.Precision
    seconds: float  # of training, evaluation and samples left out

    @property
    def step(self) -> int:
        """How many steps are done."""

    @property
    def folder(self) -> Any:
        """The run's folder, a vidgan_core.runs.folder.RunDir."""

    @property
    def spec(self) -> DataSpec:
        """The shape of a clip and the fields of its condition."""

    @property
    def game(self) -> Any:
        """The game, a vidgan_core.interfaces.Game."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks by the name of their player."""

    @property
    def sampled(self) -> Generator:
        """The moving average of the generator that clips are made with, in eval mode."""

    @property
    def batches(self) -> Any:
        """Where batches come from, a vidgan_core.data.batches.Batches."""

    @property
    def trainer(self) -> Any:
        """The engine, a vidgan_core.training.trainer.Trainer."""

    def model_tensors(self) -> Mapping[str, torch.Tensor]:
        """Return the tensors that a checkpoint's model file holds now."""

    def report(self, event: str, **facts: Any) -> None:
        """Tell the other callbacks of an event: `samples_written` or `evaluated`."""


class Callback:
    """Watches a run. Options are keyword-only parameters of the constructor.

    Of several processes the first one alone calls it. A method that is not needed stays as it is.
    Callbacks are called by `order`, those of one order as the configuration lists them.
    """

    order: int = 0  # lower ones are called earlier

    def fit_start(self, run: TrainingRun) -> None:
        """Training is about to start or to go on: `run.step` steps are done.

        Raise UsageError here for what can't be done, before the first step.
        """

    def step_end(self, run: TrainingRun, scalars: dict[str, float] | None) -> None:
        """Step `run.step` is done; it may not have been saved yet.

        `scalars` is given when means are due (`trainer.report_every` steps, the first and the last
        step), else None: means since the last ones under names such as ``discriminator/loss``,
        ``clips_per_second``, ``skipped``. What a callback adds to it, later callbacks see.
        """

    def after_step(self, run: TrainingRun) -> None:
        """Step `run.step` is done, and its checkpoint complete if one was due.

        The place for what takes long or may fail, such as samples and evaluations.
        """

    def checkpoint_saved(self, run: TrainingRun, path: Path) -> None:
        """A checkpoint of step `run.step` is complete in the folder `path`."""

    def samples_written(self, run: TrainingRun, paths: Sequence[Path]) -> None:
        """Sample pictures of step `run.step` were written."""

    def evaluated(self, run: TrainingRun, results: Sequence[Any]) -> None:
        """The samples of step `run.step` were measured: one result a number."""

    def fit_end(self, run: TrainingRun, finished: bool) -> None:
        """Training has ended: `finished` is False when it stopped before its last step."""

    def crashed(self, run: TrainingRun, error: BaseException) -> None:
        """Training has ended with an error, which is raised after this."""

    def close(self) -> None:
        """Release what is held; called once, however the run ends."""
