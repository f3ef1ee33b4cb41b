"""Compare runs in a table and a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidgan_core.cli.shared import as_json, discover, no_plugins, print_json, print_table

if TYPE_CHECKING:
    from vidgan_evaluation.comparison import Comparison


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Also write a page, a self-contained .html file.",
)
@click.option("--by", metavar="NUMBER", help="Sort the runs by a number, such as fd-lite0.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the clips on the page.")
@as_json
@no_plugins
def command(
    runs: tuple[Path, ...],
    out: Path | None,
    by: str | None,
    seed: int,
    as_json: bool,
    no_plugins: bool,
) -> None:
    """Compare RUNS: their numbers, clips, learning curves and configurations.

    The numbers are the ones that `vidgan eval` stored. Numbers of different protocols are refused.
    """
    from vidgan_core.errors import UsageError
    from vidgan_evaluation.comparison import leaderboard, read_runs, table

    if out and out.suffix.lower() != ".html":
        raise UsageError(f"{out}: the page is an .html file")
    registry = discover(no_plugins)
    comparison = read_runs(runs, registry)
    if by:
        comparison = comparison.ranked(by)
    if out:
        from vidgan_core.runs.atomic_files import replace
        from vidgan_evaluation.html_page import render
        from vidgan_evaluation.sample_clips import sample_clips

        shown, failed = sample_clips(comparison, registry, seed)
        for reason in failed:
            click.echo(f"warning: {reason}", err=True)
        written_with = " ".join(["vidgan compare", *map(str, runs), "-o", str(out)])
        out.parent.mkdir(parents=True, exist_ok=True)
        replace(out, render(comparison, shown, written_with))
    if as_json:
        print_json(_records(comparison))
    else:
        print_table(leaderboard(comparison, by) if by else table(comparison))
    if out:
        click.echo(out, err=True)


def _records(comparison: Comparison) -> list[dict[str, Any]]:
    """Return a record a run."""
    return [
        {
            "run": str(entry.folder.path),
            "label": entry.label,
            "steps": entry.step,
            "seconds": entry.seconds,
            "numbers": {
                name: of_runs[entry.label].json()
                for name, of_runs in comparison.numbers.items()
                if entry.label in of_runs
            },
            "curves": {
                name: {step: number.value for step, number in of_runs[entry.label].items()}
                for name, of_runs in comparison.curves.items()
                if entry.label in of_runs
            },
        }
        for entry in comparison.entries
    ]
