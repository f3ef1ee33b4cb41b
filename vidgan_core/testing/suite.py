"""What all suites share: which components they check, and how they make one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, ClassVar, cast

import pytest
import torch

from vidgan_core.config.schema import RunConfig
from vidgan_core.interfaces import Game
from vidgan_core.plugins.component import Component
from vidgan_core.plugins.discovery import canonical
from vidgan_core.plugins.kinds import KINDS, Kind
from vidgan_core.plugins.options import describe_options, options_model
from vidgan_core.plugins.registry import Provided, Registry


@dataclass(frozen=True)
class Subject:
    """A component under test; its class is imported by the check that needs it."""

    component: Component
    load: Callable[[], Any]

    def make(self, *arguments: object, seed: int = 0, **options: object) -> Any:
        """Build one; its weights are a function of the seed. Options that it lacks are ignored."""
        target = self.load()
        known = options_model(target).model_fields
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return target(*arguments, **{k: v for k, v in options.items() if k in known})


@cache
def registry() -> Registry:
    """Discover the plugins once a session."""
    return Registry.discover()


def subject_of(provided: Provided) -> Subject:
    """Return a registered component as a subject."""
    component, name = provided.component, registry().name_of(provided)
    return Subject(component, partial(registry().load, component.kind, name))


@cache
def players() -> Mapping[str, Kind]:
    """Return the players of all installed games, with the kind of their network."""
    games = [registry().load("game", name) for name in registry().names("game")]
    return {name: kind for game in games for name, kind in cast(type[Game], game).players.items()}


class Suite:
    """The checks of one kind of component.

    `distribution` narrows them to the components of one installed distribution. `options` are
    given to each component that has an option of that name: small networks are checked quickly.
    """

    kind: ClassVar[Kind]
    distribution: ClassVar[str | None] = None
    options: ClassVar[Mapping[str, object]] = {"width": 4}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every check once a component."""
        if "subject" in metafunc.fixturenames:
            subjects = self.subjects()
            metafunc.parametrize("subject", subjects, ids=[s.component.name for s in subjects])

    def subjects(self) -> list[Subject]:
        """Return the components to check."""
        return [
            subject_of(p)
            for p in registry().all(self.kind)
            if self.distribution is None
            or canonical(p.provider.distribution) == canonical(self.distribution)
        ]

    def make(self, subject: Subject, *arguments: object, seed: int = 0) -> Any:
        """Build the component with the suite's options."""
        return subject.make(*arguments, seed=seed, **self.options)

    def test_options(self, subject: Subject) -> None:
        """Every option has a type, a default that is within its bounds, and a meaning."""
        target = subject.load()
        options_model(target)()
        for option in describe_options(target):
            assert option.type
            assert option.meaning, f"say what {option.name} means: Annotated[..., doc('...')]"

    def test_usual(self, subject: Subject) -> None:
        """What the record calls usual is there: tables of the configuration, components by name."""
        kinds = {info.table: kind for kind, info in KINDS.items() if info.table} | {**players()}
        for table, keys in subject.component.usual.items():
            known = table in kinds or table in RunConfig.model_fields
            assert known, f"no table of a configuration is called {table!r}"
            if table in kinds:
                several = KINDS[kinds[table]].several
                names = set(keys) if several else {keys[key] for key in keys if key == "name"}
                unknown = names - set(registry().names(kinds[table]))
                assert not unknown, f"there is no {kinds[table]} named {', '.join(unknown)}"
