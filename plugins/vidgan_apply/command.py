"""Restore or enlarge your own video with a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vidgan_core.cli.shared import device, discover, no_plugins


@click.command("apply")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Of a video: .mp4, .mov or .mkv; of a picture: .png; of a folder: a folder.",
)
@click.option(
    "--compare",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a video with input, a classical method's answer and result side by side.",
)
@click.option(
    "--degrade",
    is_flag=True,
    help="INPUT is good: make it bad as in training first, and report how near the result is.",
)
@click.option(
    "--sharpness",
    type=click.FloatRange(0, 1),
    help="Of a run that trains adversarially from loss.start on: 0 are the weights before, 1 those "
    "after it (default: 1).",
)
@click.option(
    "--window", type=click.IntRange(1, 10_000), metavar="FRAMES", help="Frames made at a time."
)
@click.option(
    "--overlap",
    type=click.IntRange(0, 1000),
    metavar="FRAMES",
    help="Context on either side of a window (default: as far as the network looks, at most 8).",
)
@click.option(
    "--tile",
    type=click.IntRange(16, 100_000),
    metavar="PIXELS",
    help="Cut frames into tiles of this side, in pixels of INPUT, to save memory.",
)
@click.option(
    "--margin",
    type=click.IntRange(0, 10_000),
    metavar="PIXELS",
    help="Context around a tile (default: as far as the network looks, at most 16).",
)
@click.option(
    "--cuts/--no-cuts",
    default=True,
    help="Begin anew at scene cuts, so that none shines through (default: yes).",
)
@click.option(
    "--set",
    "settings",
    metavar="task.KEY=VALUE",
    multiple=True,
    help="Another option of the run's task, such as task.level=25 for noise; repeatable.",
)
@click.option("--mute", is_flag=True, help="Leave the sound out.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Seed of noise and --degrade."
)
@click.option(
    "--step",
    type=click.IntRange(0, 2**63 - 1),
    help="Step of the checkpoint (default: the newest).",
)
@device
@no_plugins
def command(run: Path, source: Path, out: Path, no_plugins: bool, **options: Any) -> int:
    """Apply the generator of RUN, trained with a task, to INPUT.

    INPUT is a video of any length and size, a picture, a folder of pictures, which is taken for
    one video, or a folder of videos. The result has INPUT's frames, times and sound. Stopped work
    goes on when the same command is given again.
    """
    from vidgan_apply.prepare import prepare
    from vidgan_apply.request import Request
    from vidgan_core.cli.progress import Stopped, watching
    from vidgan_core.cli.signals import interruptible
    from vidgan_core.errors import VidganError

    request = Request(run=run, source=source, out=out, **options)
    works = prepare(request, discover(no_plugins))
    failures: list[str] = []
    with interruptible() as interruption, watching(interruption) as watch:
        for work in works:
            try:
                failures += filter(None, [work(watch)])
            except Stopped:
                click.echo(f"stopped; the same command goes on with {work.out}", err=True)
                break
            except VidganError as error:
                if not request.of_videos:
                    raise
                failures.append(str(error))  # the other videos are made
    _complain(failures)
    return interruption.code


def _complain(failures: list[str]) -> None:
    """Raise CheckError for inputs that could not be read to their end."""
    from vidgan_core.errors import CheckError

    if failures:
        raise CheckError("\n".join(failures))
