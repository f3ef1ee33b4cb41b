"""Features against independent ones: ImageNet's classes, scikit-video's block matching, I3D."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REGISTRY
from safetensors.torch import save, save_file
from torch import Tensor, nn
from vidgan_metrics.skvideo_compat import load

from vidgan_core.errors import ComponentError, ShapeError, UsageError
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


def published(scale: float = 1.0) -> dict[str, Tensor]:
    """Tensors named and shaped as in the file that is widely used, written out by hand."""

    def unit(name: str, into: int, out: int, *kernel: int) -> dict[str, Tensor]:
        spread = scale * (2 / (into * int(np.prod(kernel)))) ** 0.5
        norm = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
        return {
            f"{name}.conv3d.weight": torch.randn(out, into, *kernel) * spread,
            **{f"{name}.bn.{key}": torch.full((out,), value) for key, value in norm.items()},
        }

    found = unit("Conv3d_1a_7x7", 3, 64, 7, 7, 7) | unit("Conv3d_2b_1x1", 64, 64, 1, 1, 1)
    found |= unit("Conv3d_2c_3x3", 64, 192, 3, 3, 3)
    into = 192
    for name, *branches in (
        ("3b", 64, 96, 128, 16, 32, 32), ("3c", 128, 128, 192, 32, 96, 64),
        ("4b", 192, 96, 208, 16, 48, 64), ("4c", 160, 112, 224, 24, 64, 64),
        ("4d", 128, 128, 256, 24, 64, 64), ("4e", 112, 144, 288, 32, 64, 64),
        ("4f", 256, 160, 320, 32, 128, 128), ("5b", 256, 160, 320, 32, 128, 128),
        ("5c", 384, 192, 384, 48, 128, 128),
    ):  # fmt: skip
        a, b, c, d, e, f = branches
        for part, *shape in (("b0", into, a), ("b1a", into, b), ("b2a", into, d), ("b3b", into, f)):
            found |= unit(f"Mixed_{name}.{part}", *shape, 1, 1, 1)
        found |= unit(f"Mixed_{name}.b1b", b, c, 3, 3, 3) | unit(f"Mixed_{name}.b2b", d, e, 3, 3, 3)
        into = a + c + e + f
    found["logits.conv3d.weight"] = torch.randn(400, 1024, 1, 1, 1) / 32
    found["logits.conv3d.bias"] = torch.randn(400)
    return found


def by_hand(video: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """I3D from the names of its layers, in the order of the paper's figure 3."""
    from torch.nn.functional import avg_pool3d, conv3d, interpolate, max_pool3d, relu
    from vidgan_features.padding import same_pad

    def unit(name: str, maps: Tensor, stride: int = 1) -> Tensor:
        kernel = tensors[f"{name}.conv3d.weight"]
        steps = (stride,) * 3
        maps = conv3d(same_pad(maps, kernel.shape[2:], steps), kernel, stride=stride)
        return relu(maps / (1 + 0.001) ** 0.5)  # BatchNorm of mean 0 and variance 1

    def pool(maps: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
        return max_pool3d(same_pad(maps, kernel, stride), kernel, stride)

    def mixed(name: str, maps: Tensor) -> Tensor:
        b1, b2 = (unit(f"{name}.{b}b", unit(f"{name}.{b}a", maps)) for b in ("b1", "b2"))
        b3 = unit(f"{name}.b3b", pool(maps, (3, 3, 3), (1, 1, 1)))
        return torch.cat([unit(f"{name}.b0", maps), b1, b2, b3], 1)

    frames = video.shape[2]
    large = interpolate(video.transpose(1, 2)[0], (224, 224), mode="bilinear")
    maps = unit("Conv3d_1a_7x7", large.transpose(0, 1)[None], 2)
    maps = unit("Conv3d_2b_1x1", pool(maps, (1, 3, 3), (1, 2, 2)))
    maps = pool(unit("Conv3d_2c_3x3", maps), (1, 3, 3), (1, 2, 2))
    maps = pool(mixed("Mixed_3c", mixed("Mixed_3b", maps)), (3, 3, 3), (2, 2, 2))
    for letter in "bcdef":
        maps = mixed(f"Mixed_4{letter}", maps)
    maps = mixed("Mixed_5c", mixed("Mixed_5b", pool(maps, (2, 2, 2), (2, 2, 2))))
    assert maps.shape == (1, 1024, -(-frames // 8), 7, 7)
    weight, bias = tensors["logits.conv3d.weight"], tensors["logits.conv3d.bias"]
    return conv3d(avg_pool3d(maps, (2, 7, 7), 1), weight, bias).mean((2, 3, 4))


def test_published_weights_load_by_name_and_matter(tmp_path: Path) -> None:
    tensors = published()
    parameters = sum(t.numel() for name, t in tensors.items() if "running" not in name)
    assert parameters == 12_697_264  # 12.7 M
    save_file(tensors, tmp_path / "i3d.safetensors")
    spec = DataSpec(frames=9, height=32, width=32)
    made = features("i3d", spec, weights=str(tmp_path / "i3d.safetensors"))
    assert sum(p.numel() for p in made.network.parameters()) == parameters
    clips = torch.rand(2, *spec.shape) * 2 - 1
    vectors = made(clips)
    assert vectors.shape == (2, 400)
    torch.testing.assert_close(vectors[:1], by_hand(clips[:1], tensors), rtol=1e-3, atol=1e-3)
    assert not torch.equal(vectors[0], vectors[1])
    other = tensors | {"logits.conv3d.bias": tensors["logits.conv3d.bias"] + 1}
    save_file(other, tmp_path / "other.safetensors")
    shifted = features("i3d", spec, weights=str(tmp_path / "other.safetensors"))
    torch.testing.assert_close(shifted(clips[:1]), vectors[:1] + 1)
    assert shifted.fingerprint != made.fingerprint


OTHER = save({"a": torch.zeros(9)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read: No such file"),
        (b"what is this", "its header is larger than"),
        (OTHER[:-9], "invalid header"),
        (OTHER, "287 of 287 tensors are missing .* Conv3d_1a_7x7.conv3d.weight;"),
    ],
    ids=["missing", "garbage", "cut", "other"],
)
def test_other_files_are_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as error:
        features("i3d", weights=str(path))
    assert "wanted are I3D's Kinetics-400 weights" in str(error.value)
    assert "\n" not in str(error.value)


def test_without_i3ds_weights_a_line_says_what_is_missing() -> None:
    with pytest.raises(UsageError, match=r"12\.7 M parameters\) as a \.safetensors file"):
        features("i3d")


def test_padding_is_tensorflows() -> None:
    """Of an even size and stride 2 the odd zero goes behind."""
    from vidgan_features.padding import same_pad

    padded = same_pad(torch.ones(1, 1, 4, 5, 6), (7, 3, 1), (2, 2, 1))
    assert padded.shape == (1, 1, 9, 7, 6)
    assert padded[0, 0, :, 2, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert padded[0, 0, 3, :, 0].tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert isinstance(nn.functional.max_pool3d(padded, 2), Tensor)
