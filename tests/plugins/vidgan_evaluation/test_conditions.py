"""Generated clips have the conditions of the real clips that they are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from vidgan_evaluation.clip_source import fake, real

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Dataset, DataSpec, Fake, Field, Generator, Tensors
from vidgan_core.media.pixels import to_float

SPEC = DataSpec(3, 2, 8, 8)
LABEL = Field("class", classes=2)
SMALL = Field("small", "clip", (3, 2, 4, 4))


class Uneven(Dataset):
    """Nine clips of ten are of class 0, black, and one is of class 1, white."""

    fields = (LABEL, SMALL)

    @property
    def fingerprint(self) -> str:
        return "uneven"

    def __len__(self) -> int:
        return 200

    def item(self, index: int) -> Mapping[str, Any]:
        label = int(index % 10 == 3)
        small = np.full(SMALL.shape, index, np.uint8)
        return {
            "video": np.full(SPEC.shape, 255 * label, np.uint8),
            "class": np.int64(label),
            "small": small,
        }


class Perfect(Generator):
    """Makes exactly the clips of a class, or enlarges what it is given."""

    takes = frozenset({"class", "small"})

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.scale = nn.Parameter(torch.ones(()))

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        return {"z": torch.randn(n, 1, generator=rng)}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        if "small" in condition:
            return Fake(condition["small"].repeat_interleave(2, 3).repeat_interleave(2, 4))
        white = 2.0 * condition["class"] - 1
        return Fake(white[:, None, None, None, None].expand(-1, *self.spec.shape))


def clips(*fields: Field, n: int = 50) -> tuple[list[torch.Tensor], list[Tensors]]:
    spec = DataSpec(*SPEC.shape, condition=fields)
    reference = real(Uneven(SPEC, "test"), range(100, 100 + n))
    made = fake(Perfect(spec), n, 7, like=reference)
    assert made.n == n
    videos, conditions = zip(*made.chunks(), strict=True)
    return list(videos), list(conditions)


def test_classes_come_as_often_as_in_the_real_clips() -> None:
    videos, conditions = clips(LABEL)
    labels = torch.cat([condition["class"] for condition in conditions])
    assert labels.tolist() == [int(index % 10 == 3) for index in range(100, 150)]
    reference = torch.cat([v for v, _ in real(Uneven(SPEC, "test"), range(100, 150)).chunks()])
    assert torch.equal(torch.cat(videos), reference)


def test_pictures_are_those_of_the_real_clips_row_by_row() -> None:
    videos, conditions = clips(SMALL, n=19)
    shown = torch.cat(videos)[:, 0, 0, 0, 0]
    assert shown.tolist() == list(range(100, 119))
    first = conditions[0]["small"]
    assert torch.equal(first[0], to_float(torch.full(SMALL.shape, 100, dtype=torch.uint8)))


def test_without_such_real_clips_classes_are_drawn_and_others_are_not() -> None:
    other = Field("class", classes=3)
    _, conditions = clips(other)
    assert set(torch.cat([c["class"] for c in conditions]).tolist()) == {0, 1, 2}
    with pytest.raises(UsageError, match="the data set has no 'pose', the generator takes 'pose'"):
        clips(Field("pose", "vector", (3,)))
