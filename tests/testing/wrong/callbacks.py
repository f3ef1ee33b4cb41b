"""A callback that is right, and others that break one property each."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge

from vidgan_core.interfaces import Callback, TrainingRun


class RightCallback(Callback):
    """Writes a line a report, and adds a scalar."""

    def __init__(self) -> None:
        self.file = None

    def fit_start(self, run: TrainingRun) -> None:
        self.file = (run.folder.path / "lines.txt").open("a")

    def step_end(self, run: TrainingRun, scalars: dict[str, float] | None) -> None:
        if scalars is not None:
            scalars["half"] = scalars["seconds"] / 2
            self.file.write(f"{run.step}\n")

    def close(self) -> None:
        if self.file:
            self.file.close()


class Failing(RightCallback):
    """Makes a folder that is there when the run goes on."""

    def fit_start(self, run: TrainingRun) -> None:
        super().fit_start(run)
        if run.step:
            (run.folder.path / "lines.txt").open("x")


class Shrinking(RightCallback):
    def checkpoint_saved(self, run: TrainingRun, path: Path) -> None:
        for network in run.networks.values():
            for weight in network.parameters():
                weight.data.mul_(0.99)


class Seeding(RightCallback):
    def fit_end(self, run: TrainingRun, finished: bool) -> None:
        torch.manual_seed(random.getrandbits(32))


class Tensors(RightCallback):
    def step_end(self, run: TrainingRun, scalars: dict[str, float] | None) -> None:
        super().step_end(run, scalars)
        if scalars is not None:
            scalars["tensor"] = torch.zeros(())


class Rounding(RightCallback):
    def step_end(self, run: TrainingRun, scalars: dict[str, float] | None) -> None:
        super().step_end(run, scalars)
        if scalars is not None:
            scalars["generator/loss"] = round(scalars["generator/loss"], 1)


class Fragile(RightCallback):
    def crashed(self, run: TrainingRun, error: BaseException) -> None:
        raise error.__cause__.__cause__  # there is none


class Held(RightCallback):
    """What a crash leaves held is in the way of the next run."""

    held = False

    def after_step(self, run: TrainingRun) -> None:
        if run.step == 3:
            assert not Held.held
            Held.held = True

    def fit_end(self, run: TrainingRun, finished: bool) -> None:
        Held.held = False


class Unopened(RightCallback):
    def close(self) -> None:
        self.file.close()


class Pickling(RightCallback):
    def fit_end(self, run: TrainingRun, finished: bool) -> None:
        (run.folder.path / "state").write_bytes(pickle.dumps({"step": run.step}))


class Archiving(RightCallback):
    def fit_end(self, run: TrainingRun, finished: bool) -> None:
        torch.save({"step": run.step}, run.folder.path / "state.pt")


class Unexplained(RightCallback):
    def __init__(self, *, every: Annotated[int, Ge(1)] = 1) -> None:
        super().__init__()


CALLBACKS = {
    Failing: "run",
    Shrinking: "changes_nothing",
    Seeding: "leaves_the_process_alone",
    Tensors: "scalars",
    Rounding: "scalars",
    Fragile: "crash",
    Held: "crash",
    Unopened: "close",
    Pickling: "no_pickle",
    Archiving: "no_pickle",
    Unexplained: "options",
}
