"""Changes over time that are those of the real clip."""

from __future__ import annotations

from torch import Tensor

from vidgan_core.interfaces import StepContext, Term


class Temporal(Term):
    """E|(y_t - y_(t-1)) - (x_t - x_(t-1))| for generated frames y and real ones x.

    The same error in both frames costs nothing: what is punished is flicker.
    """

    player = "generator"
    reads_critic = False

    def forward(self, play: StepContext) -> Tensor | None:
        """Compare the changes; there is nothing to add for a single frame."""
        apart = play.fake.video - play.batch["video"]
        return apart.diff(dim=2).abs().mean() if apart.shape[2] > 1 else None
