"""Check your own videos and show the clips of training."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vidgan_core.cli.shared import (
    as_json,
    discover,
    no_plugins,
    print_json,
    settings,
)

if TYPE_CHECKING:
    from vidgan_core.interfaces import Dataset


@click.group("data")
def command() -> None:
    """Check your own videos and show the clips of training."""


@command.command()
@click.argument("data", metavar="PATH|NAME")
@settings
@click.option("--again", is_flag=True, help="Also read files that have not changed.")
@as_json
@no_plugins
def check(
    data: str, settings: tuple[str, ...], again: bool, as_json: bool, no_plugins: bool
) -> None:
    """Read every file of a data set strictly, and list the files that training will not use.

    Exit status 4 if a file is damaged or none can be used. Results are remembered; only new and
    changed files are read.
    """
    from vidgan_core.errors import CheckError, printable

    dataset = _build(data, settings, no_plugins)
    records = dataset.check(again=again)
    if as_json:
        print_json(list(records))
    for record in records if not as_json else ():
        if record["status"] != "ok":
            click.echo(f"{printable(record['name'])}: {record['status']}: {record['reason']}")
    found = Counter(record["status"] for record in records)
    counts = ", ".join(f"{n} {status}" for status, n in sorted(found.items()))
    click.echo(counts or "no files to check", err=True)
    if found["damaged"]:
        raise CheckError(f"{found['damaged']} damaged", hint="training leaves them out")
    if records and not found["ok"]:
        raise CheckError("no file can be used")


@command.command()
@click.argument("data", metavar="PATH|NAME")
@click.option("-n", "count", type=click.IntRange(1), default=8, help="Number of clips.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), default=Path("sheet.png"), help="A .png file."
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the run.")
@settings
@no_plugins
def show(
    data: str, count: int, out: Path, seed: int, settings: tuple[str, ...], no_plugins: bool
) -> None:
    """Draw the first clips of training, one per row with its class, first frame to last."""
    from vidgan_core.data.batches import Batches
    from vidgan_core.errors import UsageError, printable
    from vidgan_core.inference.conditions import class_labels
    from vidgan_core.media.pictures import contact_sheet, to_frames
    from vidgan_core.media.write import write_png

    if out.suffix != ".png":
        raise UsageError(f"{out}: a contact sheet is a .png")
    dataset = _build(data, settings, no_plugins)
    batches = Batches(dataset, count, seed=seed)
    batch = batches(0)
    batches.close()
    labels = class_labels(replace(dataset.spec, condition=dataset.fields), batch)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_png(out, contact_sheet(to_frames(batch["video"]), labels=labels), mark={})
    click.echo(dataset.summary(), err=True)
    click.echo(printable(str(out)))


def _build(data: str, settings: tuple[str, ...], no_plugins: bool) -> Dataset:
    from vidgan_core.config.resolve import resolve
    from vidgan_core.config.sources import ConfigSources
    from vidgan_core.training.inputs import build_dataset

    registry = discover(no_plugins)
    layers = ConfigSources()
    layers.add_data(data)
    for setting in settings:
        layers.add_setting(setting)
    return build_dataset(resolve(layers, registry), registry)
