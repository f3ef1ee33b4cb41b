"""What several commands share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from vidgan_core.training.distributed.env import local_rank

if TYPE_CHECKING:
    from vidgan_core.config.sources import ConfigSources
    from vidgan_core.plugins.registry import Registry

no_plugins = click.option(
    "--no-plugins", is_flag=True, help="Leave third-party plugins out (or set VIDGAN_PLUGINS)."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
settings = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Any value of the configuration, such as trainer.lr=1e-4; repeatable.",
)
device = click.option("--device", help="auto, cpu, cuda or cuda:1.")


def discover(no_plugins: bool) -> Registry:
    """Find the plugins; say on stderr which are broken."""
    from vidgan_core.plugins.registry import Registry

    registry = Registry.discover(third_party=not no_plugins)
    for complaint in registry.complaints() if local_rank() == 0 else ():
        click.echo(f"warning: {complaint}", err=True)
    return registry


def name_data(layers: ConfigSources, data: str) -> None:
    """Lay the value of --data over what was given before."""
    from vidgan_core.config.sources import data_settings

    settings = data_settings(data)
    for key, value in settings.items():
        layers.add(("data", key), value, f"--data {data}" if "path" in settings else "--data")


def print_json(value: Any) -> None:
    """Print a result for programs."""
    click.echo(json.dumps(value, indent=1))


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values in two columns."""
    print_table([[f"{name}:", str(value)] for name, value in facts])


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())
