"""The kinds of components: the one place that lists them. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

Kind = str  # a key of `KINDS`


@dataclass(frozen=True, slots=True)
class KindInfo:
    """A kind of component.

    `base` is the class of `vidgan_core.interfaces` that its components derive from, `noun` what
    messages call it. `table` is where a configuration chooses one: a table that names it, or with
    `several` a table of tables by name; networks have the table of their player. The suite of a
    kind is `vidgan_core.testing.{Name}Suite`, its template `templates/{name}.py.j2`.
    """

    name: Kind
    base: str
    noun: str
    table: str = ""
    several: bool = False

    @property
    def suite(self) -> str:
        """The name of the conformance suite."""
        return f"{self.name.capitalize()}Suite"


KINDS: Mapping[Kind, KindInfo] = {
    info.name: info
    for info in (
        KindInfo("generator", "Generator", "generator"),
        KindInfo("discriminator", "Discriminator", "discriminator"),
        KindInfo("loss", "Loss", "loss", "loss"),
        KindInfo("term", "Term", "term", "term", several=True),
        KindInfo("augment", "Augment", "augmentation", "augment", several=True),
        KindInfo("game", "Game", "game", "game"),
        KindInfo("optimizer", "OptimizerFactory", "optimizer", "optimizer"),
        KindInfo("dataset", "Dataset", "data set", "data"),
        KindInfo("task", "Task", "task", "task"),
        KindInfo("features", "Features", "features", "features", several=True),
        KindInfo("metric", "Metric", "metric", "metric", several=True),
        KindInfo("callback", "Callback", "callback", "callback", several=True),
    )
}


def base_class(kind: Kind) -> type:
    """Import and return the interface that components of a kind implement."""
    base: type = getattr(import_module("vidgan_core.interfaces"), KINDS[kind].base)
    return base
