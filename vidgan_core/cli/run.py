"""`vidgan run`: train."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidgan_core.cli.run_flags import AUTO, add_flags, written
from vidgan_core.cli.shared import device, discover, no_plugins, settings
from vidgan_core.errors import Exit
from vidgan_core.training.distributed.env import check_parts, processes

if TYPE_CHECKING:
    from vidgan_core.config.schema import RunConfig
    from vidgan_core.plugins.registry import Registry
    from vidgan_core.runs.checkpoint import Checkpoint
    from vidgan_core.runs.folder import RunDir
    from vidgan_core.training.distributed.process_group import ProcessGroup


@click.command("run")
@click.option(
    "--gen", metavar="NAME", help="Generator; `vidgan plugins` lists them and marks the default."
)
@click.option("--disc", metavar="NAME", help="Discriminator (default: the generator's usual one).")
@click.option("--loss", metavar="NAME", help="Adversarial loss.")
@click.option(
    "--term",
    "terms",
    metavar="NAME",
    multiple=True,
    help="Extra term, repeatable; 'none' for none at all.",
)
@click.option(
    "--augment",
    "augments",
    metavar="NAME",
    multiple=True,
    help="Augmentation of what the discriminator sees, repeatable; 'none' for none at all.",
)
@click.option("--data", metavar="NAME|PATH", help="Data set, or a folder of clips.")
@click.option("-c", "--config", "file", metavar="FILE|recipe:NAME", help="TOML file or recipe.")
@settings
@click.option("--steps", type=int, help="How many steps to train (default: 300).")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Save and stop after this much training, if --steps are not done before.",
)
@click.option("--batch", type=int, help="Clips a batch (default: 8).")
@click.option("--seed", type=int, help="Seed of everything random (default: 0).")
@click.option("--eval-every", type=int, help="Evaluate every so many steps (default: never).")
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
    augments: tuple[str, ...],
    data: str | None,
    file: str | None,
    settings: tuple[str, ...],
    out: Path | None,
    resume: str | None,
    minutes: float | None,
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
        from vidgan_core.training.distributed.launch import launch

        _check_nproc(nproc, file, resume, data, settings, flags, no_plugins)
        return launch(nproc, sys.argv[1:])  # this command once more, in each of them
    registry = discover(no_plugins)
    layers = written(file, resume, registry)
    add_flags(layers, {"term": terms, "augment": augments}, data, settings, flags)
    from vidgan_core.config.resolve import resolve

    config = resolve(layers, registry)
    if dry_run:
        check_parts(config.data.batch, nproc or 1, config.trainer.accumulate)
        _try_out(config, registry)
        click.echo(config.toml(), nl=False)
        return 0
    from vidgan_core.training.distributed.process_group import meet

    peers = meet()
    found = peers.lead(lambda: _folder(config, registry, out, resume, peers.size))
    folder, saved = found or (None, None)
    return _train(config, registry, folder, out, saved, minutes, peers, profile=profile)


def _check_nproc(
    size: int,
    file: str | None,
    resume: str | None,
    data: str | None,
    settings: tuple[str, ...],
    flags: dict[str, Any],
    no_plugins: bool,
) -> None:
    """Refuse more processes than a batch has clips, before they are started."""
    from vidgan_core.config.resolve import batch_size
    from vidgan_core.plugins.registry import Registry

    registry = Registry.discover(third_party=not no_plugins)  # the processes say what is broken
    layers = written(file, resume, registry)
    add_flags(layers, {}, data, settings, flags)
    if (batch := batch_size(layers, registry)) is not None and size > batch:
        check_parts(batch, size, 1)


def _try_out(config: RunConfig, registry: Registry) -> None:
    """Build everything, the networks without memory, so that --dry-run finds what won't fit."""
    import torch
    from vidgan_games.two_player import TwoPlayerGame

    from vidgan_core.data.batches import Batches
    from vidgan_core.device import choose_device
    from vidgan_core.training.parts import build, build_dataset, conditioned

    choose_device(config.trainer.device)
    dataset = build_dataset(config, registry)
    Batches(dataset, config.data.batch, seed=config.seed).close()
    with torch.device("meta"):
        parts = build(config, registry, conditioned(dataset, config))
    TwoPlayerGame(parts.generator, parts.discriminator, parts.loss, parts.terms, parts.augments)


def _folder(
    config: RunConfig, registry: Registry, out: Path | None, resume: str | None, size: int
) -> tuple[RunDir | None, Checkpoint | None]:
    """Return the folder and checkpoint to go on with; None where the run starts afresh.

    Raises UsageError for what can't be gone on with, or be shared out to `size` processes.
    """
    from vidgan_core.errors import UsageError
    from vidgan_core.runs import checkpoint
    from vidgan_core.runs.folder import RunDir
    from vidgan_core.runs.resume import refuse_changes, saved_config

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
    saved = checkpoint.newest(folder.checkpoints)
    # What was trained is in the checkpoint; config.toml may have been edited since.
    before = saved_config(saved, registry) if saved else folder.read_config(registry)
    refuse_changes(before, config)
    return folder, saved


def _train(
    config: RunConfig,
    registry: Registry,
    folder: RunDir | None,
    out: Path | None,
    saved: Checkpoint | None,
    minutes: float | None,
    peers: ProcessGroup,
    *,
    profile: bool,
) -> int:
    """Build, train, and say where the pictures are."""
    from vidgan_callbacks.collapse_warning import CollapseWarning
    from vidgan_callbacks.data_summary import ClipCounts
    from vidgan_callbacks.metrics_log import MetricsLog
    from vidgan_callbacks.profiler import Profile
    from vidgan_callbacks.progress import introduce, progress
    from vidgan_callbacks.sample_pictures import SamplePictures
    from vidgan_evaluation.callback import EvaluationCallback

    from vidgan_core.cli.signals import interruptible
    from vidgan_core.runs.folder import RunDir
    from vidgan_core.streams import finish
    from vidgan_core.training.run import Run

    def over(run: Run) -> bool:
        """By the leader's clock alone: the others hear of it as of a signal."""
        return peers.leads and minutes is not None and run.seconds >= minutes * 60

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
            watching = (ClipCounts(), MetricsLog(), SamplePictures(), CollapseWarning())
            for observer in (
                *watching,
                EvaluationCallback(),
                bar,
                *([Profile()] if profile else []),
            ):
                registry.hooks.register(observer)
            finished = run.fit(lambda: interruption() or over(run)) or over(run)
    if not peers.leads:
        return interruption.code
    stem = run.folder.samples / f"step-{run.step:06d}"
    curves = f", {run.folder.curves_file}" if run.folder.curves_file.exists() else ""
    finish(f"{stem}.mp4 (and .gif, .png){curves}")
    # Where another process was told to stop, this one was not.
    return interruption.code or (Exit.OK if finished else Exit.TERMINATED)
