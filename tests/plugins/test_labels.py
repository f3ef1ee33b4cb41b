"""Clips by class show the class that was asked for; a classifier of real clips says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from conftest import Result
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from vidgan_datasets.synthetic import Digits

import vidgan_core
from vidgan_core.interfaces.dataset import DataSpec, Split

SPEC = DataSpec(3, 16, 32, 32)


class Classifier(nn.Sequential):
    """What digit is in a clip, by the mean of what its frames say."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for inner, outer in ((1, 32), (32, 64), (64, 128)):
            layers += [
                nn.Conv2d(inner, outer, 3, padding=1, bias=False),
                nn.BatchNorm2d(outer),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        super().__init__(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(128, 10))

    def clips(self, video: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, 10)."""
        grey = video.mean(1).flatten(0, 1)[:, None]  # (B*T, 1, H, W)
        scores: Tensor = self(grey).unflatten(0, video.shape[0:3:2]).mean(1)
        return scores


def real(split: Split, count: int) -> tuple[Tensor, Tensor]:
    """Clips (count, C, T, H, W) in [-1, 1] and their labels."""
    items = [Digits(SPEC, split).item(index) for index in range(count)]
    video = torch.stack([torch.from_numpy(item["video"]) for item in items])
    return video / 127.5 - 1, torch.tensor([int(item["class"]) for item in items])


def trained() -> Classifier:
    torch.manual_seed(0)
    classifier = Classifier()
    video, labels = real("train", 4000)
    optimizer = torch.optim.Adam(classifier.parameters(), 2e-3)
    for step in range(500):
        rows = torch.randint(len(video), (64,))
        frame = step % SPEC.frames
        loss = cross_entropy(classifier.clips(video[rows, :, frame : frame + 1]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return classifier.eval()


@torch.no_grad()
def agreement(classifier: Classifier, video: Tensor, labels: Tensor) -> float:
    found = torch.cat([classifier.clips(part).argmax(1) for part in video.split(100)])
    return (found == labels).double().mean().item()


@pytest.mark.slow
def test_modern_makes_the_digit_that_was_asked_for(vidgan: Callable[..., Result]) -> None:
    by_class = ("--set", 'condition=["class"]', "--term", "matching", "--out", "run")
    assert vidgan("run", "-c", "recipe:modern-digits", *by_class).code == 0
    classifier = trained()
    assert agreement(classifier, *real("test", 1000)) > 0.95
    asked = torch.arange(1000) % 10
    made = vidgan_core.load("run").sample(1000, seed=1, classes=list(range(10)))
    assert agreement(classifier, made, asked) >= 0.9
