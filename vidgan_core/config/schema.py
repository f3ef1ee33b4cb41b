"""The tables of a configuration, with the bounds and the defaults of every key of the core's.

A component's own options stand in its table beside them; `resolve` checks both.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from vidgan_core.training.schedule import Schedule, Shape

MOST = 2**53 - 1  # a count that every part of the program can hold, floats too
MAX_FRAMES = 4096  # of a clip that a network is trained on
MAX_SIDE = 16_384  # pixels
MAX_BATCH = 65_536
MAX_WORKERS = 128  # processes that read ahead

Positive = Annotated[int, Field(ge=1, le=MOST)]
Natural = Annotated[int, Field(ge=0, le=MOST)]
Weight = Annotated[float, Field(ge=-1e6, le=1e6)]
Rate = Annotated[float, Field(ge=0, le=1e3)]


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


class NetworkTable(ComponentTable):
    """A network. `spectral_norm` divides each layer's weight by its largest singular value."""

    spectral_norm: bool = False


def _frame_size(size: object) -> object:
    """Accept n or [height, width]. One rule, so that one message says it all."""
    numbers = size if isinstance(size, list) and len(size) == 2 else [size]
    if not all(type(n) is int and n >= 1 for n in numbers):
        raise ValueError("must be a number of pixels or [height, width]")
    if max(numbers) > MAX_SIDE:
        raise ValueError(f"must be at most {MAX_SIDE} pixels")
    return size


class DataTable(ComponentTable):
    """Which clips, in which shape, how many a batch, and how they are fetched.

    `workers` processes read ahead; 0: a thread does; "auto": 1 where clips are decoded on the way.
    `max_lost` is the fraction of files that may turn bad before the run stops.
    """

    frames: Annotated[int, Field(ge=1, le=MAX_FRAMES)] = 16
    size: Annotated[int | list[int], BeforeValidator(_frame_size)] = 64
    batch: Annotated[int, Field(ge=1, le=MAX_BATCH)] = 8
    workers: Annotated[int, Field(ge=0, le=MAX_WORKERS)] | Literal["auto"] = "auto"
    max_lost: Annotated[float, Field(ge=0, le=1)] = 0.05

    @property
    def height_width(self) -> tuple[int, int]:
        """The frame size, square unless two numbers were given."""
        return (self.size, self.size) if isinstance(self.size, int) else (*self.size,)  # type: ignore[return-value]


class TermTable(OptionsTable):
    """One term, named by the table's key: every k-th step, times weight and k.

    Two weights are the first and the last one: it moves along a cosine in between.
    """

    weight: Weight | tuple[Weight, Weight] = 1.0
    every: Positive = 1


class AugmentTable(OptionsTable):
    """One augmentation, named by the table's key: `p` is how likely it makes each of its changes.

    With a `target` p adapts, from 0 to at most `p`, so that this is the mean sign of the scores
    of real clips; `ramp` clips take it from 0 to 1 at the fastest.
    """

    p: Annotated[float, Field(ge=0, le=1)] = 1.0
    target: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ramp: Positive = 100_000


Beta = Annotated[float, Field(ge=0, lt=1)]


class TrainerTable(Table):
    """How the networks are trained.

    `d_lr` and `d_betas` are the discriminator's own; 0 and []: as the generator's. Schedules run
    over `decay_steps`; 0: over all steps. `ema_half_life` in clips, if not 0, stands for `ema`.
    """

    d_steps: Annotated[int, Field(ge=1, le=100_000)] = 1
    lr: Annotated[float, Field(gt=0, le=1e3)] = 2e-4
    d_lr: Rate = 0.0
    betas: tuple[Beta, Beta] = (0.5, 0.999)
    d_betas: tuple[Beta, Beta] | tuple[()] = ()
    schedule: Shape = "constant"
    warmup: Natural = 0
    decay_steps: Natural = 0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.995
    ema_half_life: Annotated[float, Field(ge=0, le=1e15)] = 0.0
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp64"] = "auto"
    channels_last: bool = True
    reuse_fakes: bool = True
    accumulate: Positive = 1
    sync_batchnorm: bool = False
    compile: bool = False
    max_skipped: Positive = 10


class CheckpointTable(Table):
    """How often a checkpoint is saved, and how many are kept.

    `best` names a number of the evaluation, such as fd-lite0: the checkpoint where it was best is
    kept as well.
    """

    every: Positive = 100
    keep: Positive = 3
    best: str = ""


class SamplesTable(Table):
    """How often sample pictures are made, and of how many clips."""

    every: Positive = 100
    count: Annotated[int, Field(ge=1, le=256)] = 16
    fps: Annotated[float, Field(ge=1, le=1000)] = 12.5


class LogTable(Table):
    """How many steps make a tick: a line in metrics.jsonl and on the screen."""

    every: Positive = 10


class EvalTable(Table):
    """How often a run is evaluated while it trains, and how.

    `every` 0: never. `metrics`: a group (none, fast, full) or names, between commas. `features`:
    names; all there are when empty. `n`: clips on each side, or what the real split offers.
    """

    every: Natural = 0
    n: Annotated[int, Field(ge=2, le=10_000_000)] = 256
    metrics: str = "fast"
    features: list[str] = []
    split: Literal["test", "train"] = "test"


class RunConfig(Table):
    """A whole configuration."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    steps: Positive = 300
    condition: list[str] = []
    data: DataTable
    generator: NetworkTable
    discriminator: NetworkTable
    loss: ComponentTable
    term: dict[str, TermTable] = {}
    augment: dict[str, AugmentTable] = {}
    trainer: TrainerTable = TrainerTable()
    checkpoint: CheckpointTable = CheckpointTable()
    samples: SamplesTable = SamplesTable()
    log: LogTable = LogTable()
    eval: EvalTable = EvalTable()
    metric: dict[str, OptionsTable] = {}
    features: dict[str, OptionsTable] = {}

    @property
    def horizon(self) -> int:
        """The steps over which schedules run."""
        return self.trainer.decay_steps or self.steps

    def rate(self, player: str, step: int) -> float:
        """Return the learning rate of a player's network at a step."""
        settings = self.trainer
        own = settings.d_lr if player == "discriminator" else 0.0
        rise = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
        falls = Schedule(own or settings.lr, 0.0, self.horizon, settings.schedule)
        return rise * falls(step)

    @property
    def ema_decay(self) -> float:
        """The decay a step of the generator's average."""
        half_life = self.trainer.ema_half_life
        return float(0.5 ** (self.data.batch / half_life)) if half_life else self.trainer.ema

    @property
    def depends_on_steps(self) -> bool:
        """Would another number of steps change the steps before?"""
        scheduled = self.trainer.schedule != "constant"
        fading = any(isinstance(table.weight, tuple) for table in self.term.values())
        return (scheduled or fading) and not self.trainer.decay_steps

    def toml(self) -> str:
        """Return the configuration as TOML that gives the same run again."""
        return tomli_w.dumps(self.model_dump(mode="json"))
