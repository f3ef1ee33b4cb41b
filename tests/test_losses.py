"""Losses against closed forms on probabilities, and at extreme scores."""

from __future__ import annotations

import pytest
import torch
from conftest import REGISTRY, components
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, mse_loss

from vidgan_core.interfaces import Loss
from vidgan_core.plugins import Provided

REAL = torch.tensor([[2.0, -1.0], [0.3, 0.0]], dtype=torch.float64)
FAKE = torch.tensor([[-0.5, 1.5], [0.1, -3.0]], dtype=torch.float64)


def make(name: str, **options: object) -> Loss:
    return REGISTRY.load("loss", name)(**options)


def log_likelihood(probability: Tensor, label: float) -> Tensor:
    return binary_cross_entropy(probability, torch.full_like(probability, label))


def test_minimax_is_the_value_function_on_probabilities() -> None:
    d_real, d_fake = torch.sigmoid(REAL), torch.sigmoid(FAKE)
    value = d_real.log().mean() + (1 - d_fake).log().mean()
    torch.testing.assert_close(make("minimax").discriminator(REAL, FAKE), -value)
    torch.testing.assert_close(
        make("minimax", saturating=True).generator(None, FAKE), (1 - d_fake).log().mean()
    )
    torch.testing.assert_close(make("minimax").generator(None, FAKE), log_likelihood(d_fake, 1))
    torch.testing.assert_close(make("minimax").output(REAL), d_real)


def test_lsgan_is_half_the_mean_squared_error_to_the_labels() -> None:
    ones, zeros = torch.ones_like(REAL), torch.zeros_like(REAL)
    expected = (mse_loss(REAL, ones) + mse_loss(FAKE, zeros)) / 2
    torch.testing.assert_close(make("lsgan").discriminator(REAL, FAKE), expected)
    torch.testing.assert_close(make("lsgan").generator(None, FAKE), mse_loss(FAKE, ones) / 2)


def test_hinge_by_hand() -> None:
    # real: max(0, 1 - r) = 0, 2, 0.7, 1; fake: max(0, 1 + f) = 0.5, 2.5, 1.1, 0
    expected = torch.tensor((0 + 2 + 0.7 + 1) / 4 + (0.5 + 2.5 + 1.1 + 0) / 4, dtype=torch.float64)
    torch.testing.assert_close(make("hinge").discriminator(REAL, FAKE), expected)
    torch.testing.assert_close(make("hinge").generator(None, FAKE), -FAKE.mean())


def test_wasserstein_is_the_difference_of_means() -> None:
    torch.testing.assert_close(
        make("wasserstein").discriminator(REAL, FAKE), FAKE.mean() - REAL.mean()
    )
    torch.testing.assert_close(make("wasserstein").generator(None, FAKE), -FAKE.mean())


def test_rpgan_compares_in_pairs() -> None:
    wins = torch.sigmoid(REAL - FAKE)  # the probability that the real one is the more real
    torch.testing.assert_close(make("rpgan").discriminator(REAL, FAKE), -wins.log().mean())
    torch.testing.assert_close(make("rpgan").generator(REAL, FAKE), -(1 - wins).log().mean())


def test_ragan_compares_with_the_mean() -> None:
    real, fake = torch.sigmoid(REAL - FAKE.mean()), torch.sigmoid(FAKE - REAL.mean())
    expected = -real.log().mean() - (1 - fake).log().mean()
    torch.testing.assert_close(make("ragan").discriminator(REAL, FAKE), expected)
    expected = -fake.log().mean() - (1 - real).log().mean()
    torch.testing.assert_close(make("ragan").generator(REAL, FAKE), expected)


@pytest.mark.parametrize("options", [{}, {"saturating": True}])
@pytest.mark.parametrize("provided", components("loss"))
def test_finite_at_extreme_scores(provided: Provided, options: dict[str, bool]) -> None:
    if options and provided.component.name != "minimax":
        return
    loss = make(provided.component.name, **options)
    for magnitude in (0.0, 1e4):
        for sign in (1, -1):
            real = torch.full((4, 2), sign * magnitude, requires_grad=True)
            fake = torch.full((4, 2), -sign * magnitude, requires_grad=True)
            values = [loss.discriminator(real, fake), loss.generator(real.detach(), fake)]
            gradients = torch.autograd.grad(sum(values), [real, fake])
            assert all(torch.isfinite(t).all() for t in (*values, *gradients))


@pytest.mark.parametrize("provided", components("loss"))
def test_a_discriminator_that_tells_them_apart_has_the_smaller_loss(provided: Provided) -> None:
    loss = make(provided.component.name)
    right = loss.discriminator(torch.full((4, 1), 0.8), torch.full((4, 1), -0.8))
    wrong = loss.discriminator(torch.full((4, 1), -0.8), torch.full((4, 1), 0.8))
    assert right < wrong
    real = torch.zeros(4, 1)
    fools = loss.generator(real, torch.full((4, 1), 0.8))
    fails = loss.generator(real, torch.full((4, 1), -0.8))
    assert fools < fails
