"""`vidgan sample`: generate clips with a trained generator."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vidgan_core.cli.shared import device, discover, no_plugins

if TYPE_CHECKING:
    from torch import Tensor

    from vidgan_core.interfaces import Split
    from vidgan_core.media.provenance import Mark

PART = 16  # frames of a video to enlarge at a time: as pictures they take many times the memory


@click.command("sample")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-n", "count", type=click.IntRange(1, 1_000_000), default=16, help="Number of clips.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("sample.mp4"),
    help="File: .mp4 or .gif (a grid that plays), .png (a contact sheet); "
    "without a suffix: a folder of single clips.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Seed of the noise.")
@click.option(
    "--frames", type=click.IntRange(1, 10_000_000), help="Another length, if the generator can."
)
@click.option(
    "--hold",
    multiple=True,
    metavar="NOISE",
    help="A part of the noise that all clips share, such as content or motion.",
)
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="NAME|N",
    help="A class, by name or number, for class-conditional runs; repeatable: clips alternate.",
)
@click.option(
    "--caption",
    "captions",
    multiple=True,
    metavar="TEXT",
    help="A caption, for runs that were trained with captions; repeatable: clips alternate.",
)
@click.option("--walk", is_flag=True, help="Interpolate from one noise to another.")
@click.option(
    "--condition-from",
    metavar="NAME|PATH",
    help="Data whose clips give the condition, row by row: a data set or a folder of clips.",
)
@click.option(
    "--split",
    type=click.Choice(["test", "train"]),
    default="test",
    help="Which of its clips (default: the held-out ones).",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.01, 100),
    default=1.0,
    help="Frames for each frame of the data, if the generator takes times.",
)
@click.option(
    "--step",
    type=click.IntRange(0, 2**63 - 1),
    help="Step of the checkpoint (default: the newest).",
)
@click.option("--fps", type=click.FloatRange(1, 1000), help="Frames per second.")
@click.option(
    "--batch", type=click.IntRange(1, 1_000_000), default=8, help="Clips generated at a time."
)
@device
@no_plugins
def command(
    run: Path,
    count: int,
    out: Path,
    seed: int,
    frames: int | None,
    hold: tuple[str, ...],
    classes: tuple[str, ...],
    captions: tuple[str, ...],
    condition_from: str | None,
    split: Split,
    walk: bool,
    rate: float,
    step: int | None,
    fps: float | None,
    batch: int,
    device: str | None,
    no_plugins: bool,
) -> None:
    """Generate clips with the EMA generator of RUN (a run's folder or a checkpoint)."""
    from vidgan_core.errors import UsageError, printable
    from vidgan_core.inference.request_memory import check_request
    from vidgan_core.inference.sampler import RunSampleOptions, Sampler

    if math.isnan(rate) or (fps is not None and math.isnan(fps)):  # which no range excludes
        raise UsageError("--fps and --rate must be numbers")
    write = _writer(out)  # refuses a format that it doesn't know before any work is done
    sampler = Sampler.load(run, step=step, device=device or "auto", registry=discover(no_plugins))
    wishes = RunSampleOptions(
        seed=seed,
        frames=frames,
        hold=hold,
        classes=classes,
        captions=captions,
        walk=walk,
        rate=rate,
        condition_from=condition_from,
        split=split,
    )
    fps, mark = fps or sampler.fps * rate, sampler.mark(seed)
    if (frames or rate > 1) and out.suffix.lower() == ".mp4":
        _write_long(out, sampler.in_windows(count, **wishes), fps, mark)
    else:
        if out.suffix:  # one file: all clips are kept until it is written, as bytes
            check_request(sampler.generator, count, frames=frames, rate=rate, bytes_kept=3)
        labels = sampler.class_labels(count, **wishes) if out.suffix.lower() == ".png" else []
        write(sampler.in_batches(count, batch=batch, **wishes), fps, mark, labels)
    click.echo(printable(str(out)))


def _write_long(out: Path, windows: Iterable[Tensor], fps: float, mark: Mark) -> None:
    """Write windows of time as they come, and say how fast that was."""
    from vidgan_core.media.pictures import grid, to_frames
    from vidgan_core.media.write import write_long_mp4

    started = time.monotonic()
    out.parent.mkdir(parents=True, exist_ok=True)
    videos = (
        grid(to_frames(window[:, :, start : start + PART]))
        for window in windows
        for start in range(0, window.shape[2], PART)
    )
    count = write_long_mp4(out, videos, fps=fps, mark=mark)
    rate = count / (time.monotonic() - started)
    click.echo(f"{count} frames, {rate:.0f} frames/s", err=True)


def _writer(out: Path) -> Callable[[Iterable[Tensor], float, Mark, Sequence[str]], None]:
    """Return what writes parts of clips to `out`. Raises UsageError for a useless name."""
    import numpy as np

    from vidgan_core.errors import UsageError
    from vidgan_core.media.pictures import contact_sheet, grid, to_frames
    from vidgan_core.media.write import write_mp4, write_png, writer

    suffix = out.suffix.lower()
    if out.name in ("", ".mp4", ".gif", ".png") or (suffix and out.is_dir()):
        raise UsageError(f"-o {str(out)!r}: name a file (.mp4, .gif, .png) or a new folder")

    def folder(parts: Iterable[Tensor], fps: float, mark: Mark, _: Sequence[str]) -> None:
        out.mkdir(parents=True, exist_ok=True)
        for number, clip in enumerate(clip for part in parts for clip in to_frames(part)):
            write_mp4(out / f"{number:05d}.mp4", clip, fps=fps, mark=mark)

    def file(parts: Iterable[Tensor], fps: float, mark: Mark, labels: Sequence[str]) -> None:
        clips = np.concatenate([to_frames(part) for part in parts])
        out.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".png":
            write_png(out, contact_sheet(clips, labels=labels), mark=mark)
        else:
            write_video(out, grid(clips), fps=fps, mark=mark)

    write_video = writer(out) if suffix not in ("", ".png") else write_mp4
    return file if suffix else folder
