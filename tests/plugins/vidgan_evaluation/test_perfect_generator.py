"""Real clips in the place of generated ones score what the floor says, where classes are uneven."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from conftest import configured
from torch import Tensor, nn
from vidgan_evaluation.clip_source import fake
from vidgan_evaluation.evaluator import Evaluator
from vidgan_evaluation.options import Request
from vidgan_evaluation.prepare import prepare
from vidgan_evaluation.result import Result

from vidgan_core.interfaces import Dataset, DataSpec, Fake, Field, Generator, Tensors
from vidgan_core.media.pixels import to_float
from vidgan_core.plugins.registry import Registry
from vidgan_core.training.inputs import build_dataset

N = 256

MANIFEST = """
from vidgan_core import Component, hookimpl

@hookimpl
def vidgan_components():
    yield Component("dataset", "uneven", "{module}_code:Uneven", "nine of ten are of one class")
"""
CODE = """
import numpy as np
from vidgan_core.interfaces import Dataset, Field

class Uneven(Dataset):
    "Noise on a level of grey: dark for nine clips of ten, light for one."
    fields = (Field("class", classes=2),)
    fingerprint = "uneven"

    def __len__(self):
        return 1200 if self.split == "test" else 3000

    def item(self, index):
        rng = np.random.default_rng([index, self.split == "test"])
        label = int(rng.random() < 0.1)
        level, contrast = rng.normal((60, 180)[label], 15), rng.uniform(5, 25)
        video = rng.normal(level, contrast, self.spec.shape).clip(0, 255)
        return {"video": video.astype(np.uint8), "class": np.int64(label)}
"""


class Perfect(Generator):
    """Answers with new real clips of the class that it is asked for."""

    takes = frozenset({"class"})

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(DataSpec(3, 4, 16, 16, condition=(Field("class", classes=2),)))
        self.scale = nn.Parameter(torch.ones(()))
        items = [dataset.item(number) for number in range(len(dataset))]
        self.clips = [
            torch.stack([torch.from_numpy(item["video"]) for item in items if item["class"] == y])
            for y in (0, 1)
        ]

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        return {"place": torch.rand(n, generator=rng)}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        pairs = zip(noise["place"], condition["class"], strict=True)
        return Fake(to_float(torch.stack([self._clip(float(p), int(y)) for p, y in pairs])))

    def _clip(self, place: float, label: int) -> Tensor:
        return self.clips[label][int(place * len(self.clips[label]))]


@pytest.fixture
def sides(install: Callable[..., None], one_thread: None) -> tuple[Evaluator, Perfect]:
    install("uneven", MANIFEST, CODE)
    registry = Registry.discover()
    config = configured("data.frames=4", "data.size=16", data="shapes")
    config = config.model_copy(
        update={
            "data": type(config.data)(name="uneven", frames=4, size=16),
            "condition": ("class",),
        }
    )
    generator = Perfect(build_dataset(config, registry, "train"))
    metrics = ("fd", "kd", "prdc", "diversity", "class-consistency")
    request = Request(metrics, ("texture",), n=N)
    return prepare(config, registry, generator.spec, request)[0], generator


def within(result: Result, errors: float) -> bool:
    assert result.floor is not None
    assert result.error is not None
    return abs(result.value - result.floor) <= errors * result.error


def test_a_perfect_generator_reaches_its_floor(sides: tuple[Evaluator, Perfect]) -> None:
    evaluator, generator = sides
    results = evaluator.measure(fake(generator, N, 0, like=evaluator.reference))
    assert len(results) == 8
    assert not [result for result in results if not within(result, 2)]


def test_with_as_many_clips_of_either_class_it_would_not(sides: tuple[Evaluator, Perfect]) -> None:
    evaluator, generator = sides
    results = evaluator.measure(fake(generator, N, 0))
    assert not [r for r in results if r.name in ("fd-texture", "kd-texture") and within(r, 4)]
