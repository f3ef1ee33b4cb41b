"""The conformance suite of features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, get_args

import pytest
import torch
from torch import Tensor

from vidgan_core.errors import ComponentError, ShapeError, UsageError
from vidgan_core.interfaces import DataSpec, Degradation, Features
from vidgan_core.plugins.kinds import Kind
from vidgan_core.plugins.options import options_model
from vidgan_core.rng import keyed
from vidgan_core.testing.suite import Subject, Suite

CLIPS = 5
SHAPES = ((16, 64, 64), (12, 48, 32), (4, 33, 40), (1, 32, 32), (2, 8, 8))


class FeaturesSuite(Suite):
    """`spec` is the clip that most checks use, SHAPES (T, H, W) are to be looked at or refused.

    What can't be built for want of a package or of weights is skipped, with the reason; `options`
    may give what is wanting.
    """

    kind: ClassVar[Kind] = "features"
    spec: ClassVar[DataSpec] = DataSpec(frames=10, height=32, width=32)

    def features(self, subject: Subject, spec: DataSpec | None = None) -> Features:
        """Build the features; skip the check where something is wanting."""
        try:
            features: Features = self.make(subject, spec or self.spec)
        except ShapeError:
            raise
        except (UsageError, ComponentError) as error:
            pytest.skip(str(error))
        return features

    def clips(self, spec: DataSpec | None = None) -> Tensor:
        """Return different clips in [-1, 1], the same ones each time."""
        shape = (CLIPS, *(spec or self.spec).shape)
        return torch.rand(shape, generator=keyed(0, "conformance")) * 2 - 1

    def built(self, subject: Subject) -> Iterator[Features]:
        """Build the features for all SHAPES that they do not refuse."""
        for shape in SHAPES:
            try:
                features = self.features(subject, DataSpec(3, *shape))
            except ShapeError:
                continue  # how they refuse is another check's matter
            yield features

    def test_shape(self, subject: Subject) -> None:
        """What is accepted is mapped to finite vectors, of one length for every clip shape."""
        lengths = set()
        for features in self.built(subject):
            vectors = features(self.clips(features.spec))
            assert vectors.ndim == 2
            assert len(vectors) == CLIPS
            assert vectors.isfinite().all()
            lengths.add(vectors.shape[1])
        assert len(lengths) == 1, f"lengths: {lengths or 'they look at none of the shapes'}"

    def test_refusal(self, subject: Subject) -> None:
        """Clips that they can't look at are a ShapeError that says which ones they can."""
        for shape in SHAPES:
            try:
                self.features(subject, DataSpec(3, *shape))
            except ShapeError as error:
                message = str(error)
                assert "must be" in message, message
                assert any(c.isdecimal() for c in message.partition("must be")[2]), message

    def test_determinism(self, subject: Subject) -> None:
        """The same clip is the same vector to the last bit: no draws, nothing remembered."""
        clips = self.clips()
        features = self.features(subject)
        first, second, third = features(clips), features(clips), self.features(subject)(clips)
        assert torch.equal(first, second), "the second call gives something else"
        assert torch.equal(first, third), "another instance gives something else"

    def test_rows(self, subject: Subject) -> None:
        """A row is a function of its clip alone."""
        features, clips = self.features(subject), self.clips()
        whole = features(clips)
        parts = torch.cat([features(clips[i : i + 1]) for i in range(CLIPS)])
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)
        assert not torch.equal(whole[0], whole[1]), "different clips are the same vector"

    def test_frozen(self, subject: Subject) -> None:
        """Nothing in them can be trained, is in training mode, or changes; clips are left alone."""
        features, clips = self.features(subject), self.clips()
        before = {name: t.clone() for name, t in features.state_dict().items()}
        kept = clips.clone()
        features(clips)
        assert not any(p.requires_grad for p in features.parameters()), "a weight can be trained"
        assert not any(m.training for m in features.children()), "a part is in training mode"
        assert torch.equal(clips, kept), "the clips are changed"
        for name, tensor in features.state_dict().items():
            assert torch.equal(tensor, before[name]), f"{name} changes"

    def test_fingerprint(self, subject: Subject) -> None:
        """It is the same for the same options, and another for another value of any."""
        features = self.features(subject)
        assert features.fingerprint == self.features(subject).fingerprint
        for name, field in options_model(subject.load()).model_fields.items():
            if type(field.default) is int:
                changed: dict[str, Any] = {**self.options, name: field.default + 1}
                other = subject.make(self.spec, **changed)
                assert other.fingerprint != features.fingerprint, f"{name} makes no difference"

    def test_claims(self, subject: Subject) -> None:
        """What it claims to be sensitive to is among the degradations that there are."""
        assert subject.load().sensitive_to <= set(get_args(Degradation))
