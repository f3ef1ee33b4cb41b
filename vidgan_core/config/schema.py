"""The tables of a configuration, with the bounds and the defaults of every key of the core's.

A component's own options are in the same table; `resolve` checks both.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

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
    """The network of a player.

    `spectral_norm` divides each layer's weight by its largest singular value. `hidden` names fields
    of the condition that it is not given. A discriminator with `concat` is shown the clips and
    label maps of the condition joined with the clip. `optimizer` holds what differs from the table
    of all optimizers.
    """

    spectral_norm: bool = False
    hidden: list[str] = []
    concat: bool = False
    optimizer: dict[str, Any] = {}


class LossTable(ComponentTable):
    """The adversarial loss: its weight, and the first step at which it acts.

    Until then only terms are minimised, and critics are not run.
    """

    weight: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    start: Natural = 0


class OptimizerTable(ComponentTable):
    """The optimizer of every network, and its learning rate."""

    lr: Annotated[float, Field(gt=0, le=1e3)] = 2e-4


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

    `channels`: 1 for grey, 3 for colours, 4 for colours and alpha.
    `workers` processes read ahead; 0: a thread does; "auto": 1 where clips are decoded on the way.
    `max_lost` is the fraction of files that may turn bad before the run stops.
    """

    frames: Annotated[int, Field(ge=1, le=MAX_FRAMES)] = 16
    channels: Literal[1, 3, 4] = 3
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


class TrainerTable(Table):
    """How the networks are trained.

    Schedules of rates run over `decay_steps`; 0: over all steps. `ema_half_life` in clips, if not
    0, stands for `ema`. Means of the scalars are reported every `report_every` steps.
    """

    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: Natural = 0
    decay_steps: Natural = 0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.995
    ema_half_life: Annotated[float, Field(ge=0, le=1e15)] = 0.0
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp64"] = "auto"
    channels_last: bool = True
    accumulate: Positive = 1
    sync_batchnorm: bool = False
    compile: bool = False
    max_skipped: Positive = 10
    report_every: Positive = 10


class CheckpointTable(Table):
    """How often a checkpoint is saved, and how many are kept.

    `best` names a number of the evaluation, such as fd-lite0: the checkpoint where it was best is
    kept as well.
    """

    every: Positive = 100
    keep: Positive = 3
    best: str = ""


class CallbackTable(OptionsTable):
    """One callback, named by the table's key."""

    enabled: bool = True


class RunConfig(Table):
    """A whole configuration. The game's players have a table each, under their own name."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, NetworkTable] = Field(init=False)

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    steps: Positive = 300
    condition: list[str] = []
    data: DataTable
    task: ComponentTable
    game: ComponentTable
    loss: LossTable
    optimizer: OptimizerTable
    term: dict[str, TermTable] = {}
    augment: dict[str, AugmentTable] = {}
    trainer: TrainerTable = TrainerTable()
    checkpoint: CheckpointTable = CheckpointTable()
    callback: dict[str, CallbackTable] = {}
    metric: dict[str, OptionsTable] = {}
    features: dict[str, OptionsTable] = {}

    @property
    def networks(self) -> dict[str, NetworkTable]:
        """The tables of the players' networks."""
        return self.__pydantic_extra__

    def optimizer_of(self, player: str) -> OptimizerTable:
        """Return the optimizer's table of a player: its own over that of all."""
        return OptimizerTable.model_validate(self.merged_optimizer(player))

    def merged_optimizer(self, player: str) -> dict[str, Any]:
        """Return the keys of `optimizer_of`, not validated."""
        own, common = self.networks[player].optimizer, self.optimizer.model_dump(mode="json")
        if own.get("name", common["name"]) != common["name"]:
            common = {"lr": common["lr"]}  # another optimizer's options are not its own
        return common | own

    @property
    def horizon(self) -> int:
        """The steps over which schedules run."""
        return self.trainer.decay_steps or self.steps

    @property
    def ema_decay(self) -> float:
        """The decay a step of a network's average."""
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
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def core_table(table: str) -> type[Table]:
    """Return the model of a table of the configuration: the keys in it that are the core's."""
    annotation: Any = RunConfig.model_fields[table].annotation
    inner = get_args(annotation)[1] if get_origin(annotation) is dict else annotation
    model: type[Table] = inner
    return model
