"""Features against independent ones: ImageNet's classes, scikit-video's block matching."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REGISTRY
from torch import Tensor, nn
from vidgan_metrics.skvideo_compat import load

from vidgan_core.errors import ComponentError, ShapeError
from vidgan_core.interfaces import DataSpec, Features

pytestmark = pytest.mark.usefixtures("one_thread")


def features(name: str, spec: DataSpec | None = None, **options: object) -> Features:
    made: Features = REGISTRY.load("features", name)(spec or DataSpec(), **options)
    return made


def test_the_networks_weights_know_a_daisy_and_a_palace() -> None:
    """ImageNet's classes 985 and 698, with the published head on top of our layers."""
    from sklearn.datasets import load_sample_images
    from vidgan_features.lite0 import Convolution, weights_file

    weights = torch.load(weights_file(), weights_only=True)
    head = Convolution(weights, "_conv_head", "_bn1")
    made = features("lite0", size=224)
    pictures = load_sample_images()
    names = [Path(name).stem for name in pictures.filenames]
    for picture, name in zip(pictures.images, names, strict=True):
        side = min(picture.shape[:2])
        top, left = ((n - side) // 2 for n in picture.shape[:2])
        square = torch.from_numpy(picture[top : top + side, left : left + side].copy())
        image = square.permute(2, 0, 1)[None] / 127.5 - 1
        with torch.no_grad():
            maps = head(made.network(made.prepared(image))[1]).clamp(0, 6)
        scores = maps.mean((2, 3)) @ weights["_fc.weight"].T + weights["_fc.bias"]
        assert int(scores.argmax()) == {"flower": 985, "china": 698}[name]


def test_grey_clips_are_observed_as_grey_and_large_ones_as_small() -> None:
    coarse = torch.rand(2, 3, 16, 16) * 2 - 1
    grey = nn.functional.interpolate(coarse, (64, 64), mode="bilinear")[:, None]
    colour = grey.expand(-1, 3, -1, -1, -1)
    observed = features("lite0")(colour)
    assert torch.equal(features("lite0", DataSpec(1, 3, 64, 64))(grey), observed)
    large = colour.repeat_interleave(2, -1).repeat_interleave(2, -2)
    ours = features("lite0", DataSpec(3, 3, 128, 128))(large)
    assert ours.shape == observed.shape
    assert (ours - observed).norm() < 0.2 * observed.norm()


def test_without_the_weights_package_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidgan_features.lite0.PACKAGE", "not_installed")
    with pytest.raises(ComponentError, match=r"^the features 'lite0' .*'vidgan\[eval\]'$") as error:
        features("lite0")
    assert error.value.code == 3


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_block_matching_is_scikit_videos() -> None:
    """On a texture that is moved by whole pixels, and on noise, where all places are as good."""
    from vidgan_features.motion import block_motion

    rng = np.random.default_rng(0)
    still = rng.integers(0, 255, (64, 64)).astype(np.uint8)
    moved = np.stack([np.roll(still, (2 * t, -3 * t), (0, 1)) for t in range(3)])
    for frames in (moved, rng.integers(0, 255, (3, 64, 64)).astype(np.uint8)):
        colour = frames[..., None].repeat(3, -1)
        theirs = load("blockMotion")(colour, method="ES", mbSize=8, p=4)
        tensor = torch.from_numpy(frames).float()
        ours = block_motion(tensor[:-1], tensor[1:], 4).numpy()
        assert np.mean((ours == theirs).all(-1)) > 0.95  # of equals they take another


def test_motion_is_what_was_moved() -> None:
    from vidgan_features.motion import shares

    motion = torch.tensor([[[0.0, 0], [0, 1], [0, 2], [-5, 0]]])  # still, right, right, up
    distribution = shares(motion)[0]
    assert distribution.sum() == 1
    expected = {0: 0.25, 1: 0.25, 1 + 8: 0.25, 1 + 16 + 6: 0.25}
    assert {i: float(v) for i, v in enumerate(distribution) if v} == expected


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ShapeError, match="frames must be at least 3"):
        features("motion", DataSpec(frames=2))
    with pytest.raises(ShapeError, match="frames must be at least 9"):
        features("i3d", DataSpec(frames=8))


def test_padding_is_tensorflows() -> None:
    """Of an even size and stride 2 the odd zero goes behind."""
    from vidgan_features.padding import same_pad

    padded = same_pad(torch.ones(1, 1, 4, 5, 6), (7, 3, 1), (2, 2, 1))
    assert padded.shape == (1, 1, 9, 7, 6)
    assert padded[0, 0, :, 2, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert padded[0, 0, 3, :, 0].tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert isinstance(nn.functional.max_pool3d(padded, 2), Tensor)
