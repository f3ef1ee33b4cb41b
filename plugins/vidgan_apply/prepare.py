"""From a request to work that is ready to begin: the generator loaded, the input looked into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import click

from vidgan_apply.degraded import Degraded
from vidgan_apply.job import Job, identity_of
from vidgan_apply.request import Request
from vidgan_apply.scores import Scores
from vidgan_apply.sinks import PictureSink, Sink, VideoSink
from vidgan_apply.source import Pictures, Source, open_source
from vidgan_apply.working_folder import WorkingFolder
from vidgan_core.config.settings import with_settings
from vidgan_core.data.cache import digest
from vidgan_core.errors import printable
from vidgan_core.inference.apply import Applier, Cutting
from vidgan_core.inference.sampler import Sampler
from vidgan_core.inference.sharpness import blended
from vidgan_core.media.provenance import Mark
from vidgan_core.plugins.registry import Registry
from vidgan_core.training.inputs import build_task

Watch = Callable[[str, int, int], None]


@dataclass
class Work:
    """One input that becomes one output."""

    request: Request
    sampler: Sampler
    path: Path
    out: Path

    @cached_property
    def source(self) -> Source:
        """The input, looked into. Raises VidganError."""
        source = open_source(self.path)
        self.request.check(source, self.out)
        return source

    def __call__(self, watch: Watch) -> str:
        """Make the output and say where it is; return what is wrong with the input, if anything."""
        job = self._job(watch)
        try:
            count = job.run()
        except BaseException:
            if not job.folder.windows:  # nothing to go on with
                job.folder.remove()
            raise
        job.folder.remove()
        if job.scores:
            _report(job.scores)
        click.echo(printable(str(self.out)))
        if not self.source.damage:
            return ""
        name = printable(str(self.source.path))
        return f"{name}: {self.source.damage}; {self.out} has the {count} frames that could be read"

    def _job(self, watch: Watch) -> Job:
        request, sampler = self.request, self.sampler
        task = build_task(sampler.config, sampler.registry)
        cutting = Cutting(
            request.window, request.overlap, request.tile, request.margin, request.cuts
        )
        applier = Applier(sampler.generator, task, cutting, request.seed)
        content = identity_of(self.source.path)
        settings = (request.degrade, request.seed, bool(request.compare), request.settings)
        identity = digest("apply", 1, content, sampler.model_hash, cutting, settings)
        folder = WorkingFolder.open(self.out, identity)
        mark = {**sampler.mark(request.seed), "applied-to": content}
        what = printable(self.source.path.name)
        degraded = Degraded(task, applier.field.name, applier.scale, request.seed)
        return Job(
            applier,
            self.source,
            self._result(folder, mark),
            self._comparison(folder, mark),
            folder,
            lambda done, total: watch(what, done, max(done, total)),
            degraded if request.degrade else None,
            Scores() if request.degrade else None,
        )

    def _result(self, folder: WorkingFolder, mark: Mark) -> Sink:
        source = self.source
        if isinstance(source, Pictures):
            names, single = [f.stem for f in source.files], source.path.is_file()
            return PictureSink(self.out, folder.path, names, mark, single)
        return VideoSink(self.out, folder.path, "part", source, mark, sound=not self.request.mute)

    def _comparison(self, folder: WorkingFolder, mark: Mark) -> Sink | None:
        out = self.request.compare
        return VideoSink(out, folder.path, "compared", self.source, mark) if out else None


def prepare(request: Request, registry: Registry) -> Iterator[Work]:
    """Yield the work of each input. Raises VidganError, before any is done, for a wrong request.

    What a folder's outputs already hold is not made again.
    """
    pairs = request.pairs()
    sampler = Sampler.load(
        request.run, step=request.step, device=request.device or "auto", registry=registry
    )
    if request.sharpness is not None:
        sampler = blended(sampler, request.run, request.sharpness)
    config = with_settings(sampler.config, request.settings, registry, ["task"])
    sampler = replace(sampler, config=config)
    task = build_task(config, registry)
    Applier(sampler.generator, task)  # says what can't be applied
    if not request.of_videos:
        request.check(open_source(request.source), request.out)
    return _works(request, sampler, pairs)


def _works(request: Request, sampler: Sampler, pairs: list[tuple[Path, Path]]) -> Iterator[Work]:
    for path, out in pairs:
        if request.of_videos and out.exists():
            click.echo(f"{printable(str(out))} is there already", err=True)
            continue
        yield Work(request, sampler, path, out)


def _report(scores: Scores) -> None:
    """Print how near each method came to the truth."""
    from vidgan_core.cli.shared import print_table

    means = dict(scores.means())
    result = means.pop("result")
    rows = [["method", "psnr", "gain of the result"], ["result", f"{result:.2f} dB", ""]]
    rows += [[name, f"{psnr:.2f} dB", f"{result - psnr:+.2f} dB"] for name, psnr in means.items()]
    print_table(rows)
