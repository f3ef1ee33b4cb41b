"""A discriminator that is shown every clip through augmentations, and how strong they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vidgan_core.interfaces.networks import Discriminator, Tensors, Verdict
from vidgan_core.tensors import resized


class Augment(nn.Module, ABC):
    """Changes what the discriminator is shown, real and fake clips alike, differentiably.

    It is wrapped round every call of the discriminator, those of terms included, so it has to be
    differentiable twice. Options are the keyword-only parameters of the constructor.
    """

    @abstractmethod
    def forward(self, video: Tensor, p: Tensor) -> Tensor:
        """Return `video` (B, C, T, H, W) with each change made to each clip with probability `p`.

        `p` () is in [0, 1]; at 0 the result equals the video. Draws come from torch's default
        generator, each clip's apart, and hold for all frames of a clip.
        """

    def with_fields(self, video: Tensor, fields: Tensors, p: Tensor) -> tuple[Tensor, Tensors]:
        """Return the changed clips, and the pictures of their condition moved as they were.

        A field is a clip (B, C', T', H, W) or a label map (B, T', H, W), int64, as high and as
        wide as the video. What moves pixels must move them alike, with the same draws; labels are
        never mixed; what enters the frame is 0. A change of colour may be made to clips with the
        video's channels, never to others or to a map. This is right for changes of colour alone.
        """
        return self(video, p), fields

    if TYPE_CHECKING:

        def __call__(self, video: Tensor, p: Tensor) -> Tensor:
            """Typed as `forward` is."""


INTERVAL = 4  # updates of the discriminator from one adaptation to the next, as in Karras et al.


class AdaptiveAugment(nn.Module):
    """An augmentation with the probability of its changes, which is fixed or adapts.

    Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", section 3:
    r_t, the mean sign of the scores of real clips, is near 1 for a discriminator that has learnt
    them by heart. Every few updates p moves towards where r_t is `target`, by as much as takes it
    from 0 to 1 within `ramp` updates, each observed in `parts` of its batch. It starts at 0 and
    never exceeds `p`. A target of 0 leaves it at `p`.
    """

    p: Tensor
    observed: Tensor
    count: Tensor

    def __init__(
        self,
        name: str,
        augment: Augment,
        p: float = 1.0,
        target: float = 0.0,
        *,
        ramp: float = 1000.0,
        parts: int = 1,
    ) -> None:
        super().__init__()
        self.name = name
        self.augment = augment
        self.limit = p
        self.target = target
        self.change = INTERVAL / ramp
        self.interval = INTERVAL * parts
        self.register_buffer("p", torch.tensor(0.0 if target else p))
        # Of several processes the sums are averaged. The count is an integer, which is left alone:
        # the mean of 7 equal floats is not exactly that float.
        self.register_buffer("observed", torch.tensor(0.0))  # sum of the signs
        self.register_buffer("count", torch.tensor(0))

    def forward(self, video: Tensor) -> Tensor:
        """Augment `video` (B, C, T, H, W), in its own precision."""
        with torch.autocast(video.device.type, enabled=False):
            return self.augment(video, self.p)

    def with_fields(self, video: Tensor, fields: Tensors) -> tuple[Tensor, Tensors]:
        """Augment `video` and move pictures of the condition with it; see `Augment`."""
        with torch.autocast(video.device.type, enabled=False):
            return self.augment.with_fields(video, fields, self.p)

    @torch.no_grad()
    def observe(self, sign: Tensor) -> None:
        """Take r_t (), the mean sign of the scores of some real clips, into account; adapt p."""
        self.observed += sign.to(self.observed.dtype)
        self.count += 1
        due = self.count == self.interval
        change = torch.sign(self.observed / self.interval - self.target) * self.change
        self.p.copy_(torch.where(due, (self.p + change).clamp(0, self.limit), self.p))
        self.observed.mul_(~due)
        self.count.mul_(~due)


class AugmentedDiscriminator(Discriminator):
    """A discriminator to which every clip is shown through augmentations, drawn anew each time."""

    def __init__(self, discriminator: Discriminator, strengths: Sequence[AdaptiveAugment]) -> None:
        super().__init__(discriminator.spec)
        self.discriminator = discriminator
        self.strengths = nn.ModuleList(strengths)
        self.pictures = [f.name for f in self.spec.condition if f.kind in ("clip", "map")]

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Augment the clips, and the pictures of the condition with them, then judge them."""
        if self.pictures:
            video, condition = self._together(video, condition)
        else:
            for strength in self.strengths:
                video = strength(video)
        return self.discriminator(video, condition)

    def _together(self, video: Tensor, condition: Tensors) -> tuple[Tensor, Tensors]:
        """Augment on the grid of the clip, then bring each picture back to its own."""
        sizes = {name: condition[name].shape[-2:] for name in self.pictures if name in condition}
        fields: Tensors = {name: resized(condition[name], *video.shape[3:]) for name in sizes}
        for strength in self.strengths:
            assert isinstance(strength, AdaptiveAugment)
            video, fields = strength.with_fields(video, fields)
        return video, {**condition, **{n: resized(fields[n], *size) for n, size in sizes.items()}}


def real_sign(real: Verdict, fake: Verdict, boundary: float | None) -> Tensor:
    """Mean sign of the real scores, 1 where all are judged real, averaged over critics.

    Where a loss only compares scores, it is with the mean fake one, as in relativistic averages.
    """
    pairs = zip(real.scores, fake.scores, strict=True)
    above = [r.detach() - (f.detach().mean() if boundary is None else boundary) for r, f in pairs]
    return torch.stack([score.sign().mean() for score in above]).mean()
