"""Every hook that a plugin may implement, with the marker `vidgan_core.hookimpl`.

A plugin takes the arguments it wants, by name, and leaves out the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import torch
    from torch import nn

    from vidgan_core.device import Precision
    from vidgan_core.interfaces.callback import TrainingRun
    from vidgan_core.plugins.component import Component

hookspec = pluggy.HookspecMarker("vidgan")

# The version of the hooks below and of the interfaces. A manifest may say VIDGAN_API = 2: it was
# written for that one. It grows when something is added, the oldest one when something is removed.
API = 2
OLDEST_API = 2
hookimpl = pluggy.HookimplMarker("vidgan")


@hookspec
def vidgan_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Yield a `Component` record for everything that the plugin provides.

    Called whenever vidgan lists or looks up components, so it must be quick and must not import
    torch: the records name their targets, which are imported only when used.
    """


@hookspec
def vidgan_prepare_process() -> None:
    """Change settings of the whole process, such as those of malloc.

    Called by the `vidgan` command in its own process, before training, sampling or measuring
    begins. A program that uses `vidgan_core` as a library is left as it is.
    """


@hookspec
def vidgan_prepare_module(
    module: nn.Module, device: torch.device, precision: Precision, channels_last: bool
) -> None:
    """Change the layers of a module so that they suit a device, in place.

    Called for each network, term and augmentation after it was moved to `device` and before it is
    trained, sampled or measured, so that all three see the same layers. Names, shapes and values
    of weights must stay, and so must what the module computes, but for the order of sums.

    `precision.compute` is the dtype of forward passes, under autocast if it is not the dtype of
    the weights. `channels_last` is the run's `trainer.channels_last`: may convolutions work in the
    layout that is fastest? On CUDA the core has laid the weights out already.
    """


@hookspec
def vidgan_corrects_bf16(device: torch.device) -> bool:  # type: ignore[empty-body]
    """Say whether `vidgan_prepare_module` makes gradients in bf16 right on a device.

    Asked for a CPU, where torch's own convolutions get some of them wrong (torch 2.13 with oneDNN
    3.12). Where no plugin says so, `trainer.precision` auto is fp32 and bf16 is refused.
    """


@hookspec
def vidgan_fit_start(run: TrainingRun) -> None:
    """Training is about to start or to go on: `run.step` steps of `run.config.steps` are done.

    `run.folder` is where files may be written and `run.networks` holds the networks.
    """


@hookspec
def vidgan_step_end(run: TrainingRun, scalars: Mapping[str, float] | None) -> None:
    """Step `run.step` is done; it may not have been saved yet.

    `scalars` is given every `trainer.report_every` steps, at the first and at the last step, else
    None: means since the last ones under names such as ``discriminator/loss``,
    ``discriminator/real`` (the discriminator's output on real clips), ``generator/loss``,
    ``clips_per_second``, ``skipped``.
    """


@hookspec
def vidgan_after_step(run: TrainingRun) -> None:
    """Step `run.step` is done, and its checkpoint complete if one was due."""


@hookspec
def vidgan_checkpoint_saved(run: TrainingRun, path: Path) -> None:
    """A checkpoint of step `run.step` is complete in the folder `path`."""


@hookspec
def vidgan_samples_written(run: TrainingRun, paths: Sequence[Path]) -> None:
    """Sample pictures of step `run.step` were written."""


@hookspec
def vidgan_evaluated(run: TrainingRun, results: Sequence[Any]) -> None:
    """The samples of step `run.step` were measured: a result for each number."""


@hookspec
def vidgan_fit_end(run: TrainingRun, finished: bool) -> None:
    """Training has ended: `finished` is False when it was interrupted before its last step."""


@hookspec
def vidgan_crashed(run: TrainingRun, error: BaseException) -> None:
    """Training has ended with an error, which is raised after this."""
