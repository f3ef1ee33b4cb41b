"""The real side of an evaluation, against which any number of generated sides are measured."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

import torch

from vidgan_core import __version__
from vidgan_core.errors import UsageError, VidganError
from vidgan_core.interfaces import Evidence, Generator, PairedMetric
from vidgan_evaluation.clip_source import Clips
from vidgan_evaluation.collect import ClipStatistics, collect
from vidgan_evaluation.metric_selection import MetricRun, Selection
from vidgan_evaluation.options import Request
from vidgan_evaluation.paired_numbers import Number, Values, finite, gain, paired_numbers
from vidgan_evaluation.result import Result, protocol
from vidgan_evaluation.standard_error import errors

Step = Callable[[], object]


@dataclass(frozen=True, slots=True)
class RealClips:
    """The real clips: one half to measure against, the other for the floor, and training clips.

    Without the other half there is no floor, without `level` none of training clips. `train` are
    searched for copies; `searched` is their share of the training split. `answers` are other
    answers to the conditions of the reference, by name; `held_out` says how those were held out.
    `stated` is what a protocol says besides, such as the published one that it is.
    """

    data: str
    split: str
    reference: Clips
    other: Clips | None = None
    level: Clips | None = None
    train: Clips | None = None
    searched: str = "all"
    answers: Mapping[str, Clips] = field(default_factory=dict)
    held_out: str = ""
    stated: Mapping[str, object] = field(default_factory=dict)


class Evaluator:
    """Metrics with the real clips they measure against.

    Once, it finds what real clips score in the place of generated ones: `floors` those of the
    other half, `levels` those of the training split; and what other answers score.
    """

    def __init__(self, selection: Selection, real: RealClips, request: Request) -> None:
        for network in (*selection.pool.values(), *selection.frame_pool.values()):
            network.to(request.device)
        self.selection = selection
        self.floors: dict[str, float] = {}
        self.levels: dict[str, float] = {}
        self._real = real
        self._request = request
        self._train: ClipStatistics | None = None
        if real.train and selection.needs("train"):
            wanted = replace(selection.wanted(video=False), frame_features={})
            self._train = collect(real.train, wanted, request.device, request.watch)
        self._reference = self.collect(real.reference)
        if real.other:
            self.floors = self._scores("floor", real.other, {"pairs", "generator"})
        if real.level:
            self.levels = self._scores("level", real.level, {"pairs", "generator", "train"})
        self._answers = {name: self._paired_values(clips) for name, clips in real.answers.items()}

    @property
    def reference(self) -> Clips:
        """The real clips that generated ones are compared with."""
        return self._real.reference

    @property
    def names(self) -> list[str]:
        """The names of all numbers."""
        labels = [
            (run.label(name), isinstance(run.metric, PairedMetric))
            for run in self.selection.runs
            for name in run.metric.better
        ]
        gains = [
            gain(label, other) for label, paired in labels if paired for other in self._answers
        ]
        return [*(label for label, _ in labels), *gains]

    def collect(self, clips: Clips) -> ClipStatistics:
        """Gather what the metrics need of some clips."""
        if clips.spec != self._real.reference.spec:
            raise VidganError(
                f"{clips.what} clips are of {clips.spec}, real ones of {self._real.reference.spec}"
            )
        return collect(clips, self.selection.wanted(), self._request.device, self._request.watch)

    def measure(
        self, clips: Clips, generator: Generator | None = None, step: Step | None = None
    ) -> list[Result]:
        """Measure generated clips: every number with its error and its floor.

        `step` takes one training step of the generator's run. Raises VidganError if a clip, a
        feature or a number is not finite.
        """
        if not self.selection.runs:
            return []
        fake = self.collect(clips)
        numbers: list[Result] = []
        for done, run in enumerate(self.selection.runs):
            self._request.watch(run.label(run.name), done, len(self.selection.runs))
            started = time.perf_counter()
            evidence = replace(self.evidence(run, fake), generator=generator, step=step)
            found = self._numbers(run, evidence)
            seconds = round(time.perf_counter() - started, 3)
            numbers += [self._result(run, number, clips, seconds) for number in found]
        return numbers

    def _result(self, run: MetricRun, number: Number, clips: Clips, seconds: float) -> Result:
        return Result(
            number.label,
            number.value,
            number.error,
            self.floors.get(number.label),
            number.better,
            protocol(number.label, clips.spec, clips.n, self._changed(run)),
            self._fingerprint(run),
            self._real.data,
            self._real.split,
            self._request.seed,
            __version__,
            seconds,
            self.levels.get(number.label),
        )

    def evidence(self, run: MetricRun, fake: ClipStatistics) -> Evidence:
        """Return what one metric is given."""
        needs = run.metric.needs
        real, generated = (
            side.clip_set(run.features, video="video" in needs, frames="frame-features" in needs)
            for side in (self._reference, fake)
        )
        searched = self._train if "train" in needs else None
        train = searched.clip_set(run.features) if searched else None
        return Evidence(real, generated, train)

    def values(self, run: MetricRun, evidence: Evidence) -> dict[str, float]:
        """Return a metric's numbers. Raises VidganError if one is not finite."""
        with self._lenient(run):
            return self._measured(run, evidence)[0]
        return {}

    def _numbers(self, run: MetricRun, evidence: Evidence) -> list[Number]:
        """Return a metric's numbers, each with its error."""
        metric, seed = run.metric, self._request.seed
        with self._lenient(run):
            if isinstance(metric, PairedMetric):
                values, group = metric.values(evidence), evidence.real.group
                answers = {name: found[run.name] for name, found in self._answers.items()}
                return [finite(n) for n in paired_numbers(run, values, answers, group, seed)]
            found, own = self._measured(run, evidence)
            error = own or errors(metric, evidence, seed)
            return [Number(run.label(n), found[n], error.get(n), metric.better[n]) for n in found]
        return []

    @contextmanager
    def _lenient(self, run: MetricRun) -> Iterator[None]:
        """Report a metric of a group that has nothing to say about these clips; go on without."""
        try:
            yield
        except UsageError as error:
            if not self.selection.lenient:
                raise
            self._request.say(f"left out: {run.label(run.name)}: {error}")

    def _measured(
        self, run: MetricRun, evidence: Evidence
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return a metric's numbers and the errors that it knows itself."""
        measured = run.metric.measure(evidence)
        found = {name: measured[name] for name in run.metric.better if name in measured}
        for name, value in found.items():
            finite(Number(run.label(name), value, None, run.metric.better[name]))
        own = {name: measured.get(f"{name}_error", math.nan) for name in found}
        return found, {name: error for name, error in own.items() if math.isfinite(error)}

    def _paired_values(self, clips: Clips) -> dict[str, Values]:
        """Return the values of the paired metrics, by their names, of other answers."""
        statistics = self.collect(clips)
        found: dict[str, Values] = {}
        for run in self.selection.runs:
            if isinstance(run.metric, PairedMetric):
                with suppress(UsageError):  # `measure` meets it again, and reports it
                    found[run.name] = run.metric.values(self.evidence(run, statistics))
        return found

    def _scores(self, what: str, clips: Clips, without: Collection[str]) -> dict[str, float]:
        """Measure real clips in the place of generated ones, by metrics that need none of these."""
        runs = [run for run in self.selection.runs if not run.metric.needs & set(without)]
        if not runs:
            return {}
        statistics = self.collect(clips)
        scores: dict[str, float] = {}
        for done, run in enumerate(runs):
            self._request.watch(f"{what} of {run.label(run.name)}", done, len(runs))
            found = self.values(run, self.evidence(run, statistics))
            scores |= {run.label(name): value for name, value in found.items()}
        return scores

    def _changed(self, run: MetricRun) -> Mapping[str, object]:
        """Return what a protocol says of options, conventions, clips and the machine."""
        changed = {**run.changed, **run.metric.conventions, **self._real.stated}
        if "pairs" in run.metric.needs and self._real.held_out:
            changed["held-out"] = self._real.held_out
        if "train" in run.metric.needs:
            changed["searched"] = self._real.searched
        if "generator" in run.metric.needs:
            changed["device"] = self._request.device.type
            changed["threads"] = torch.get_num_threads()
        return changed

    def _fingerprint(self, run: MetricRun) -> str:
        pool = self.selection.pool if "features" in run.metric.needs else self.selection.frame_pool
        return pool[run.features].fingerprint if run.features else ""
