"""A term that is right, others that break one property each, and the suite for them."""

from __future__ import annotations

from torch import Tensor, nn

from vidgan_core.interfaces import StepContext, Term
from vidgan_core.testing import TermSuite


class RightTerm(Term):
    player = "discriminator"

    def forward(self, play: StepContext) -> Tensor | None:
        return play.discriminator(play.batch["video"], {}).scores[0].mean()


class NobodysTerm(RightTerm):
    player = "critic"  # type: ignore[assignment]

    def forward(self, play: StepContext) -> Tensor | None:
        return play.generator(play.noise, {}).video.mean()


class Needy(RightTerm):
    needs = frozenset({"mask"})


class Presuming(RightTerm):
    player = "generator"

    def forward(self, play: StepContext) -> Tensor | None:
        assert play.real_verdict
        return play.real_verdict.scores[0].mean() - play.fake_verdict.scores[0].mean()


class Vector(RightTerm):
    def forward(self, play: StepContext) -> Tensor | None:
        return play.discriminator(play.batch["video"], {}).scores[0]


class Detached(RightTerm):
    def forward(self, play: StepContext) -> Tensor | None:
        return super().forward(play).detach()  # type: ignore[union-attr]


class Switching(RightTerm):
    def forward(self, play: StepContext) -> Tensor | None:
        play.discriminator.eval()
        return super().forward(play)


class Destroying(RightTerm):
    def after_update(self, network: nn.Module) -> None:
        for parameter in network.parameters():
            parameter.div_(0)


class TwiceTheTerm(RightTerm):
    def forward(self, play: StepContext) -> Tensor | None:
        return super().forward(play) * 2  # type: ignore[operator]


TERMS = {
    NobodysTerm: "player",
    Needy: "needs",
    Presuming: "needs_real",
    Vector: "scalar",
    Detached: "gradient",
    Switching: "no_side_effects",
    Destroying: "after_update",
    TwiceTheTerm: "by_hand",
}


class Terms(TermSuite):
    def by_hand(self, name: str, play: StepContext) -> Tensor | None:
        layer = play.discriminator.layer
        colours = play.batch["video"].mean((3, 4)).flatten(1)
        by_hand = (colours @ layer.weight.T + layer.bias).square().mean()
        return by_hand if name in ("RightTerm", "TwiceTheTerm") else None
