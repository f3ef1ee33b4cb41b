"""`vidgan run`: train."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidgan_core.cli.run_flags import add_flags, read_sources
from vidgan_core.cli.shared import device, discover, finish, no_plugins, settings
from vidgan_core.errors import ComponentError, Exit
from vidgan_core.training.distributed.env import check_shards, processes

if TYPE_CHECKING:
    from vidgan_core.config.schema import RunConfig
    from vidgan_core.plugins.registry import Registry
    from vidgan_core.runs.folder import RunDir


@click.command("run")
@click.option(
    "--gen", metavar="NAME", help="Generator; `vidgan plugins` lists all and marks the default."
)
@click.option("--disc", metavar="NAME", help="Discriminator (default: the generator's usual one).")
@click.option("--loss", metavar="NAME", help="Adversarial loss.")
@click.option(
    "--term",
    "terms",
    metavar="NAME",
    multiple=True,
    help="Extra term, repeatable; 'none' for none.",
)
@click.option(
    "--augment",
    "augments",
    metavar="NAME",
    multiple=True,
    help="Augmentation of the discriminator's input, repeatable; 'none' for none.",
)
@click.option("--data", metavar="NAME|PATH", help="Data set, or a folder of clips.")
@click.option("-c", "--config", "file", metavar="FILE|recipe:NAME", help="TOML file or recipe.")
@settings
@click.option("--steps", type=int, help="Number of training steps (default: 300).")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Save and stop after this much training, unless --steps are done before.",
)
@click.option("--batch", type=int, help="Clips per batch (default: 8).")
@click.option("--seed", type=int, help="Seed of everything random (default: 0).")
@click.option("--eval-every", type=int, help="Evaluate every N steps (default: never).")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The run's folder (default: the next one in ./runs).",
)
@click.option(
    "--resume",
    metavar="RUN|auto",
    help="Continue the run in this folder; 'auto': the run in --out, if there is one.",
)
@device
@click.option("--precision", help="Precision: auto, fp32, bf16 or fp64.")
@click.option("--nproc", type=click.IntRange(1), help="Number of processes that share every batch.")
@click.option(
    "--callback",
    "callbacks",
    metavar="NAME",
    multiple=True,
    help="Add a callback, such as tensorboard; repeatable.",
)
@click.option("--task", metavar="NAME", help="Task: what is generated from what.")
@click.option("--game", metavar="NAME", help="Game: which networks train against one another.")
@click.option("--optimizer", metavar="NAME", help="Optimizer of all networks.")
@click.option("--profile", is_flag=True, help="Profile a few steps: a table and a trace.")
@click.option("--dry-run", is_flag=True, help="Check and print the configuration; create nothing.")
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
    callbacks: tuple[str, ...],
    profile: bool,
    dry_run: bool,
    no_plugins: bool,
    **flags: Any,
) -> int:
    """Train a GAN on video clips: vidgan run --gen conv3d --loss minimax.

    Writes samples, curves and checkpoints into a new folder in ./runs. Ctrl-C saves a checkpoint
    and stops; --resume continues the run.
    """
    if nproc and nproc > 1 and not dry_run and processes() == 1:
        from vidgan_core.training.distributed.launch import launch

        _check_nproc(nproc, file, resume, data, settings, flags, no_plugins)
        return launch(nproc, sys.argv[1:])  # this command once more, in each of them
    registry = discover(no_plugins)
    sources = read_sources(file, resume, registry)
    add_flags(sources, {"term": terms, "augment": augments}, data, settings, flags)
    if profile:
        sources.add(("callback", "profiler"), {}, "--profile")
    for name in callbacks:
        sources.add(("callback", name), {}, "--callback")
    from vidgan_core.config.resolve import resolve

    config = resolve(sources, registry)
    if dry_run:
        check_shards(config.data.batch, nproc or 1, config.trainer.accumulate)
        _try_out(config, registry)
        click.echo(config.toml(), nl=False)
        return 0
    return _train(config, registry, out, resume, minutes)


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
    sources = read_sources(file, resume, registry)
    add_flags(sources, {}, data, settings, flags)
    if (batch := batch_size(sources, registry)) is not None and size > batch:
        check_shards(batch, size, 1)


def _try_out(config: RunConfig, registry: Registry) -> None:
    """Build everything, the networks without memory, so that --dry-run finds what won't fit."""
    from vidgan_core.data.batches import Batches
    from vidgan_core.device import choose_device
    from vidgan_core.tensors import without_memory
    from vidgan_core.training.inputs import build_dataset, build_task, conditioned
    from vidgan_core.training.parts import build_game

    choose_device(config.trainer.device)
    dataset = build_dataset(config, registry)
    task = build_task(config, registry)
    Batches(dataset, config.data.batch, seed=config.seed, task=task).close()
    spec = conditioned(dataset, task, config)
    try:
        with without_memory():
            build_game(config, registry, spec, task)
    except ComponentError:  # a constructor that reads the values of weights needs some
        build_game(config, registry, spec, task)


def _train(
    config: RunConfig,
    registry: Registry,
    out: Path | None,
    resume: str | None,
    minutes: float | None,
) -> int:
    """Train, and print where the pictures are."""
    from vidgan_core.cli.signals import interruptible
    from vidgan_core.training.distributed.process_group import init_process_group
    from vidgan_core.training.train import train

    group = init_process_group()
    accumulate = config.trainer.accumulate
    group.run_on_rank0(lambda: check_shards(config.data.batch, group.size, accumulate))
    with interruptible() as interruption:
        run = train(
            config,
            registry,
            out=out,
            resume=resume,
            minutes=minutes,
            stop=interruption,
            group=group,
        )
    if not group.leads:
        return interruption.code
    finish(_results(run.folder, run.step))
    # Where another process was told to stop, this one was not.
    return interruption.code or (Exit.OK if run.finished else Exit.TERMINATED)


def _results(folder: RunDir, step: int) -> str:
    """Return where the samples and the curves of a run are, if it has some."""
    stem = folder.samples / f"step-{step:06d}"
    curves = f", {folder.curves_file}" if folder.curves_file.exists() else ""
    there = stem.with_suffix(".mp4").exists()
    return f"{stem}.mp4 (and .gif, .png){curves}" if there else str(folder.path)
