"""I3D and its file against the arithmetic of the port to PyTorch and of TensorFlow's resizing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REGISTRY, Result
from safetensors.torch import save, save_file
from torch import Tensor
from vidgan_features.resize import Grid, resize

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import DataSpec, Features

pytestmark = pytest.mark.usefixtures("one_thread")

Command = Callable[..., Result]

SPEC = DataSpec(frames=9, height=32, width=32)
GRIDS: tuple[Grid, Grid] = ("tensorflow", "pytorch")


def features(name: str, spec: DataSpec | None = None, **options: object) -> Features:
    made: Features = REGISTRY.load("features", name)(spec or DataSpec(), **options)
    return made


def published(scale: float = 1.0) -> dict[str, Tensor]:
    """Tensors named and shaped as in the file that is widely used, written out by hand."""

    def unit(name: str, into: int, out: int, *kernel: int) -> dict[str, Tensor]:
        spread = scale * (2 / (into * int(np.prod(kernel)))) ** 0.5
        norm = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
        return {
            f"{name}.conv3d.weight": torch.randn(out, into, *kernel) * spread,
            **{f"{name}.bn.{key}": torch.rand(out) * 0.2 + value for key, value in norm.items()},
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
    """Return what the port to PyTorch computes: I3D in the order of the paper's figure 3."""
    from torch.nn.functional import avg_pool3d, conv3d, interpolate, max_pool3d, pad, relu

    def padded(maps: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
        """Pad as the port's compute_pad says: by the kernel less the stride, or the remainder."""
        sides = []
        for size, k, s in zip(maps.shape[2:], kernel, stride, strict=True):
            missing = max(k - (s if size % s == 0 else size % s), 0)
            sides = [missing // 2, missing - missing // 2, *sides]
        return pad(maps, sides)

    def unit(name: str, maps: Tensor, stride: int = 1) -> Tensor:
        kernel = tensors[f"{name}.conv3d.weight"]
        maps = conv3d(padded(maps, kernel.shape[2:], (stride,) * 3), kernel, stride=stride)
        weight, bias, mean, variance = (
            tensors[f"{name}.bn.{key}"][:, None, None, None]
            for key in ("weight", "bias", "running_mean", "running_var")
        )
        return relu((maps - mean) / (variance + 0.001).sqrt() * weight + bias)

    def pool(maps: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
        return max_pool3d(padded(maps, kernel, stride), kernel, stride)

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


@pytest.fixture(scope="module")
def port() -> dict[str, Tensor]:
    """Random weights, named and shaped as the port's."""
    torch.manual_seed(0)
    return published()


@pytest.fixture
def converted(port: dict[str, Tensor], vidgan: Command) -> str:
    """The file that `vidgan convert-i3d` makes of what the port saves, counters included."""
    torch.save(port | {"Mixed_3b.b0.bn.num_batches_tracked": torch.tensor(3)}, "i3d.pt")
    result = vidgan("convert-i3d", "i3d.pt")
    assert result.code == 0, result.err
    assert "--set metric.fvd.weights=i3d.safetensors" in result.out
    return "i3d.safetensors"


def test_converted_weights_compute_what_the_port_does(
    converted: str, port: dict[str, Tensor]
) -> None:
    assert sum(t.numel() for name, t in port.items() if "running" not in name) == 12_697_264
    made = features("i3d", SPEC, weights=converted, resize="pytorch")
    assert sum(p.numel() for p in made.network.parameters()) == 12_697_264
    clip = torch.rand(1, *SPEC.shape) * 2 - 1
    torch.testing.assert_close(made(clip), by_hand(clip, port), rtol=1e-3, atol=1e-3)


def test_weights_and_grid_matter(converted: str, port: dict[str, Tensor]) -> None:
    ours, ports = (features("i3d", SPEC, weights=converted, resize=g) for g in GRIDS)
    clip = torch.rand(1, *SPEC.shape) * 2 - 1
    vectors = ours(clip)
    assert (vectors - ports(clip)).abs().max() > 0.01
    save_file(port | {"logits.conv3d.bias": port["logits.conv3d.bias"] + 1}, "other.safetensors")
    shifted = features("i3d", SPEC, weights="other.safetensors")
    torch.testing.assert_close(shifted(clip), vectors + 1)
    assert len({made.fingerprint for made in (ours, ports, shifted)}) == 3


def test_the_grid_is_that_of_the_reference() -> None:
    """TensorFlow 1 samples a ramp at i H / 224, torch at (i + 1/2) H / 224 - 1/2.

    The picture of 2x2 pixels and its values are those that tf.image.resize_bilinear gives.
    """
    ramp = torch.arange(56.0).expand(1, 1, 56, 56)
    reference, port = (resize(ramp, 224, grid)[0, 0, 0] for grid in GRIDS)
    assert reference[:6].tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25]
    assert reference[-5:].tolist() == [54.75, 55, 55, 55, 55]
    assert port[:6].tolist() == [0, 0, 0.125, 0.375, 0.625, 0.875]
    assert (reference - port)[2:-3].unique().tolist() == [0.375]  # of a pixel
    small = torch.tensor([[[[0.0, 1], [2, 3]]]])
    assert resize(small, 4, "tensorflow")[0, 0].tolist() == [
        [0, 0.5, 1, 1],
        [1, 1.5, 2, 2],
        [2, 2.5, 3, 3],
        [2, 2.5, 3, 3],
    ]


def test_larger_pictures_are_sampled_without_a_filter() -> None:
    ramp = torch.arange(256.0).expand(1, 1, 256, 256)
    found = resize(ramp, 224, "tensorflow")[0, 0, 7]
    torch.testing.assert_close(found, torch.arange(224) * 256 / 224)


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


@pytest.mark.parametrize("content", [None, OTHER, "program"], ids=["missing", "other", "program"])
def test_what_is_no_state_dict_is_not_converted(
    content: bytes | str | None, vidgan: Command, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    if content == "program":
        with warnings.catch_warnings(action="ignore"):
            torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    result = vidgan("convert-i3d", path)
    assert result.code == 2
    assert "can't be read as a state dict" in result.err
    assert "i3d_pretrained_400.pt is one" in result.err
    assert "Traceback" not in result.err


def test_a_state_dict_of_another_network_is_not_converted(vidgan: Command) -> None:
    torch.save({"a": torch.zeros(9)}, "other.pt")
    result = vidgan("convert-i3d", "other.pt")
    assert result.code == 2
    assert "287 of 287 tensors are missing" in result.err
    assert not Path("i3d.safetensors").exists()
