"""Metrics of pairs by closed forms: known motion, known errors, known borders."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from conftest import REGISTRY
from torch import Tensor
from vidgan_metrics.flow import flow, warped

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import ClipSet, DataSpec, Evidence, Features, PairedMetric

pytestmark = pytest.mark.usefixtures("one_thread")
GREY = 3  # equal channels: the luma is their value, whatever the weights are


def metric(name: str, **options: object) -> PairedMetric:
    return cast(PairedMetric, REGISTRY.load("metric", name)(**options))


def texture(dx: float = 0, dy: float = 0, size: int = 64) -> Tensor:
    """A smooth picture (H, W) that is moved by (dx, dy) pixels."""
    y, x = torch.meshgrid(torch.arange(size) - dy, torch.arange(size) - dx, indexing="ij")
    waves = (torch.sin(x / 5 + y / 9), torch.sin(x / 11 - y / 4), torch.sin(y / 6))
    return 128 + 40 * waves[0] + 40 * waves[1] + 30 * waves[2]


def clips(*frames: Tensor) -> Tensor:
    """One clip (1, C, T, H, W) of frames (H, W)."""
    return torch.stack(frames).round().clamp(0, 255).byte().expand(1, GREY, -1, -1, -1)


def measured(name: str, real: Tensor, fake: Tensor, **options: object) -> dict[str, float]:
    found = metric(name, **options).values(Evidence(ClipSet(real), ClipSet(fake)))
    return {number: float(values) for number, values in found.items()}


@pytest.mark.parametrize("motion", [(0.4, -0.3), (1.5, -0.75), (3.0, 2.0), (-5.0, 3.0)])
def test_flow_is_the_motion(motion: tuple[float, float]) -> None:
    first, second = texture(size=96), texture(*motion, size=96)
    found = flow(first[None], second[None])
    inner = found[0, :, 16:-16, 16:-16]
    assert torch.allclose(inner.median(-1).values.median(-1).values, torch.tensor(motion), atol=0.1)
    back = warped(second[None], found)[0][0]
    left, before = ((side - first)[16:-16, 16:-16].abs().mean() for side in (back, second))
    assert left < 0.05 * before + 0.5


def test_warping_moves_by_whole_pixels() -> None:
    frame = torch.rand(1, 5, 7)
    field = torch.zeros(1, 2, 5, 7)
    field[:, 0], field[:, 1] = 2, -1  # x, y
    moved, inside = warped(frame, field)
    assert torch.allclose(moved[0, 1:, :5], frame[0, :4, 2:], atol=1e-5)
    assert inside[0].sum() == 4 * 5


def test_a_copy_is_as_steady_as_can_be() -> None:
    real = clips(texture(), texture(1, 0), texture(2, 0))
    assert measured("consistency", real, real) == {"warping-error": 0, "flow-difference": 0}


def test_a_constant_error_is_steady_and_a_flicker_is_not() -> None:
    frames = [texture().clamp(40, 200), texture().clamp(40, 200), texture().clamp(40, 200)]
    real = clips(*frames)
    brighter = clips(*(frame + 20 for frame in frames))
    assert measured("consistency", real, brighter)["warping-error"] == pytest.approx(0, abs=1e-3)
    flicker = clips(*(f + s for f, s in zip(frames, (10, -10, 10), strict=True)))
    assert measured("consistency", real, flicker)["warping-error"] == pytest.approx(20, rel=1e-3)


def test_an_error_that_moves_with_the_picture_is_steady() -> None:
    """It changes at every place and yet not along the motion."""
    shifts = range(3)
    real = clips(*(texture(2 * s) for s in shifts))
    stain = clips(*(texture(2 * s) + 20 * torch.sin(texture(2 * s) / 20) for s in shifts))
    moving = measured("consistency", real, stain)["warping-error"]
    fixed = clips(*(texture(2 * s) + 20 * torch.sin(texture() / 20) for s in shifts))
    assert moving < 0.4 * measured("consistency", real, fixed)["warping-error"]


def test_flow_difference_is_the_missing_motion() -> None:
    real = clips(texture(), texture(1, 0), texture(2, 0))
    still = clips(texture(), texture(), texture())
    found = measured("consistency", real, still)
    assert found["flow-difference"] == pytest.approx(1, abs=0.1)


def test_single_frames_have_no_motion() -> None:
    real, fake = clips(texture()), clips(texture(3, 0))
    assert measured("consistency", real, fake) == {"warping-error": 0, "flow-difference": 0}


def test_a_border_is_left_out() -> None:
    real = clips(texture(), texture())
    damaged = real.clone()
    damaged[..., :3, :] = 0
    damaged[..., -2:] = 255
    damaged[..., :2] = 255
    assert measured("psnr", real, damaged)["psnr"] < 25
    assert measured("psnr", real, damaged, border=3)["psnr"] == 100
    assert measured("ssim", real, damaged, border=3)["ssim"] == pytest.approx(1)
    inner = [side[..., 3:-3, 3:-3] for side in (real, damaged + 9)]
    whole = measured("psnr", real, damaged + 9, border=3)
    assert whole == measured("psnr", *inner)
    assert metric("psnr", border=3).conventions == {"luma": "full-range", "border": 3}
    with pytest.raises(ShapeError, match="a border of 32 pixels leaves nothing"):
        measured("psnr", real, damaged, border=32)


def test_perceptual_is_the_mean_squared_distance_of_scaled_maps() -> None:
    """Of both maps of lite0, each place of a map scaled to length one; at the frames' size."""
    spec = DataSpec(frames=1, height=64, width=96)
    network = cast(Features, REGISTRY.load("features", "lite0")(spec, maps=True))
    rng = torch.Generator().manual_seed(0)
    sides = torch.rand(2, 3, 2, 64, 96, generator=rng) * 2 - 1  # two clips of two frames
    vectors = [torch.cat([network(side[None, :, t : t + 1]) for t in (0, 1)]) for side in sides]
    real, fake = (
        ClipSet(torch.zeros(1, 3, 2, 1, 1, dtype=torch.uint8), frame_features=v[None])
        for v in vectors
    )
    expected = 0.0
    for t in (0, 1):
        both = [network.network(side[None, :, t].contiguous()) for side in sides]  # type: ignore[operator]
        for one, two in zip(*both, strict=True):
            scaled = [m / (m.norm(dim=1, keepdim=True) + 1e-3) for m in (one, two)]
            expected += float((scaled[0] - scaled[1]).square().sum(1).mean()) / 2
    (found,) = metric("perceptual").values(Evidence(real, fake)).values()
    assert float(found) == pytest.approx(expected, rel=1e-4)
