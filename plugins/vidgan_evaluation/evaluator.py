"""The real side of an evaluation, against which any number of generated sides are measured."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from vidgan_core import __version__
from vidgan_core.errors import UsageError, VidganError
from vidgan_core.interfaces import Evidence, Generator
from vidgan_evaluation.clip_source import Clips
from vidgan_evaluation.collect import ClipStatistics, collect
from vidgan_evaluation.metric_selection import MetricRun, Selection
from vidgan_evaluation.options import Request
from vidgan_evaluation.result import Result, protocol
from vidgan_evaluation.standard_error import errors

Step = Callable[[], object]


@dataclass(frozen=True, slots=True)
class RealClips:
    """The real clips: one half to measure against, the other for the floor, and training clips.

    Without the other half there is no floor.
    """

    data: str
    split: str
    reference: Clips
    other: Clips | None = None
    train: Clips | None = None


class Evaluator:
    """Metrics with the real clips they measure against; floors are found once."""

    def __init__(self, selection: Selection, real: RealClips, request: Request) -> None:
        for network in (*selection.pool.values(), *selection.frame_pool.values()):
            network.to(request.device)
        self.selection = selection
        self.floors: dict[str, float] = {}
        self._real = real
        self._request = request
        self._train: ClipStatistics | None = None
        if real.train and selection.needs("train"):
            wanted = replace(selection.wanted(video=False), frame_features={})
            self._train = collect(real.train, wanted, request.device, request.watch)
        self._reference = self.collect(real.reference)
        if real.other:
            self._find_floors(real.other)

    @property
    def reference(self) -> Clips:
        """The real clips that generated ones are compared with."""
        return self._real.reference

    @property
    def names(self) -> list[str]:
        """The names of all numbers."""
        return [asked.label(name) for asked in self.selection.runs for name in asked.metric.better]

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
        for done, asked in enumerate(self.selection.runs):
            self._request.watch(asked.label(asked.name), done, len(self.selection.runs))
            started = time.perf_counter()
            evidence = replace(self.evidence(asked, fake), generator=generator, step=step)
            if (measured := self._measured(asked, evidence)) is None:
                continue
            found, own = measured
            error = own or errors(asked.metric, evidence, self._request.seed)
            seconds = time.perf_counter() - started
            for name in found:
                label = asked.label(name)
                numbers.append(
                    Result(
                        label,
                        found[name],
                        error.get(name),
                        self.floors.get(label),
                        asked.metric.better[name],
                        protocol(label, clips.spec, clips.n, self._changed(asked)),
                        self._fingerprint(asked),
                        self._real.data,
                        self._real.split,
                        self._request.seed,
                        __version__,
                        round(seconds, 3),
                    )
                )
        return numbers

    def evidence(self, asked: MetricRun, fake: ClipStatistics) -> Evidence:
        """Return what one metric is given."""
        needs = asked.metric.needs
        real, made = (
            side.clip_set(asked.features, video="video" in needs, frames="frame-features" in needs)
            for side in (self._reference, fake)
        )
        train = self._train.clip_set(asked.features) if self._train and "train" in needs else None
        return Evidence(real, made, train)

    def values(self, asked: MetricRun, evidence: Evidence) -> dict[str, float]:
        """Return a metric's numbers. Raises VidganError if one is not finite."""
        measured = self._measured(asked, evidence)
        return measured[0] if measured else {}

    def _measured(
        self, asked: MetricRun, evidence: Evidence
    ) -> tuple[dict[str, float], dict[str, float]] | None:
        """Return a metric's numbers and the errors that it knows itself.

        None for a metric of a group that has nothing to say about these clips.
        """
        try:
            measured = asked.metric.measure(evidence)
        except UsageError as error:
            if not self.selection.lenient:
                raise
            self._request.say(f"left out: {asked.label(asked.name)}: {error}")
            return None
        found = {name: measured[name] for name in asked.metric.better if name in measured}
        for name, value in found.items():
            if not math.isfinite(value):
                raise VidganError(f"{asked.label(name)} is {value}: no number")
        own = {name: measured.get(f"{name}_error", math.nan) for name in found}
        return found, {name: error for name, error in own.items() if math.isfinite(error)}

    def _find_floors(self, other: Clips) -> None:
        """Measure the other half of the real clips as if they were generated."""
        asked_for: Sequence[MetricRun] = [
            a for a in self.selection.runs if not a.metric.needs & {"pairs", "generator"}
        ]
        if not asked_for:
            return
        half = self.collect(other)
        for done, asked in enumerate(asked_for):
            self._request.watch(f"floor of {asked.label(asked.name)}", done, len(asked_for))
            found = self.values(asked, self.evidence(asked, half))
            self.floors |= {asked.label(name): value for name, value in found.items()}

    def _changed(self, asked: MetricRun) -> Mapping[str, object]:
        """Return what a protocol says of options, and of the machine where that matters."""
        if "generator" not in asked.metric.needs:
            return asked.changed
        machine = {"device": self._request.device.type, "threads": torch.get_num_threads()}
        return {**asked.changed, **machine}

    def _fingerprint(self, asked: MetricRun) -> str:
        pool = (
            self.selection.pool if "features" in asked.metric.needs else self.selection.frame_pool
        )
        return pool[asked.features].fingerprint if asked.features else ""
