"""What the suites of networks and terms give to what they check, the same each time."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from vidgan_core.data.conversion import converted
from vidgan_core.data.fields import random_values
from vidgan_core.interfaces import DataSpec, Field, Network
from vidgan_core.plugins.component import Component
from vidgan_core.rng import keyed

N = TypeVar("N", bound=Network)
CLASSES = 4


def sample_fields(spec: DataSpec) -> tuple[Field, ...]:
    """Return a field of each kind but time, which has a check of its own."""
    channels, frames, height, width = spec.shape
    return (
        Field("a-label", "label", classes=CLASSES),
        Field("a-clip", "clip", (channels, frames, height, width)),
        Field("a-map", "map", (frames, height, width), classes=CLASSES),
        Field("a-vector", "vector", (5,)),
        Field("tokens", "tokens", (6,), classes=7),
        Field("sound", "audio", (2, 64)),
    )


def drawn_values(field: Field, n: int) -> Tensor:
    """Return `n` random values of a field as networks are given them, the same each time."""
    return converted(torch.from_numpy(random_values(field, n, np.random.default_rng(0))), field)


def shaken(network: N) -> N:
    """Move every weight a little: a layer that starts at zero hides the ones before it."""
    rng = noise_rng()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=rng))
    return network


def usual_spec(component: Component) -> DataSpec:
    """Return the clip that the component's record calls usual, or the configuration's default."""
    data = component.usual.get("data", {})
    size = data.get("size", DataSpec().height)
    height, width = size if isinstance(size, list) else (size, size)
    return DataSpec(frames=data.get("frames", DataSpec().frames), height=height, width=width)


def noise_rng() -> torch.Generator:
    """Return the generator that the suites draw their inputs with."""
    return keyed(0, "conformance")
