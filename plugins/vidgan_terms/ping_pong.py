"""The ping-pong loss, Chu et al. 2020, section 3.3, equation 3 ("Long-term Temporal Divergence").

"Learning Temporal Coherence via Self-Supervision for GAN-based Video Generation" (TecoGAN).
"""

from __future__ import annotations

import torch
from torch import Tensor

from vidgan_core.interfaces import StepContext, Term
from vidgan_core.tensors import at_least_float32


class PingPong(Term):
    """E(y_t - y'_t)^2: a clip, then the same clip backwards, should give each frame twice.

    y and y' are made in one pass over the clip and its reverse, as long as what is generated: what
    a recurrent generator adds up on its way shows as a difference. The paper takes sums; its weight
    is 0.5.
    """

    player = "generator"
    needs = frozenset({"generator.flow", "condition.clip"})
    reads_critic = False

    def forward(self, play: StepContext) -> Tensor | None:
        """Run the generator there and back; there is nothing to add for a single frame."""
        frames = play.fake.video.shape[2]
        if frames == 1:
            return None
        condition = play.generator.condition_from(play.batch)
        for field in play.generator.spec.condition:
            if field.kind == "clip":
                condition[field.name] = there_and_back(condition[field.name])
        video = play.generator(play.noise, condition, frames=2 * frames - 1).video
        there, back = video[:, :, : frames - 1], video[:, :, frames:].flip(2)
        return (at_least_float32(there) - at_least_float32(back)).square().mean()


def there_and_back(clip: Tensor) -> Tensor:
    """(B, C, T, h, w) -> (B, C, 2 T - 1, h, w): the frames, and back from the last but one."""
    return torch.cat([clip, clip[:, :, :-1].flip(2)], dim=2)
