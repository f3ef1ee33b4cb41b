"""Matching-aware critics, Reed et al. 2016, "Generative Adversarial Text to Image Synthesis"."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import StepContext, Term
from vidgan_core.nn.conditioning import CLASS, count_classes


class Matching(Term):
    """E softplus(D(x, y') - D(x, y)) for real clips x of class y and any other class y'.

    A real clip with another's label is one more kind of fake (algorithm 1, GAN-CLS); it is held
    against the same clip with its own label, as relativistic losses do, so that the term says
    nothing about what the clip looks like, under any loss. Critics' terms are added up; where one
    scores patches each counts alike. y' is uniform over the other classes. Raises UsageError where
    there is none.
    """

    player = "discriminator"
    needs = frozenset({"condition.class"})

    def forward(self, play: StepContext) -> Tensor:
        """Judge the real clips once more, each by a class that is not its own."""
        assert play.real_verdict is not None
        own, classes = play.condition[CLASS], count_classes(play.discriminator.spec)
        if classes < 2:
            raise UsageError("term 'matching' needs data of at least two classes")
        others = (own + torch.randint_like(own, 1, classes)) % classes
        wrong = play.discriminator(play.batch["video"], {**play.condition, CLASS: others})
        pairs = zip(play.real_verdict.scores, wrong.scores, strict=True)
        return torch.stack([softplus(other - right).mean() for right, other in pairs]).sum()
