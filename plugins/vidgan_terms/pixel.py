"""The distance of generated clips from the real ones that they are to be, pixel by pixel."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Gt, doc
from torch import Tensor

from vidgan_core.interfaces import StepContext, Term


class Pixel(Term):
    """The mean over pixels of sqrt(d^2 + e^2), |d| or d^2, d being the difference.

    The first is the Charbonnier penalty of Lai et al. 2017 (LapSRN), equation 3: |d| with a
    gradient that is smooth at zero.
    """

    player = "generator"
    reads_critic = False

    def __init__(
        self,
        *,
        form: Annotated[
            Literal["charbonnier", "l1", "l2"], doc("what is averaged over pixels")
        ] = "charbonnier",
        epsilon: Annotated[float, Gt(0), doc("e of the Charbonnier penalty, in [-1, 1]")] = 1e-3,
    ) -> None:
        super().__init__()
        self.form, self.epsilon = form, epsilon

    def forward(self, play: StepContext) -> Tensor:
        """Compare the generated clips with the real ones of the same condition."""
        apart = play.fake.video - play.batch["video"]
        match self.form:
            case "l1":
                return apart.abs().mean()
            case "l2":
                return apart.square().mean()
        return (apart.square() + self.epsilon**2).sqrt().mean()
