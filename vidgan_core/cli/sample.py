"""`vidgan sample`: make clips with a trained generator."""

from __future__ import annotations

from pathlib import Path

import click

from vidgan_core.cli.common import device, discover, no_plugins


@click.command("sample")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-n", "count", type=click.IntRange(1), default=16, help="How many clips.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("sample.mp4"),
    help="File: .mp4 or .gif (a grid that plays), .png (a contact sheet); "
    "without a suffix: a folder of single clips.",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the noise.")
@click.option("--frames", type=click.IntRange(1), help="Another length, where the generator can.")
@click.option(
    "--hold",
    multiple=True,
    metavar="NOISE",
    help="A part of the noise that all clips share, such as content or motion.",
)
@click.option("--step", type=int, help="Which checkpoint (default: the newest).")
@click.option("--fps", type=click.FloatRange(0, min_open=True), help="Frames a second.")
@click.option("--batch", type=click.IntRange(1), default=16, help="Clips made at a time.")
@device
@no_plugins
def command(
    run: Path,
    count: int,
    out: Path,
    seed: int,
    frames: int | None,
    hold: tuple[str, ...],
    step: int | None,
    fps: float | None,
    batch: int,
    device: str | None,
    no_plugins: bool,
) -> None:
    """Make clips with the generator of RUN (a run's folder or a checkpoint)."""
    from vidgan_core.pictures import contact_sheet, grid, to_frames
    from vidgan_core.sampling import Sampler
    from vidgan_core.video import write, write_png, writer

    if out.suffix not in ("", ".png"):
        writer(out)  # refuses a format that it doesn't know before any work is done
    sampler = Sampler.load(run, step=step, device=device or "auto", registry=discover(no_plugins))
    frames_a_second = fps or sampler.config.samples.fps
    clips = to_frames(sampler.sample(count, seed=seed, frames=frames, hold=hold, batch=batch))
    mark = sampler.mark(seed)
    if out.suffix:
        out.parent.mkdir(parents=True, exist_ok=True)
    else:
        out.mkdir(parents=True, exist_ok=True)
        for number, clip in enumerate(clips):
            path = out / f"{number:05d}.mp4"
            write(path, clip, fps=frames_a_second, mark=mark)
    if out.suffix == ".png":
        write_png(out, contact_sheet(clips), mark=mark)
    elif out.suffix:
        write(out, grid(clips), fps=frames_a_second, mark=mark)
    click.echo(out)
