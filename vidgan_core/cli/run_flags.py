"""What the user said to `vidgan run`, layer over layer: files, recipes, flags, --set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidgan_core.cli.shared import name_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vidgan_core.config.sources import ConfigSources
    from vidgan_core.plugins.registry import Registry

# Which value of the configuration a flag sets.
FLAGS = {
    "gen": ("generator", "name"),
    "disc": ("discriminator", "name"),
    "loss": ("loss", "name"),
    "task": ("task", "name"),
    "steps": ("steps",),
    "batch": ("data", "batch"),
    "seed": ("seed",),
    "device": ("trainer", "device"),
    "precision": ("trainer", "precision"),
    "eval_every": ("eval", "every"),
}
AUTO = "auto"


def written(file: str | None, resume: str | None, registry: Registry) -> ConfigSources:
    """Start with what is written down: the run to go on with, then a file or a recipe."""
    from vidgan_core.config.sources import ConfigSources
    from vidgan_core.plugins.recipes import PREFIX, find_recipe
    from vidgan_core.runs.folder import RunDir

    layers = ConfigSources()
    if resume not in (None, AUTO):
        layers.add_file(RunDir.open(Path(str(resume))).config_file)
    if file and file.startswith(PREFIX):
        layers.add_text(find_recipe(registry, file.removeprefix(PREFIX)).text, file)
    elif file:
        layers.add_file(Path(file))
    return layers


def add_flags(
    layers: ConfigSources,
    named: Mapping[str, tuple[str, ...]],
    data: str | None,
    settings: tuple[str, ...],
    flags: dict[str, Any],
) -> None:
    """Lay the command line over it; flags by the names in `FLAGS`."""
    for name, place in FLAGS.items():
        if flags[name] is not None:
            layers.add(place, flags[name], f"--{name.replace('_', '-')}")
    if data is not None:
        name_data(layers, data)
    for table, names in named.items():
        if "none" in names:
            layers.values[table] = {}
        for name in names:
            if name != "none":
                layers.add((table, name), {}, f"--{table}")
    for setting in settings:
        layers.add_setting(setting)
