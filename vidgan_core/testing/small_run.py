"""Small runs that suites try components in: a few steps of small networks, nothing else on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pluggy
import torch
from torch import Tensor

from vidgan_core.config.resolve import resolve
from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import ConfigSources
from vidgan_core.interfaces import Callback
from vidgan_core.plugins import hookspecs
from vidgan_core.plugins.component import Component
from vidgan_core.plugins.discovery import GROUP, Provider
from vidgan_core.plugins.kinds import Kind
from vidgan_core.plugins.options import options_model
from vidgan_core.plugins.registry import Provided, Registry
from vidgan_core.runs import checkpoint
from vidgan_core.runs.folder import RunDir
from vidgan_core.testing.suite import Subject, registry
from vidgan_core.training.run import Run

SETTINGS = (
    *("data.name=shapes", "data.frames=4", "data.size=16", "data.batch=4", "data.workers=0"),
    *("trainer.device=cpu", "trainer.precision=fp32", "trainer.report_every=1"),
)
NOBODY = Provider("conformance", "0", "vidgan_core.testing")


class WithSubjects(Registry):
    """The installed components, and others in their place or added to them; no lifecycle hooks."""

    def __init__(self, base: Registry, subjects: Sequence[Subject]) -> None:
        vars(self).update(vars(base))
        self.failures = []
        self.hooks = pluggy.PluginManager(GROUP)
        self.hooks.add_hookspecs(hookspecs)
        self._subjects = {(s.component.kind, s.component.name): s for s in subjects}
        found = {place: self._as_provided(place, base) for place in self._subjects}
        self._provided = base._provided | {place: [each] for place, each in found.items()}

    def _as_provided(self, place: tuple[Kind, str], base: Registry) -> Provided:
        there = base._provided.get(place)
        return Provided(self._subjects[place].component, there[0].provider if there else NOBODY)

    def load(self, kind: Kind, name: str) -> type:
        """Return the class of a subject, or import that of an installed component."""
        if subject := self._subjects.get((kind, name)):
            target: type = subject.load()
            return target
        return super().load(kind, name)


def stand_in(kind: Kind, target: type) -> Subject:
    """Return a class of a suite's own as a subject."""
    return Subject(Component(kind, target.__name__, "vidgan_core.testing:None", ""), lambda: target)


def small_config(
    found: Registry, settings: Sequence[str], options: Mapping[str, object]
) -> RunConfig:
    """Resolve a small configuration; `options` are given to each network that has them."""

    def resolved(*more: str) -> RunConfig:
        sources = ConfigSources()
        off = (f"callback.{name}.enabled=false" for name in found.defaults("callback"))
        for setting in (*SETTINGS, *off, *settings, *more):
            sources.add_setting(setting)
        return resolve(sources, found)

    config = resolved()
    players = found.load("game", config.game.name).players  # type: ignore[attr-defined]
    return resolved(
        *(
            f"{player}.{option}={json.dumps(value)}"
            for player, kind in players.items()
            for option, value in options.items()
            if option in options_model(found.load(kind, config.networks[player].name)).model_fields
        )
    )


def make_run(
    subjects: Sequence[Subject] = (),
    settings: Sequence[str] = (),
    options: Mapping[str, object] | None = None,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Make a run of a small configuration, which has no folder yet."""
    found = WithSubjects(registry(), subjects)
    return Run(small_config(found, settings, options or {}), found, callbacks=callbacks)


def trained(
    make: Callable[[int], Run], folder: Path, *stops: int
) -> tuple[list[Run], dict[str, Tensor]]:
    """Train to the steps `stops` in turn, resumed in between; return the runs and all tensors.

    `make` returns the run of a number of steps.
    """
    runs = []
    for number, steps in enumerate(stops):
        run = make(steps)
        if number:
            run.resume(RunDir.open(folder), checkpoint.newest(RunDir(folder).checkpoints))
        else:
            run.begin(RunDir.create(folder, "run"))
        assert run.fit()
        runs.append(run)
    saved = checkpoint.newest(RunDir(folder).checkpoints)
    assert saved is not None
    return runs, {**saved.model, **saved.train}


@contextmanager
def new_folder() -> Iterator[Path]:
    """Make the path of a folder that is not there yet, and remove it at the end."""
    with TemporaryDirectory(prefix="vidgan-conformance-") as parent:
        yield Path(parent) / "run"


def different(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> list[str]:
    """Return the names of tensors that are not the same to the last bit."""
    names = sorted({*first, *second})
    return [
        name
        for name in names
        if name not in first or name not in second or not torch.equal(first[name], second[name])
    ]
