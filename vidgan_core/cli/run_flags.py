"""What the user asks of `vidgan run`: files, recipes, flags, --set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vidgan_core.config.sources import ConfigSources
    from vidgan_core.plugins.registry import Registry


def read_sources(file: str | None, resume: str | None, registry: Registry) -> ConfigSources:
    """Start with files: the run to go on with, then a file or a recipe."""
    from vidgan_core.config.sources import ConfigSources
    from vidgan_core.plugins.recipes import PREFIX, find_recipe
    from vidgan_core.runs.folder import RunDir

    sources = ConfigSources()
    if resume not in (None, "auto"):
        sources.add_file(RunDir.open(Path(str(resume))).config_file)
    if file and file.startswith(PREFIX):
        sources.add_text(find_recipe(registry, file.removeprefix(PREFIX)).text, file)
    elif file:
        sources.add_file(Path(file))
    return sources


def add_flags(
    sources: ConfigSources,
    named: Mapping[str, tuple[str, ...]],
    data: str | None,
    settings: tuple[str, ...],
    flags: dict[str, Any],
) -> None:
    """Lay the command line over it; flags by their short names."""
    from vidgan_core.config.sources import SHORT

    for name, place in SHORT.items():
        if flags[name] is not None:
            sources.add(place, flags[name], f"--{name.replace('_', '-')}")
    if data is not None:
        sources.add_data(data)
    for table, names in named.items():
        if "none" in names:
            sources.values[table] = {}
        for name in names:
            if name != "none":
                sources.add((table, name), {}, f"--{table}")
    for setting in settings:
        sources.add_setting(setting)
