"""The conformance suite of metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, get_args

import pytest
import torch

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import (
    Better,
    ClipSet,
    DataSpec,
    Degradation,
    ErrorBy,
    Evidence,
    Fake,
    Generator,
    Metric,
    PairedMetric,
    Tensors,
)
from vidgan_core.plugins.kinds import Kind
from vidgan_core.rng import keyed
from vidgan_core.testing.suite import Subject, Suite

CLIPS = 24
CLASSES = 3
NEEDS = {"video", "features", "frame-features", "train", "class", "pairs", "generator"}


class MetricSuite(Suite):
    """Checks of a metric on made clips, of which everything that it may need is there.

    A metric that needs the generator measures the network, time among other things: of what the
    numbers are, nothing is checked but that they are finite.
    """

    kind: ClassVar[Kind] = "metric"
    spec: ClassVar[DataSpec] = DataSpec(frames=4, height=16, width=16)

    def clip_set(self, name: str, clips: int = CLIPS) -> ClipSet:
        """Return made clips of one distribution: the same for the same name."""
        rng = keyed(0, "conformance", name)
        labels = torch.arange(clips) % CLASSES
        colour = torch.rand(clips, 3, 1, 1, 1, generator=rng)
        noise = torch.rand(clips, *self.spec.shape, generator=rng)
        features = torch.randn(clips, 6, generator=rng, dtype=torch.float64) + labels[:, None]
        return ClipSet(
            ((colour + noise) * 127.5).to(torch.uint8),
            features,
            torch.randn(clips, self.spec.frames, 6, generator=rng),
            {"class": labels},
        )

    def evidence(self, real: ClipSet | None = None, fake: ClipSet | None = None) -> Evidence:
        """Return real and generated clips of one distribution, or those that are given."""
        return Evidence(
            real or self.clip_set("real"),
            fake or self.clip_set("fake"),
            self.clip_set("train"),
            Constant(self.spec),
        )

    def measured(self, subject: Subject, evidence: Evidence) -> Mapping[str, float]:
        """Return the numbers of a fresh metric."""
        metric: Metric = self.make(subject)
        return metric.measure(evidence)

    def test_declared(self, subject: Subject) -> None:
        """What the class says of itself is made of words that the engine knows."""
        target = subject.load()
        assert target.better, "it has no number"
        assert set(target.better.values()) <= set(get_args(Better))
        assert target.needs <= NEEDS
        assert target.error in get_args(ErrorBy)
        assert target.sensitive_to <= set(get_args(Degradation))
        assert isinstance(self.make(subject).features, Mapping)

    def test_numbers(self, subject: Subject) -> None:
        """It returns the finite numbers that it names, and errors of none but these."""
        target = subject.load()
        numbers = dict(self.measured(subject, self.evidence()))
        errors = {f"{name}_error" for name in target.better} if target.error == "own" else set()
        assert numbers.keys() <= {*target.better, *errors}, "it returns what it does not name"
        if "generator" not in target.needs:
            assert set(target.better) <= numbers.keys(), "it names what it does not return"
        for name, value in numbers.items():
            assert isinstance(value, float), f"{name} is not a float"
            assert math.isfinite(value), f"{name} is {value}"
            assert value >= 0 or name not in errors, f"{name} is negative"

    def test_identity(self, subject: Subject) -> None:
        """Real clips in the place of the generated ones are at least as good as others.

        Not asked of a metric that compares nothing with the real clips, nor of one whose worst
        case is a copy.
        """
        target = subject.load()
        if not (target.distance or "pairs" in target.needs):
            pytest.skip("claims no distance")
        real = self.clip_set("real")
        assert real.features is not None
        assert real.frame_features is not None
        other = replace(
            real,
            video=(255 - real.video).flip(2),  # backwards: the motion is another too
            features=real.features + 3,
            frame_features=real.frame_features + 3,
        )
        same = self.measured(subject, self.evidence(real, real))
        others = self.measured(subject, self.evidence(real, other))
        for name, better in target.better.items():
            good, bad = same[name], others[name]
            assert good > bad if better == "higher" else good < bad, f"{name} of itself is not best"

    def test_symmetry(self, subject: Subject) -> None:
        """A distance is the same from either side."""
        target = subject.load()
        if not target.distance:
            pytest.skip("claims no distance")
        real, fake = self.clip_set("real"), self.clip_set("fake")
        there = self.measured(subject, self.evidence(real, fake))
        back = self.measured(subject, self.evidence(fake, real))
        for name in target.better:
            assert there[name] == pytest.approx(back[name], rel=1e-9, abs=1e-12), name

    def test_values(self, subject: Subject) -> None:
        """A paired metric has a value a pair, which depends on that pair alone."""
        if not issubclass(subject.load(), PairedMetric):
            pytest.skip("is no paired metric")
        metric: PairedMetric = self.make(subject)
        real, fake = self.clip_set("real", 4), self.clip_set("fake", 4)
        values = metric.values(self.evidence(real, fake))
        assert values.keys() == metric.better.keys()
        alone = self.evidence(*(_row(clips, 2) for clips in (real, fake)))
        for name, of_pair in metric.values(alone).items():
            assert values[name].shape == (4,)
            assert float(of_pair) == pytest.approx(float(values[name][2]), rel=1e-5), name

    def test_determinism(self, subject: Subject) -> None:
        """The same evidence is the same number, whatever was drawn before; no draw is taken."""
        if "generator" in subject.load().needs:
            pytest.skip("measures time")
        metric: Metric = self.make(subject)
        evidence = self.evidence()
        torch.manual_seed(1)
        before = torch.random.get_rng_state()
        first = metric.measure(evidence)
        assert torch.equal(torch.random.get_rng_state(), before), "random numbers are drawn"
        torch.manual_seed(2)
        assert first == metric.measure(evidence), "the second call gives something else"
        assert first == self.measured(subject, evidence), "another instance gives something else"

    def test_no_side_effects(self, subject: Subject) -> None:
        """The evidence is the same afterwards."""
        evidence, kept = self.evidence(), self.evidence()
        self.measured(subject, evidence)
        for now, then in ((evidence.real, kept.real), (evidence.fake, kept.fake)):
            assert torch.equal(now.video, then.video), "a clip is changed"
            assert now.features is not None
            assert then.features is not None
            assert torch.equal(now.features, then.features), "a feature is changed"

    def test_least(self, subject: Subject) -> None:
        """The fewest clips that it asks for are enough."""
        least = max(1, subject.load().least)
        few = self.evidence(self.clip_set("real", least), self.clip_set("fake", least))
        for name, value in self.measured(subject, few).items():
            assert math.isfinite(value), f"{name} of {least} clips is {value}"

    def test_nan(self, subject: Subject) -> None:
        """Features that are not finite are refused, on either side."""
        target = subject.load()
        if not target.needs & {"features", "frame-features"}:
            pytest.skip("needs no features")
        good = self.clip_set("real")
        assert good.features is not None
        assert good.frame_features is not None
        bad = replace(
            good,
            features=good.features.clone().index_fill_(0, torch.tensor(1), math.nan),
            frame_features=good.frame_features.clone().index_fill_(0, torch.tensor(1), math.inf),
        )
        try:
            numbers = self.measured(subject, self.evidence(good, bad))
        except UsageError as error:
            message = str(error)
            assert "finite" in message, message
        else:
            raise AssertionError(f"not refused: {dict(numbers)}")


def _row(clips: ClipSet, row: int) -> ClipSet:
    """Return one of some clips, with its features."""
    assert clips.features is not None
    assert clips.frame_features is not None
    one = slice(row, row + 1)
    return ClipSet(clips.video[one], clips.features[one], clips.frame_features[one])


class Constant(Generator):
    """A generator of one colour, for metrics that measure the network."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.colour = torch.nn.Parameter(torch.zeros(spec.channels))

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw a brightness."""
        return {"z": torch.randn(n, 1, generator=rng)}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make clips of that brightness in one colour."""
        colours = torch.tanh(noise["z"] @ self.colour[None])  # (n, C)
        return Fake(colours[:, :, None, None, None].expand(-1, *self.spec.shape))
