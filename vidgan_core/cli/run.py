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
@click.option("--task", metavar="NAME", help="What is made of what (default: clips of noise).")
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


def _try_out(config: RunConfig, registry: Registry) -> None:
    """Build everything, the networks without memory, so that --dry-run finds what won't fit."""
    import torch
    from vidgan_games.two_player import TwoPlayerGame

    from vidgan_core.data.batches import Batches
    from vidgan_core.device import choose_device
    from vidgan_core.training.inputs import build_dataset, build_task, conditioned
    from vidgan_core.training.parts import build

    choose_device(config.trainer.device)
    dataset = build_dataset(config, registry)
    task = build_task(config, registry)
    Batches(dataset, config.data.batch, seed=config.seed, task=task).close()
    with torch.device("meta"):
        parts = build(config, registry, conditioned(dataset, task, config), task)
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
    from vidgan_core.config.sources import flat
    from vidgan_core.errors import UsageError

    old, new = flat(before.model_dump(mode="json")), flat(now.model_dump(mode="json"))
    changed = [k for k in sorted({*old, *new}) if old.get(k) != new.get(k) and not _free(k, now)]
    if changed:
        what = ", ".join(f"{k} from {old.get(k)} to {new.get(k)}" for k in changed)
        hint = "trainer.decay_steps can keep schedules apart from it" if "steps" in changed else ""
        raise UsageError(f"can't resume with another configuration: {what}", hint=hint)


def _free(key: str, config: RunConfig) -> bool:
    """May a run go on with another value? How it is measured changes nothing in it."""
    if key == "steps":
        return not config.depends_on_steps
    return key in ("data.workers", "checkpoint.best") or key.startswith(
        ("eval.", "metric.", "features.")
    )


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
    click.echo(f"{stem}.mp4 (and .gif, .png){curves}")
    # Where another process was told to stop, this one was not.
    return interruption.code or (Exit.OK if finished else Exit.TERMINATED)
