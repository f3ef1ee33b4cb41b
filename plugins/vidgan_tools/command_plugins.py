"""List, explain, create and check components."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidgan_core.cli.shared import as_json, discover, no_plugins, print_json, print_table
from vidgan_core.errors import printable
from vidgan_core.plugins.commands import commands
from vidgan_core.plugins.kinds import KINDS
from vidgan_core.streams import unescaped

if TYPE_CHECKING:
    from vidgan_core.plugins.discovery import Provider
    from vidgan_core.plugins.registry import Provided, Registry

KINDS_HELP = f"{', '.join(KINDS)}, hooks or command; repeatable."


@click.group("plugins", invoke_without_command=True)
@as_json
@no_plugins
@click.option("-v", "verbose", is_flag=True, help="Show tracebacks of plugins that failed.")
@click.pass_context
def command(ctx: click.Context, as_json: bool, no_plugins: bool, verbose: bool) -> None:
    """List all components, hooks, commands and recipes, with who provides them."""
    if ctx.invoked_subcommand is None:
        _list(as_json, no_plugins, verbose)


@command.command("list")
@as_json
@no_plugins
@click.option("-v", "verbose", is_flag=True, help="Show tracebacks of plugins that failed.")
def list_(as_json: bool, no_plugins: bool, verbose: bool) -> None:
    """List all components, hooks, commands and recipes (the same as `vidgan plugins`)."""
    _list(as_json, no_plugins, verbose)


@command.command()
@click.argument("name")
@as_json
@no_plugins
def info(name: str, as_json: bool, no_plugins: bool) -> None:
    """Explain the components named NAME: options with type, default, bounds and meaning."""
    from vidgan_core.errors import UsageError, did_you_mean

    registry = discover(no_plugins)
    found = [p for p in registry.all() if name in (p.component.name, registry.name_of(p))]
    if not found:
        names = {registry.name_of(p) for p in registry.all()}
        raise UsageError(f"no component named {name!r}", hint=did_you_mean(name, names))
    described = [_describe(registry, provided) for provided in found]
    if as_json:
        print_json(described)
        return
    for number, record in enumerate(described):
        if number:
            click.echo()
        _show(record)


@command.command()
@click.argument("name")
@click.option("--kind", "kinds", metavar="KIND", multiple=True, required=True, help=KINDS_HELP)
@no_plugins
def new(name: str, kinds: tuple[str, ...], no_plugins: bool) -> None:
    """Write a plugin to start from: the distribution NAME, such as vidgan-foo, in ./NAME.

    It can be installed, passes its own tests and trains without changes. --kind is repeatable.
    """
    from vidgan_core.cli import COMMANDS
    from vidgan_core.plugins.scaffold import write_plugin

    plugged = commands(COMMANDS, third_party=not no_plugins)
    registry = discover(no_plugins)
    folder = write_plugin(Path(), name, kinds, registry, {*COMMANDS, *plugged})
    click.echo(folder)
    click.echo(f"next: pip install -e {folder} && vidgan plugins check {name}", err=True)


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def check(names: tuple[str, ...]) -> None:
    """Run the conformance suites on every NAME: a component, plugin or distribution.

    Without a NAME, check everything that is installed.
    """
    from vidgan_core.errors import CheckError, ComponentError

    registry = discover(no_plugins=False)
    try:
        from vidgan_core.testing.check import check_plugins
    except ModuleNotFoundError as error:
        raise ComponentError(f"checks need {error.name}: pip install 'vidgan[test]'") from None
    with unescaped():  # pytest's colours
        passed = check_plugins(registry, names, click.echo)
    if not passed:
        raise CheckError("not every check passed")


def _list(as_json: bool, no_plugins: bool, verbose: bool) -> None:
    registry = discover(no_plugins)
    rows = [
        *(_record(registry, p) for p in registry.all()),
        *_hooks(registry),
        *_plugged(no_plugins),
        *_recipes(registry),
        *_failures(registry),
    ]
    if as_json:
        print_json(rows)
    else:
        columns = ("kind", "name", "status", "distribution", "version", "summary")
        shown = [row | {"summary": _summary(row)} for row in rows]
        print_table([list(columns), *([row[c] or "-" for c in columns] for row in shown)])
    if verbose:
        for failure in registry.failures:
            click.echo(f"\n{failure.provider}\n{failure.details}", err=True)


def _summary(row: dict[str, Any]) -> str:
    summary: str = row.get("reason", row["summary"])
    if not row.get("default"):
        return summary
    several = row["kind"] in KINDS and KINDS[row["kind"]].several
    return f"{summary} ({'on by default' if several else 'the default'})"


def _hooks(registry: Registry) -> Iterator[dict[str, Any]]:
    """Yield a record of every plugin that follows a run's life."""
    for plugin in registry.plugins:
        if plugin.hooks:
            yield _row("hooks", plugin.provider.module, plugin.provider, plugin.summary)


def _plugged(no_plugins: bool) -> Iterator[dict[str, Any]]:
    """Yield a record of every command that is not a part of vidgan_core."""
    from vidgan_core.cli import COMMANDS
    from vidgan_core.plugins.discovery import Provider

    for name, plugged in commands(COMMANDS, third_party=not no_plugins).items():
        module = plugged.target.partition(":")[0]
        provider = Provider(plugged.distribution, plugged.version, module)
        yield _row("command", name, provider, plugged.help)


def _recipes(registry: Registry) -> Iterator[dict[str, Any]]:
    from vidgan_core.plugins.recipes import recipes

    for recipe in recipes(registry):
        yield _row("recipe", recipe.name, recipe.provider, recipe.summary)


def _failures(registry: Registry) -> Iterator[dict[str, Any]]:
    for failure in registry.failures:
        row = _row(None, failure.provider.module, failure.provider, "")
        yield row | {"status": failure.status, "reason": failure.reason}


def _record(registry: Registry, provided: Provided) -> dict[str, Any]:
    component = provided.component
    row = _row(component.kind, registry.name_of(provided), provided.provider, component.summary)
    return row | {
        "status": "clash" if registry.name_of(provided) != component.name else "ok",
        "default": registry.is_default(provided),
    }


def _row(kind: str | None, name: str, provider: Provider, summary: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name,
        "distribution": provider.distribution,
        "version": provider.version,
        "status": "ok",
        "summary": summary,
    }


def _describe(registry: Registry, provided: Provided) -> dict[str, Any]:
    from dataclasses import asdict

    from vidgan_core.plugins.options import describe_options

    component = provided.component
    options = describe_options(registry.load(component.kind, registry.name_of(provided)))
    return _record(registry, provided) | {
        "usual": dict(component.usual),
        "options": [asdict(option) for option in options],
    }


def _show(record: dict[str, Any]) -> None:
    from vidgan_core.config.sources import flat

    click.echo(printable(f"{record['kind']} {record['name']}: {_summary(record)}"))
    click.echo(printable(f"from {record['distribution']} {record['version']}"))
    if record["usual"]:
        usual = ", ".join(f"{key}={json.dumps(v)}" for key, v in flat(record["usual"]).items())
        click.echo(printable(f"usually with {usual}"))
    info = KINDS[record["kind"]]
    table = f"{info.table}.{record['name']}" if info.several else info.table or info.name
    if not record["options"]:
        click.echo("no options")
        return
    rows = [
        [f"{table}.{o['name']}", o["type"], o["default"], o["bounds"], o["meaning"]]
        for o in record["options"]
    ]
    print_table([["option", "type", "default", "bounds", "meaning"], *rows])
