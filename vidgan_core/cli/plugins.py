"""`vidgan plugins`: what there is to train with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vidgan_core.cli.common import as_json, discover, no_plugins, print_json, print_table

if TYPE_CHECKING:
    from vidgan_core.plugins import Provided, Registry


@click.group("plugins", invoke_without_command=True)
@as_json
@no_plugins
@click.option("-v", "verbose", is_flag=True, help="Show tracebacks of plugins that failed.")
@click.pass_context
def command(ctx: click.Context, as_json: bool, no_plugins: bool, verbose: bool) -> None:
    """List architectures, losses, terms and data sets, and where they come from."""
    if ctx.invoked_subcommand is None:
        _list(as_json, no_plugins, verbose)


@command.command("list")
@as_json
@no_plugins
@click.option("-v", "verbose", is_flag=True, help="Show tracebacks of plugins that failed.")
def list_(as_json: bool, no_plugins: bool, verbose: bool) -> None:
    """List all components (the same as plain `vidgan plugins`)."""
    _list(as_json, no_plugins, verbose)


@command.command()
@click.argument("name")
@as_json
@no_plugins
def info(name: str, as_json: bool, no_plugins: bool) -> None:
    """Show everything called NAME: its options with type, default, bounds and meaning."""
    from vidgan_core.errors import UsageError, did_you_mean

    registry = discover(no_plugins)
    found = [p for p in registry.all() if p.component.name == name]
    if not found:
        names = {p.component.name for p in registry.all()}
        raise UsageError(f"no component named {name!r}", hint=did_you_mean(name, names))
    described = [_describe(registry, provided) for provided in found]
    if as_json:
        print_json(described)
        return
    for number, record in enumerate(described):
        if number:
            click.echo()
        _show(record)


def _list(as_json: bool, no_plugins: bool, verbose: bool) -> None:
    registry = discover(no_plugins)
    names = [(p.component.kind, p.component.name) for p in registry.all()]
    rows = [
        _record(p)
        | {"status": "ok" if names.count((p.component.kind, p.component.name)) == 1 else "clash"}
        for p in registry.all()
    ]
    if as_json:
        failed = [
            {
                "kind": None,
                "name": f.provider.module,
                "distribution": f.provider.distribution,
                "version": f.provider.version,
                "status": "failed",
                "reason": f.reason,
            }
            for f in registry.failures
        ]
        print_json(rows + failed)
        return
    columns = ("kind", "name", "status", "distribution", "version", "summary")
    print_table([list(columns), *([row[c] for c in columns] for row in rows)])
    if verbose:
        for failure in registry.failures:
            click.echo(f"\n{failure.provider}\n{failure.details}", err=True)


def _record(provided: Provided) -> dict[str, Any]:
    component = provided.component
    return {
        "kind": component.kind,
        "name": component.name,
        "distribution": provided.provider.distribution,
        "version": provided.provider.version,
        "summary": component.summary,
    }


def _describe(registry: Registry, provided: Provided) -> dict[str, Any]:
    from dataclasses import asdict

    from vidgan_core.options import describe_options

    component = provided.component
    options = describe_options(registry.load(component.kind, component.name))
    return _record(provided) | {
        "usual": dict(component.usual),
        "options": [asdict(option) for option in options],
    }


def _show(record: dict[str, Any]) -> None:
    click.echo(f"{record['kind']} {record['name']}: {record['summary']}")
    click.echo(f"from {record['distribution']} {record['version']}")
    if record["usual"]:
        usual = ", ".join(f"{key} {value}" for key, value in record["usual"].items())
        click.echo(f"usually with {usual}")
    table = {"dataset": "data", "term": f"term.{record['name']}"}.get(
        record["kind"], record["kind"]
    )
    if not record["options"]:
        click.echo("no options")
        return
    rows = [
        [f"{table}.{o['name']}", o["type"], o["default"], o["bounds"], o["meaning"]]
        for o in record["options"]
    ]
    print_table([["option", "type", "default", "bounds", "meaning"], *rows])
