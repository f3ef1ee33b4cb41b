"""The conformance suite of augmentations."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from vidgan_core.interfaces import Augment, DataSpec
from vidgan_core.plugins.kinds import Kind
from vidgan_core.rng import keyed
from vidgan_core.testing.suite import Subject, Suite

CLIPS = 6
SEEDS = range(4)
MOST = 0.95  # of pixels, or of what a correlation can be: edges may be resampled


class AugmentSuite(Suite):
    """Checks of an augmentation; `spec` is the clip that it is tried on."""

    kind: ClassVar[Kind] = "augment"
    spec: ClassVar[DataSpec] = DataSpec(frames=4, height=16, width=24)

    def video(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return clips in [-1, 1], the same each time."""
        rng = keyed(0, "conformance")
        return torch.rand(CLIPS, *self.spec.shape, generator=rng).to(dtype) * 2 - 1

    def changed(self, subject: Subject, video: Tensor, p: float = 1.0, seed: int = 0) -> Tensor:
        """Augment clips, with torch's default generator seeded."""
        augment: Augment = self.make(subject)
        augment.to(video.dtype)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return augment(video, torch.tensor(p, dtype=video.dtype))

    def test_shape(self, subject: Subject) -> None:
        """Clips keep their shape and stay finite, of one channel, frame or clip too."""
        for video in (self.video(), self.video()[:1], self.video()[:, :1], self.video()[:, :, :1]):
            for seed in SEEDS:
                changed = self.changed(subject, video, seed=seed)
                assert changed.shape == video.shape
                assert changed.isfinite().all()

    def test_dtype(self, subject: Subject) -> None:
        """Numbers go out as they come in, float32 or float64."""
        for dtype in (torch.float32, torch.float64):
            assert self.changed(subject, self.video(dtype)).dtype == dtype

    def test_identity(self, subject: Subject) -> None:
        """With a probability of 0 nothing is changed, to the last bit."""
        video = self.video()
        for seed in SEEDS:
            assert torch.equal(self.changed(subject, video, p=0.0, seed=seed), video)

    def test_determinism(self, subject: Subject) -> None:
        """Its draws come from torch's default generator alone."""
        first, again = (self.changed(subject, self.video(), seed=1) for _ in range(2))
        assert torch.equal(first, again), "the same seed gives other clips"

    def test_clips_apart(self, subject: Subject) -> None:
        """Each clip has draws of its own, and the seed makes a difference."""
        alike = self.video()[:1].expand(CLIPS, -1, -1, -1, -1).clone()
        results = [self.changed(subject, alike, seed=seed) for seed in SEEDS]
        assert any(not torch.equal(r, r[:1].expand_as(r)) for r in results), "all are changed alike"
        assert any(not torch.equal(r, results[0]) for r in results), "the seed makes no difference"

    def test_same_for_all_frames(self, subject: Subject) -> None:
        """A clip that stands still goes on standing still."""
        still = self.video()[:, :, :1].repeat(1, 1, self.spec.frames, 1, 1)
        for seed in SEEDS:
            changed = self.changed(subject, still, seed=seed)
            torch.testing.assert_close(changed, changed[:, :, :1].expand_as(changed))

    def test_fields(self, subject: Subject) -> None:
        """Label maps and clips of other channels are moved as the clip is, labels never mixed.

        Labels grow with the cube of the place along an axis, so that a mirrored map is told from
        one that stays; wherever a frame shows the clip, its brightness must go with the label.
        """
        for axis in (2, 3):
            length = (*self.spec.shape,)[axis]
            ramp = 1 + (999 * torch.linspace(0, 1, length) ** 3).round().long()
            ramp = ramp[:, None] if axis == 2 else ramp[None]
            labels = ramp.expand(CLIPS, self.spec.frames, *self.spec.shape[2:]).clone()
            for seed in SEEDS:
                self._moved_alike(subject, labels, seed)

    def _moved_alike(self, subject: Subject, labels: Tensor, seed: int) -> None:
        augment: Augment = self.make(subject)
        video = (labels[:, None] / 1000).repeat(1, self.spec.channels, 1, 1, 1)
        fields = {"map": labels, "clip": labels[:, None].float()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            changed, moved = augment.with_fields(video, fields, torch.tensor(1.0))
        assert changed.shape == video.shape
        for name, field in fields.items():
            assert (moved[name].shape, moved[name].dtype) == (field.shape, field.dtype)
        assert set(moved["map"].flatten().tolist()) <= {0, *labels.flatten().tolist()}, "new labels"
        for clip, maps, others in zip(changed, moved["map"], moved["clip"][:, 0], strict=True):
            for frame, shown, other in zip(clip.mean(0), maps, others, strict=True):
                assert (shown == other).double().mean() > MOST, "a map and a clip move apart"
                visible = shown > 0
                if len(set(shown[visible].tolist())) > 1 and frame[visible].std() > 0:
                    both = torch.stack([shown[visible].double(), frame[visible].double()])
                    together = torch.corrcoef(both)[0, 1].abs() > MOST
                    assert together, "the fields are not moved with the clip"

    def test_gradient(self, subject: Subject) -> None:
        """Gradients flow through it to every clip, and they are those of its values."""
        video = self.video(torch.float64).requires_grad_()
        weights = self.video(torch.float64).flip(0) + 2
        changed = self.changed(subject, video)
        assert changed.requires_grad, "it has no gradient"
        (gradient,) = torch.autograd.grad((changed * weights).sum(), video)
        assert gradient.flatten(1).any(dim=1).all(), "some clip gets no gradient"
        with torch.no_grad():
            along, size = self.video(torch.float64).flip(1), 1e-6
            ahead, behind = (self.changed(subject, video + s * along) for s in (size, -size))
            expected = ((ahead - behind) * weights).sum() / (2 * size)
        torch.testing.assert_close((gradient * along).sum(), expected, rtol=1e-4, atol=1e-6)

    def test_second_order(self, subject: Subject) -> None:
        """A penalty on the gradient that comes through it can be trained with, as R1 does."""
        video = self.video().requires_grad_()
        scale = torch.tensor(0.5, requires_grad=True)
        changed = self.changed(subject, video)
        if not changed.requires_grad:
            return  # another check's matter
        total = (changed * scale).square().sum()
        (gradient,) = torch.autograd.grad(total, video, create_graph=True)
        gradient.square().sum().backward()  # type: ignore[no-untyped-call]
        assert scale.grad is not None
        assert scale.grad.isfinite()
        assert scale.grad != 0

    def test_video_is_left_alone(self, subject: Subject) -> None:
        """The clips that it is given are the same afterwards."""
        video = self.video()
        before = video.clone()
        self.changed(subject, video)
        assert torch.equal(video, before)
