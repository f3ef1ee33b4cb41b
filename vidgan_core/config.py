"""The tables of a configuration, with the bounds and the defaults of every key of the core's.

A component's own options stand in its table beside them; `resolve` checks both.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Positive = Annotated[int, Field(ge=1)]


class Table(BaseModel):
    """A table whose keys are all known."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OptionsTable(Table):
    """A table of the core's that also holds a component's own options."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    @property
    def options(self) -> dict[str, Any]:
        """The component's own options: everything that is not the core's."""
        return dict(self.__pydantic_extra__ or {})


class ComponentTable(OptionsTable):
    """A table that names its component."""

    name: str


def _frame_size(size: object) -> object:
    """Accept n or [height, width]. One rule, so that one message says it all."""
    numbers = size if isinstance(size, list) and len(size) == 2 else [size]
    if not all(type(n) is int and n >= 1 for n in numbers):
        raise ValueError("must be a number of pixels or [height, width]")
    return size


class DataTable(ComponentTable):
    """Which clips, in which shape, how many a batch, and how they are fetched.

    `workers` processes read ahead; 0: a thread does; "auto": 1 where clips are decoded on the way.
    `max_lost` is the fraction of files that may turn bad before the run stops.
    """

    frames: Positive = 16
    size: Annotated[int | list[int], BeforeValidator(_frame_size)] = 64
    batch: Positive = 8
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    max_lost: Annotated[float, Field(ge=0, le=1)] = 0.05

    @property
    def height_width(self) -> tuple[int, int]:
        """The frame size, square unless two numbers were given."""
        return (self.size, self.size) if isinstance(self.size, int) else (*self.size,)  # type: ignore[return-value]


class TermTable(OptionsTable):
    """One term, named by the table's key: every k-th step, times weight and k."""

    weight: float = 1.0
    every: Positive = 1


class TrainerTable(Table):
    """How the networks are trained."""

    d_steps: Positive = 1
    lr: Annotated[float, Field(gt=0)] = 2e-4
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (
        0.5,
        0.999,
    )
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.995
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp64"] = "auto"
    channels_last: bool = True
    reuse_fakes: bool = True
    accumulate: Positive = 1
    sync_batchnorm: bool = False
    compile: bool = False
    max_skipped: Positive = 10


class CheckpointTable(Table):
    """How often a checkpoint is saved, and how many are kept."""

    every: Positive = 100
    keep: Positive = 3


class SamplesTable(Table):
    """How often sample pictures are made, and of how many clips."""

    every: Positive = 100
    count: Annotated[int, Field(ge=1, le=256)] = 16
    fps: Annotated[float, Field(ge=1, le=1000)] = 12.5


class LogTable(Table):
    """How many steps make a tick: a line in metrics.jsonl and on the screen."""

    every: Positive = 10


class RunConfig(Table):
    """A whole configuration."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    steps: Positive = 300
    condition: list[str] = []
    data: DataTable
    generator: ComponentTable
    discriminator: ComponentTable
    loss: ComponentTable
    term: dict[str, TermTable] = {}
    trainer: TrainerTable = TrainerTable()
    checkpoint: CheckpointTable = CheckpointTable()
    samples: SamplesTable = SamplesTable()
    log: LogTable = LogTable()

    def toml(self) -> str:
        """Return the configuration as TOML that gives the same run again."""
        return tomli_w.dumps(self.model_dump(mode="json"))
