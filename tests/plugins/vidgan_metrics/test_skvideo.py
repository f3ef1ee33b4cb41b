"""scikit-video's measures, repaired, against their definitions."""

from __future__ import annotations

import importlib.metadata
import sys
from types import ModuleType

import numpy as np
import pytest
import scipy
from clips import moving_block
from vidgan_metrics.skvideo_compat import OFFERED, is_broken, load

from vidgan_core.errors import UsageError

# Of 1.1.11 itself, which builds matrices the old way
pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass")

ORIGINAL = moving_block(3, 192, 192)[..., 0]
NOISE = np.random.default_rng(0).integers(-20, 20, ORIGINAL.shape)
NOISY = np.clip(ORIGINAL.astype(int) + NOISE, 0, 255).astype(np.uint8)


def test_psnr_and_mse_are_what_their_formulas_say() -> None:
    error = (ORIGINAL.astype(float) - NOISY) ** 2
    mse = error.mean((1, 2))
    assert np.allclose(load("mse")(ORIGINAL, NOISY), mse)
    assert np.allclose(load("psnr")(ORIGINAL, NOISY), 10 * np.log10(255**2 / mse))


@pytest.mark.parametrize("name", ["ssim", "msssim"])
def test_similarity_is_one_of_equals_and_less_of_others(name: str) -> None:
    same, other = load(name)(ORIGINAL, ORIGINAL), load(name)(ORIGINAL, NOISY)
    assert np.allclose(same, 1)
    assert np.all(other < 0.999)


def test_strred_is_nought_of_equals() -> None:
    _, same, _ = load("strred")(ORIGINAL, ORIGINAL)
    _, other, _ = load("strred")(ORIGINAL, NOISY)
    assert abs(same) < 1e-6 < other


def test_block_matching_finds_how_far_a_picture_was_moved() -> None:
    still = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    clip = np.stack([np.roll(still, (0, 0), (0, 1)), np.roll(still, (2, -3), (0, 1))])
    motion = load("blockMotion")(clip, method="ES", mbSize=16, p=4)
    assert np.unique(motion[0, 1:-1, 1:-1].reshape(-1, 2), axis=0).tolist() in (
        [[-2, 3]],
        [[2, -3]],
    )


def test_numpy_and_scipy_are_left_alone() -> None:
    before = set(vars(np)), set(vars(scipy))
    for name in OFFERED:
        load(name)
    assert (set(vars(np)), set(vars(scipy))) == before
    assert not hasattr(np, "product")


def test_a_repaired_release_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [is_broken(v) for v in ("1.1.9", "1.1.11", "1.1.12", "1.3", "2.0.0")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    module = ModuleType("skvideo.measure")
    module.np, module.ssim = np, max  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "skvideo.measure", module)
    monkeypatch.setattr(importlib.metadata.Distribution, "version", "1.3.0")
    assert load("ssim") is max
    assert vars(module)["np"] is np


def test_what_is_wrong_in_it_is_not_offered() -> None:
    with pytest.raises(UsageError, match="'niqe' is not offered"):
        load("niqe")
