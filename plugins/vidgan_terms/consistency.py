"""A result that, made small again, is the clip that it was made of."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate

from vidgan_core.interfaces import StepContext, Term
from vidgan_core.tensors import at_least_float32
from vidgan_terms.given_clip import given_clip


class Consistency(Term):
    """E|down(y) - x| for generated frames y and the clip x of the condition.

    `down` is antialiased bicubic, as the task `superresolution` makes its small copies by default.
    Haris, Shakhnarovich & Ukita 2018 build this into a network (back-projection); here it is asked
    for. Where x is as large as y, it asks for x itself.
    """

    player = "generator"
    needs = frozenset({"condition.clip"})
    reads_critic = False

    def forward(self, play: StepContext) -> Tensor:
        """Compare the results, at the size of the clip, with it."""
        clip = at_least_float32(given_clip(play))
        frames = play.fake.video.transpose(1, 2).flatten(0, 1)
        size = clip.shape[-2:]
        if frames.shape[-2:] != size:
            frames = interpolate(frames, size, mode="bicubic", antialias=True)
        return (frames - clip.transpose(1, 2).flatten(0, 1)).abs().mean()
