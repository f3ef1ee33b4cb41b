"""A stranger's features and metrics, small enough to be checked by hand."""

MANIFEST = """
from vidgan_core import Component, hookimpl

@hookimpl
def vidgan_components():
    yield Component("features", "colours", "{module}_code:Colours", "mean colours of the frames")
    for name in ("gap", "grain", "offset", "nearest", "nothing", "picky", "wrong"):
        yield Component("metric", name, "{module}_code:" + name.title(), "a stranger's metric")
"""
CODE = """
from typing import Annotated

import torch
from annotated_types import Ge

from vidgan_core.errors import ShapeError, UsageError
from vidgan_core.interfaces import Features, Metric

LOOKS = []

class Colours(Features):
    fingerprint = "colours-1"
    sensitive_to = frozenset({"colour", "copies", "classes"})

    def __init__(self, spec, *, least: Annotated[int, Ge(1)] = 1):
        super().__init__(spec)
        if spec.frames < least:
            raise ShapeError(f"needs {least} frames, the clips have {spec.frames}")

    def forward(self, video):
        LOOKS.append(len(video))
        return video.mean((3, 4)).flatten(1)

class Gap(Metric):
    "Distance of the mean colours."
    better = {"gap": "lower"}
    needs = frozenset({"features"})
    distance = True
    sensitive_to = frozenset({"colour"})
    least = 4

    def __init__(self, *, power: Annotated[float, Ge(0)] = 1.0):
        self.power = power

    def measure(self, evidence):
        gap = evidence.real.features.mean(0) - evidence.fake.features.mean(0)
        return {"gap": float(gap.norm() ** self.power)}

class Grain(Metric):
    "Mean difference of neighbouring pixels."
    better = {"grain": "lower"}
    needs = frozenset({"video"})
    error = "halves"
    fast = False
    sensitive_to = frozenset({"noise"})

    def measure(self, evidence):
        return {"grain": float(evidence.fake.video.double().diff(dim=-1).abs().mean())}

class Offset(Metric):
    "Mean difference of pairs."
    better = {"offset": "lower"}
    needs = frozenset({"video", "pairs"})

    def measure(self, evidence):
        return {"offset": float((evidence.real.video.double() - evidence.fake.video).abs().mean())}

class Nearest(Metric):
    "Distance to the nearest training clip."
    better = {"nearest": "higher"}
    needs = frozenset({"features", "train"})
    error = "own"
    sensitive_to = frozenset({"copies"})

    def measure(self, evidence):
        near = torch.cdist(evidence.fake.features, evidence.train.features).min(1).values
        error = float(near.std() / len(near) ** 0.5)
        return {"nearest": float(near.mean()), "nearest_error": error}

class Nothing(Metric):
    better = {"nothing": "lower"}
    fast = False

    def measure(self, evidence):
        return {"nothing": float("nan")}

class Picky(Metric):
    better = {"picky": "lower"}

    def measure(self, evidence):
        raise UsageError("picky: not with these clips")

class Wrong(Metric):
    "Claims to see what it does not look at."
    better = {"wrong": "lower"}
    fast = False
    sensitive_to = frozenset({"blur"})

    def measure(self, evidence):
        return {"wrong": 1.0}
"""
