"""Losses against closed forms on probabilities; the suites do the rest."""

from __future__ import annotations

import pytest
import torch
from conftest import REGISTRY
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, mse_loss

from vidgan_core.interfaces import Loss

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


@pytest.mark.parametrize("name", ["minimax", "lsgan", "rpgan", "ragan"])
def test_smoothing_moves_the_label_of_real_clips_alone(name: str) -> None:
    smooth, plain = make(name, smoothing=0.1), make(name)
    if name == "lsgan":
        expected = (mse_loss(REAL, torch.full_like(REAL, 0.9)) + FAKE.square().mean()) / 2
    else:
        other = {"minimax": torch.tensor(0.0), "rpgan": FAKE, "ragan": FAKE.mean()}[name]
        likely = torch.sigmoid(REAL - other)
        hard, soft = log_likelihood(likely, 1), log_likelihood(likely, 0.9)
        expected = plain.discriminator(REAL, FAKE) - hard + soft
    torch.testing.assert_close(smooth.discriminator(REAL, FAKE), expected)
    assert torch.equal(smooth.generator(REAL, FAKE), plain.generator(REAL, FAKE))


def test_saturating_minimax_is_finite_at_extreme_scores() -> None:
    for magnitude in (1e4, -1e4):
        fake = torch.full((4, 2), magnitude, requires_grad=True)
        value = make("minimax", saturating=True).generator(None, fake)
        assert all(t.isfinite().all() for t in (value, *torch.autograd.grad(value, fake)))
