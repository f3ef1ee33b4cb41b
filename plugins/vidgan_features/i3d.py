"""I3D, the network that FVD is measured on, for weights that the user brings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import safetensors.torch
import torch
from annotated_types import doc
from torch import Tensor, nn
from torch.nn.functional import max_pool3d, relu

from vidgan_core.data.cache import digest, file_digest
from vidgan_core.errors import CheckpointError, ShapeError, UsageError, printable
from vidgan_core.interfaces import DataSpec, Degradation, Features
from vidgan_core.runs.safetensors_io import check_memory, open_regular, read_header
from vidgan_features.padding import same_pad
from vidgan_features.resize import Grid, resize

CLASSES = 400  # of Kinetics
SIDE = 224
FEWEST = 9  # frames: the last pooling averages two steps of eight frames
WANTED = (
    "I3D's Kinetics-400 weights (RGB, 12.7 M parameters) as a .safetensors file, its tensors named "
    "as in the PyTorch port, such as Conv3d_1a_7x7.conv3d.weight and logits.conv3d.bias: "
    "`vidgan convert-i3d` writes it"
)
# Carreira & Zisserman 2017, figure 3: what each Inception module's branches give.
MIXED = {
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}
Triple = tuple[int, int, int]


class I3D(Features):
    """(B, C, T, H, W) -> (B, 400): the logits, averaged over time, as FVD takes them.

    Frames are resized to 224x224, bilinearly and without a filter, on the grid of the reference
    code of Unterthiner et al. 2018 or on that of its ports to PyTorch (see `resize`). Raises
    UsageError without the weights or with others, ShapeError for clips that are too short.
    """

    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset(
        {"noise", "blur", "jpeg", "colour", "frozen", "shuffled", "speed", "classes", "duplicates"}
    )

    def __init__(
        self,
        spec: DataSpec,
        *,
        weights: Annotated[str, doc("Kinetics-400 weights, a .safetensors file")] = "",
        resize: Annotated[Grid, doc("sampling grid: the reference's, or that of its ports")] = (
            "tensorflow"
        ),
    ) -> None:
        super().__init__(spec)
        if spec.frames < FEWEST:
            raise ShapeError(f"can't look at {spec}: frames must be at least {FEWEST}")
        self.network = InceptionI3D()
        load_weights(self.network, weights)
        self.grid: Grid = resize
        self._fingerprint = digest("i3d", 2, file_digest(Path(weights)), resize)
        self.eval().requires_grad_(False)

    @property
    def fingerprint(self) -> str:
        """A hash of the weights' file and of the grid."""
        return self._fingerprint

    @torch.no_grad()
    def forward(self, video: Tensor) -> Tensor:
        """Map clips in [-1, 1] to vectors."""
        clips, channels, frames = video.shape[:3]
        images = video.transpose(1, 2).flatten(0, 1)  # (B, C, T, H, W) -> (B*T, C, H, W)
        images = resize(images, SIDE, self.grid)
        images = images[:, :3] if channels >= 3 else images[:, :1].expand(-1, 3, -1, -1)
        clip = images.view(clips, frames, *images.shape[1:]).transpose(1, 2)
        logits: Tensor = self.network(clip)
        return logits.mean((2, 3, 4))


class InceptionI3D(nn.Module):
    """Inception-v1 inflated to 3D, its parts named as in the widely used PyTorch port."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, stride=2)
        self.Conv3d_2b_1x1 = Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        for name, (into, branches) in MIXED.items():
            self.add_module(name, Mixed(into, branches))
        self.logits = Unit(1024, CLASSES, 1, final=True)

    def forward(self, video: Tensor) -> Tensor:
        """Map (B, 3, T, 224, 224) to logits (B, 400, ceil(T/8) - 1, 1, 1)."""
        maps = same_pool(self.Conv3d_1a_7x7(video), (1, 3, 3), (1, 2, 2))
        maps = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(maps))
        maps = same_pool(maps, (1, 3, 3), (1, 2, 2))
        for name in MIXED:
            if name == "Mixed_4b":
                maps = same_pool(maps, (3, 3, 3), (2, 2, 2))
            if name == "Mixed_5b":
                maps = same_pool(maps, (2, 2, 2), (2, 2, 2))
            maps = self.get_submodule(name)(maps)
        logits: Tensor = self.logits(nn.functional.avg_pool3d(maps, (2, 7, 7), 1))
        return logits


class Mixed(nn.Module):
    """An Inception module: four branches side by side."""

    def __init__(self, into: int, branches: tuple[int, ...]) -> None:
        super().__init__()
        self.b0 = Unit(into, branches[0], 1)
        self.b1a = Unit(into, branches[1], 1)
        self.b1b = Unit(branches[1], branches[2], 3)
        self.b2a = Unit(into, branches[3], 1)
        self.b2b = Unit(branches[3], branches[4], 3)
        self.b3b = Unit(into, branches[5], 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Concatenate what the branches give."""
        pooled = same_pool(maps, (3, 3, 3), (1, 1, 1))
        return torch.cat(
            [
                self.b0(maps),
                self.b1b(self.b1a(maps)),
                self.b2b(self.b2a(maps)),
                self.b3b(pooled),
            ],
            dim=1,
        )


class Unit(nn.Module):
    """Convolution, BatchNorm and ReLU; the final one is a convolution with a bias alone."""

    def __init__(
        self, into: int, out: int, kernel: int, *, stride: int = 1, final: bool = False
    ) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(into, out, kernel, stride, bias=final)
        self.bn = None if final else nn.BatchNorm3d(out, eps=0.001, momentum=0.01)

    def forward(self, maps: Tensor) -> Tensor:
        """Compute the unit, padded as TensorFlow's "same"."""
        kernel, stride = self.conv3d.kernel_size, self.conv3d.stride
        convolved: Tensor = self.conv3d(same_pad(maps, kernel, stride))
        return relu(self.bn(convolved)) if self.bn else convolved


def same_pool(maps: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """Pool the greatest value; zeros around take part, which after a ReLU makes no difference."""
    return max_pool3d(same_pad(maps, kernel, stride), kernel, stride)


def load_weights(network: nn.Module, path: str) -> None:
    """Load a file by the published names. UsageError says what is missing, or what does not fit."""
    if not path:
        raise UsageError(
            f"i3d needs {WANTED}", hint="set features.i3d.weights or metric.fvd.weights"
        )
    tensors = read_weights(Path(path))
    network.load_state_dict(chosen(network, tensors, path), strict=False)


def chosen(network: nn.Module, tensors: Mapping[str, Tensor], path: str) -> dict[str, Tensor]:
    """Return those of a file's tensors that the network has. UsageError where one does not fit."""
    # Old files lack these counters, which only training reads.
    known = {n: t for n, t in network.state_dict().items() if not n.endswith("num_batches_tracked")}
    wrong = [n for n, t in known.items() if n not in tensors or tensors[n].shape != t.shape]
    if wrong:
        raise UsageError(
            f"{printable(path)}: {len(wrong)} of {len(known)} tensors are missing or of another "
            f"shape, the first being {wrong[0]}; wanted are {WANTED}"
        )
    return {name: tensors[name] for name in known}


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """Read a safetensors file that nobody vouches for. UsageError if it isn't one."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            check_memory(str(path), size)
            read_header(path, file, size)
            file.seek(0)
            return safetensors.torch.load(file.read())
    except (CheckpointError, safetensors.SafetensorError) as error:
        raise UsageError(f"{printable(str(error))}; wanted are {WANTED}") from None
