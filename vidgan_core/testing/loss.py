"""The conformance suite of adversarial losses."""

from __future__ import annotations

from typing import ClassVar, cast

import pytest
import torch
from torch import Tensor

from vidgan_core.interfaces import Loss
from vidgan_core.plugins.kinds import Kind
from vidgan_core.testing.suite import Subject, Suite

REAL = torch.tensor([[2.0, -1.0], [0.3, 0.0]], dtype=torch.float64)
FAKE = torch.tensor([[-0.5, 1.5], [0.1, -3.0]], dtype=torch.float64)
EXTREME = 1e4


class LossSuite(Suite):
    """Checks of a loss; override `closed_form` to have its values checked as well."""

    kind: ClassVar[Kind] = "loss"

    def closed_form(self, name: str, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return (discriminator's, generator's) loss as the paper writes them; None: not known."""
        return None

    def values(self, subject: Subject, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Return (discriminator's loss, generator's loss) of a fresh loss."""
        loss: Loss = self.make(subject)
        return loss.discriminator(real, fake), loss.generator(real, fake)

    def totals(self, subject: Subject, real: Tensor, fake: Tensor) -> Tensor:
        """Return both losses, (2,), reduced should they not be."""
        return torch.stack([value.mean() for value in self.values(subject, real, fake)])

    def test_scalar(self, subject: Subject) -> None:
        """Both losses are one number of the scores' dtype."""
        for value in self.values(subject, REAL, FAKE):
            assert value.shape == ()
            assert value.dtype == REAL.dtype

    def test_mean(self, subject: Subject) -> None:
        """They are means: every score twice makes no difference.

        A loss that `compares` scores within the batch does not depend on the clips' order.
        """
        if cast(Loss, self.make(subject)).compares:
            turned = self.totals(subject, REAL.flip(0), FAKE.flip(0))
            torch.testing.assert_close(turned, self.totals(subject, REAL, FAKE))
            return
        twice = self.totals(subject, torch.cat([REAL, REAL]), torch.cat([FAKE, FAKE]))
        torch.testing.assert_close(twice, self.totals(subject, REAL, FAKE))

    def test_any_shape(self, subject: Subject) -> None:
        """A scalar a clip or a grid of patches: the shape of the scores makes no difference."""
        expected = self.totals(subject, REAL, FAKE)
        for shape in ((4,), (4, 1), (1, 4), (2, 1, 1, 2, 1)):
            totals = self.totals(subject, REAL.reshape(shape), FAKE.reshape(shape))
            torch.testing.assert_close(totals, expected)

    def test_finite(self, subject: Subject) -> None:
        """Values and gradients are finite at extreme scores."""
        for magnitude in (0.0, EXTREME, -EXTREME):
            real = torch.full((4, 2), magnitude, requires_grad=True)
            fake = torch.full((4, 2), -magnitude, requires_grad=True)
            totals = self.totals(subject, real, fake)
            assert totals.isfinite().all(), f"not finite at scores of {magnitude:g}"
            for gradient in torch.autograd.grad(totals.sum(), [real, fake], allow_unused=True):
                assert gradient is None or gradient.isfinite().all()

    def test_direction(self, subject: Subject) -> None:
        """Where it is wrong, the discriminator learns; where it is right, the generator does.

        Only signs are asked for, and only on the wrong side, where every game agrees on them.
        """
        low, high = (torch.full((4, 1), score, requires_grad=True) for score in (-0.8, 0.8))
        of_real, of_fake = torch.autograd.grad(
            self.values(subject, low, high)[0].sum(), [low, high]
        )
        assert (of_real < 0).all(), "the discriminator does not raise the score of real clips"
        assert (of_fake > 0).all(), "the discriminator does not lower the score of fake clips"
        (of_fake,) = torch.autograd.grad(self.values(subject, high, low)[1].sum(), [low])
        assert (of_fake < 0).all(), "the generator does not raise the score of its clips"

    def test_needs_real(self, subject: Subject) -> None:
        """The generator's loss does without real scores unless it says `needs_real`."""
        loss: Loss = self.make(subject)
        if not loss.needs_real:
            assert loss.generator(None, FAKE).isfinite().all()

    def test_no_side_effects(self, subject: Subject) -> None:
        """Scores and the default random generator are left alone; a call has no memory."""
        loss: Loss = self.make(subject)
        real, fake = REAL.clone(), FAKE.clone()
        before = torch.random.get_rng_state()
        for method in (loss.discriminator, loss.generator):
            first, second = method(real, fake), method(real, fake)
            assert torch.equal(first, second), "the second call gives something else"
        assert torch.equal(real, REAL), "real scores are changed"
        assert torch.equal(fake, FAKE), "fake scores are changed"
        assert torch.equal(torch.random.get_rng_state(), before), "random numbers are drawn"

    def test_output(self, subject: Subject) -> None:
        """What is displayed as D(x) is a number a score, and grows with it."""
        loss: Loss = self.make(subject)
        shown = loss.output(REAL)
        assert shown.shape == REAL.shape
        assert torch.equal(shown.flatten().argsort(), REAL.flatten().argsort())

    def test_closed_form(self, subject: Subject) -> None:
        """The values are those of the formulas."""
        expected = self.closed_form(subject.component.name, REAL, FAKE)
        if expected is None:
            pytest.skip("its test class gives no closed form")
        torch.testing.assert_close(self.totals(subject, REAL, FAKE), torch.stack(expected))
