"""What trains the flow of a recurrent generator: a frame of the input is its neighbour, moved."""

from __future__ import annotations

import torch
from torch import Tensor

from vidgan_core.interfaces import StepContext, Term
from vidgan_core.nn.warp import warp
from vidgan_core.tensors import at_least_float32, resized
from vidgan_terms.given_clip import given_clip


class Warp(Term):
    """E|warp(x_(t-1), flow_t) - x_t| for frames x of the condition's clip.

    Sajjadi et al. 2018 (FRVSR), section 3.3, with |d| in place of its square. `generator.flow`
    is (B, 2, T, h, w) in pixels of its own grid, to whose size the clip is brought; a generator
    that gives `flow_after`, from each frame to the next one, is trained on both.
    """

    player = "generator"
    needs = frozenset({"generator.flow", "condition.clip"})
    reads_critic = False

    def forward(self, play: StepContext) -> Tensor | None:
        """Warp every frame to its neighbours; there is nothing to add for a single frame."""
        flow = play.fake.extras["flow"]
        clip = resized(at_least_float32(given_clip(play)), *flow.shape[-2:])
        if clip.shape[2] == 1:
            return None
        errors = [photometric(clip[:, :, 1:], clip[:, :, :-1], flow[:, :, 1:])]
        if "flow_after" in play.fake.extras:
            after = play.fake.extras["flow_after"][:, :, :-1]
            errors.append(photometric(clip[:, :, :-1], clip[:, :, 1:], after))
        return torch.stack(errors).mean()


def photometric(frames: Tensor, others: Tensor, flow: Tensor) -> Tensor:
    """Return the mean |warp(others, flow) - frames|, all (B, ., T, h, w)."""
    flat = (part.transpose(1, 2).flatten(0, 1) for part in (frames, others, flow))
    here, there, away = flat
    return (warp(there, away) - here).abs().mean()
