"""The gradient difference loss, Mathieu, Couprie & LeCun 2016, section 3.2, equation 6.

"Deep multi-scale video prediction beyond mean square error": edges as steep as the real ones.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, doc
from torch import Tensor

from vidgan_core.interfaces import StepContext, Term


class GradientDifference(Term):
    """||y_i,j - y_i-1,j| - |x_i,j - x_i-1,j||^a, and the same for neighbours in a row.

    The paper adds up both over all pixels; here the two means are added, so that a weight means the
    same at any size.
    """

    player = "generator"
    reads_critic = False

    def __init__(self, *, alpha: Annotated[int, Ge(1), doc("the power a")] = 1) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, play: StepContext) -> Tensor:
        """Compare the steps between neighbouring pixels."""
        fake, real = play.fake.video, play.batch["video"]
        down, across = (
            (fake.diff(dim=axis).abs() - real.diff(dim=axis).abs()).abs().pow(self.alpha).mean()
            for axis in (3, 4)
        )
        return down + across
