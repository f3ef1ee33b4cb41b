"""What several commands share."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from vidgan_core.errors import printable
from vidgan_core.streams import to_nowhere
from vidgan_core.training.distributed.env import local_rank

if TYPE_CHECKING:
    from vidgan_core.plugins.registry import Registry

NO_PLUGINS = "--no-plugins"

no_plugins = click.option(
    NO_PLUGINS, is_flag=True, help="Ignore third-party plugins (see also VIDGAN_PLUGINS)."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
settings = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Any value of the configuration, such as optimizer.lr=1e-4; repeatable.",
)
device = click.option("--device", help="Device: auto, cpu, cuda or cuda:1.")


def discover(no_plugins: bool) -> Registry:
    """Find the plugins, say on stderr which are broken, and let them prepare this process."""
    from vidgan_core.plugins.registry import Registry

    context = click.get_current_context(silent=True)
    hidden = no_plugins or bool(context and context.meta.get(NO_PLUGINS))
    registry = Registry.discover(third_party=not hidden)
    for complaint in registry.complaints() if local_rank() == 0 else ():
        click.echo(f"warning: {complaint}", err=True)
    registry.announce("vidgan_prepare_process")
    return registry


def print_json(value: Any) -> None:
    """Print a result for programs."""
    import json

    click.echo(json.dumps(value, indent=1))


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values in two columns."""
    print_table([[f"{name}:", str(value)] for name, value in facts])


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in aligned columns; a row is a line, whatever is in its cells."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def finish(text: str) -> None:
    """Print the last line of work that is done, whether or not somebody reads it."""
    try:
        if sys.stdout is not None:
            click.echo(printable(text))
            sys.stdout.flush()
    except OSError:
        to_nowhere(sys.stdout)
