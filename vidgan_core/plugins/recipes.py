"""Whole configurations that come with plugins: TOML files in the folder `recipes` of a package."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vidgan_core.errors import ComponentError, UsageError, did_you_mean
from vidgan_core.plugins.discovery import Provider, plain

if TYPE_CHECKING:
    from vidgan_core.plugins.registry import Registry

FOLDER = "recipes"
PREFIX = "recipe:"  # of what `-c` takes in place of a file


@dataclass(frozen=True, slots=True)
class Recipe:
    """A configuration that a plugin ships, and what its first line says of it."""

    name: str
    text: str
    provider: Provider

    @property
    def summary(self) -> str:
        """The comment in the first line."""
        first = self.text.partition("\n")[0]
        return plain(first.removeprefix("#").strip()) if first.startswith("#") else ""


def recipes(registry: Registry) -> list[Recipe]:
    """Return the recipes of all healthy plugins, by name."""
    found = (recipe for plugin in registry.plugins for recipe in _recipes(plugin.provider))
    return sorted(found, key=lambda recipe: recipe.name)


def find_recipe(registry: Registry, name: str) -> Recipe:
    """Return the recipe of a name.

    Raises UsageError, with the nearest name, if there is none, and ComponentError if two plugins
    have one.
    """
    everything = recipes(registry)
    found = [recipe for recipe in everything if recipe.name == name]
    if not found:
        known = {recipe.name for recipe in everything}
        raise UsageError(f"no recipe named {name!r}", hint=did_you_mean(name, known))
    if len(found) > 1:
        who = " and ".join(str(recipe.provider) for recipe in found)
        raise ComponentError(f"recipe {name!r} is provided twice: by {who}")
    return found[0]


def _recipes(provider: Provider) -> Iterator[Recipe]:
    """Read those next to a manifest; one that is a plain module has no folder of its own."""
    manifest = sys.modules.get(provider.module)
    spec = manifest.__spec__ if manifest else None
    for package in (spec.submodule_search_locations or ()) if spec else ():
        for file in Path(package, FOLDER).glob("*.toml"):
            with contextlib.suppress(OSError):
                text = file.read_bytes().decode("utf-8", "replace")
                yield Recipe(plain(file.stem), text, provider)
