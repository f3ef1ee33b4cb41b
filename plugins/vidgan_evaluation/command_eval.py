"""Measure generated clips against real ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidgan_core.cli.shared import (
    as_json,
    device,
    discover,
    no_plugins,
    print_json,
    print_table,
    settings,
)
from vidgan_evaluation.protocols import decided, protocols

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vidgan_core.config.schema import RunConfig
    from vidgan_core.plugins.registry import Registry
    from vidgan_evaluation.options import Request
    from vidgan_evaluation.results_store import Evaluation
    from vidgan_evaluation.sanity_check import Check


@click.command("eval")
@click.argument("target", metavar="RUN|FOLDER|DATA")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Compare a folder of clips with this FOLDER of clips.",
)
@click.option("--sanity", is_flag=True, help="Check the metrics on degraded real clips of DATA.")
@click.option(
    "--checkpoints",
    metavar="WHICH",
    default="newest",
    show_default=True,
    help="Of a run: newest, best, all, or steps separated by commas.",
)
@click.option(
    "-n",
    "count",
    type=click.IntRange(2),
    help="Clips on each side (default: 2048, or as many as there are real; --sanity: 256).",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of noise and resampling.")
@click.option(
    "--split",
    type=click.Choice(["test", "train"]),
    help="Split of the real clips (default: test; --sanity: train).",
)
@click.option(
    "--metrics",
    metavar="NAMES",
    default="fast",
    show_default=True,
    help="fast, full, none, or names separated by commas.",
)
@click.option("--features", metavar="NAMES", default="", help="Separated by commas (default: all).")
@click.option(
    "--protocol",
    type=click.Choice(list(protocols())),
    help="Measure as a paper does; decides -n, --split, --metrics and --features.",
)
@click.option("--data", metavar="PATH", help="Where the real clips of RUN are on this machine.")
@settings
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="With --sanity: also draw a chart, a .png file.",
)
@device
@as_json
@no_plugins
def command(
    target: str,
    against: Path | None,
    sanity: bool,
    out: Path | None,
    device: str | None,
    no_plugins: bool,
    **options: Any,
) -> int:
    """Compare clips of the EMA generator of RUN with the held-out split of its data.

    Every number has an error, a floor (what other real clips score in place of the generated
    ones) and a protocol, and is stored in the run's folder. A run of a task with a truth, such as
    superresolution, is measured pair by pair, and against the classical methods of the task.
    """
    from contextlib import suppress
    from dataclasses import replace

    from vidgan_core.cli.progress import Stopped, watching
    from vidgan_core.cli.signals import interruptible
    from vidgan_core.errors import UsageError
    from vidgan_evaluation.sanity_check import check_metrics

    if (against and sanity) or (out and not sanity):
        raise UsageError("--against is for two folders, --sanity for a data set, -o for --sanity")
    if options["protocol"] and (against or sanity or decided(options)):
        raise UsageError("--protocol is for a run, without -n, --split, --metrics and --features")
    if out:
        _check_chart(out)
    registry = discover(no_plugins)
    request = _request(options, device, sanity)
    found: list[Evaluation] = []
    with interruptible() as interruption, suppress(Stopped), watching(interruption) as watch:
        request = replace(request, watch=watch)
        if sanity:
            config = _data_config(target, options["settings"], registry)
            check = check_metrics(config, registry, request)
        else:
            for evaluation in _evaluations(target, against, registry, request, options):
                found.append(evaluation)
    if any(evaluation.numbers for evaluation in found):
        _print(found, options["as_json"])
    elif sanity and not interruption():
        return _report(check, out, options["as_json"])
    return interruption.code


def _check_chart(out: Path) -> None:
    """Refuse a chart that could not be drawn, before the work that it is to show."""
    from vidgan_core.errors import UsageError
    from vidgan_evaluation.plots import pyplot

    if out.suffix.lower() != ".png":
        raise UsageError(f"{out}: the chart is a .png file")
    pyplot()


def _request(options: dict[str, Any], device: str | None, sanity: bool) -> Request:
    from vidgan_core.device import choose_device
    from vidgan_evaluation.options import DEFAULT_N, Request
    from vidgan_evaluation.sanity_check import DEFAULT_N as SANITY_N

    return Request(
        metrics=_words(options["metrics"]),
        features=_words(options["features"]),
        n=options["count"],
        seed=options["seed"],
        split=options["split"] or ("train" if sanity else "test"),
        at_most=SANITY_N if sanity else DEFAULT_N,
        device=choose_device(device or "auto"),
        say=_say,
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _say(note: str) -> None:
    if note:
        click.echo(note, err=True)


def _evaluations(
    target: str,
    against: Path | None,
    registry: Registry,
    request: Request,
    options: dict[str, Any],
) -> Iterator[Evaluation]:
    """Evaluate checkpoints of a run, or a folder against another."""
    from vidgan_evaluation.evaluate_folders import evaluate_folders
    from vidgan_evaluation.evaluate_run import evaluate_run, named_data

    settings = (*options["settings"], *named_data(options["data"]))
    if against:
        yield evaluate_folders(Path(target), against, settings, registry, request)
        return
    published = protocols()[options["protocol"]] if options["protocol"] else None
    evaluations = evaluate_run(
        Path(target), options["checkpoints"], settings, registry, request, published
    )
    for evaluation, file in evaluations:
        if file:
            _say(f"step {evaluation.step}: {evaluation.seconds:.1f} s, kept in {file}")
        yield evaluation


def _print(found: Sequence[Evaluation], as_json: bool) -> None:
    """Print the numbers, and on stderr what they have in common."""
    from dataclasses import asdict, replace

    if as_json:
        print_json([asdict(evaluation) for evaluation in found])
        return
    from vidgan_evaluation.paired_table import paired_table, protocols, split_paired
    from vidgan_evaluation.results_store import common, table

    parts = [split_paired(evaluation.numbers) for evaluation in found]
    if any(paired for paired, _ in parts):
        print_table(paired_table(found))
        for line in protocols(found):
            _say(line)
    others = [replace(e, numbers=tuple(rest)) for e, (_, rest) in zip(found, parts, strict=True)]
    if any(evaluation.numbers for evaluation in others):
        print_table(table(others))
    for line in common(found):
        _say(line)


def _data_config(data: str, settings: tuple[str, ...], registry: Registry) -> RunConfig:
    """Return the configuration of a data set, every video of a folder in its train split."""
    from vidgan_core.config.resolve import resolve
    from vidgan_core.config.sources import ConfigSources

    layers = ConfigSources()
    layers.add_data(data)
    if layers.value_at("data", "name") == "folder":
        layers.add(("data", "held_out"), 0, "--sanity")
    for setting in settings:
        layers.add_setting(setting)
    return resolve(layers, registry)


def _report(check: Check, out: Path | None, as_json: bool) -> int:
    """Print what the metrics made of degraded clips. Raises CheckError where they fell short."""
    from dataclasses import asdict

    from vidgan_core.errors import CheckError
    from vidgan_evaluation.sanity_check import table

    if as_json:
        print_json(asdict(check))
    else:
        print_table(table(check))
    if out:
        from vidgan_evaluation.plots import sanity_chart

        sanity_chart(check, out)
        _say(str(out))
    if failures := check.failures():
        raise CheckError("; ".join(failures))
    return 0
