"""Hello: a plugin for vidgan.

This manifest is imported whenever vidgan lists plugins, so it is quick and imports no torch.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from vidgan_core import Component, hookimpl

if TYPE_CHECKING:
    from vidgan_core.interfaces import TrainingRun

VIDGAN_API = 2  # the version of vidgan's hooks and interfaces that this was written for
COLUMNS = ("discriminator/loss", "generator/loss")


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce what there is; a target is imported when it is used."""
    yield Component(
        "generator",
        "hello",
        "vidgan_hello.generator:HelloGenerator",
        "a block of features, doubled three times in height and width",
        usual={"discriminator": {"name": "hello"}},
    )
    yield Component(
        "discriminator",
        "hello",
        "vidgan_hello.discriminator:HelloDiscriminator",
        "scores of patches after three halvings of height and width",
    )
    yield Component(
        "loss",
        "hello",
        "vidgan_hello.loss:HelloLoss",
        "log-likelihood with one-sided label smoothing (Salimans et al. 2016)",
    )


@hookimpl
def vidgan_step_end(run: TrainingRun, scalars: Mapping[str, float] | None) -> None:
    """Add a line a tick to hello.csv in the run's folder."""
    if scalars is None:
        return
    path = run.folder.path / "hello.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        lines = csv.writer(file)
        if new:
            lines.writerow(["step", *COLUMNS])
        lines.writerow([run.step, *(scalars.get(column) for column in COLUMNS)])
