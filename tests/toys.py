"""A stranger's conditional networks, which read fields of every kind, and data that have them."""

MANIFEST = """
from vidgan_core import Component, hookimpl

@hookimpl
def vidgan_components():
    yield Component("dataset", "fields", "{module}_code:Everything", "fields of every kind")
    yield Component("generator", "toy", "{module}_code:ToyGenerator", "reads fields of every kind",
                    usual={"discriminator": {"name": "toy"}})
    yield Component("discriminator", "toy", "{module}_code:ToyDiscriminator", "reads vectors")
    yield Component("features", "colours", "{module}_code:Colours", "mean colours of the frames")
    yield Component("metric", "gap", "{module}_code:Gap", "distance of the mean colours")
"""
CODE = '''
import numpy as np
import torch
from torch import nn
from torch.nn.functional import one_hot

from vidgan_core.data.fields import random_values
from vidgan_core.interfaces import (
    Dataset, Discriminator, Fake, Features, Field, Generator, Metric, Verdict
)
from vidgan_core.nn.conditioning import ClassEmbedding, Projection
from vidgan_core.tensors import resized

VECTORS = ("label", "vector", "tokens", "audio")


class Everything(Dataset):
    """Grey clips of noise, as bright as the first number of a field's mean."""

    def __init__(self, spec, split, *, clips: int = 40):
        super().__init__(spec, split)
        self.clips = clips
        c, t, h, w = spec.shape
        self.fields = (
            Field("class", "label", classes=3),
            Field("small", "clip", (c, t, h // 2, w // 2)),
            Field("past", "clip", (c, 2, h, w)),
            Field("regions", "map", (t, h, w), classes=4),
            Field("pose", "vector", (5,)),
            Field("words", "tokens", (6,), classes=7),
            Field("sound", "audio", (2, 30)),
            Field("time", "time", (t,)),
        )

    @property
    def fingerprint(self):
        return repr((self.spec, self.split, self.clips))

    def __len__(self):
        return self.clips

    def item(self, index):
        rng = np.random.default_rng([self.split == "test", index])
        fields = (Field("video", "clip", self.spec.shape), *self.fields)
        return {field.name: random_values(field, 1, rng)[0] for field in fields}


class ToyGenerator(Generator):
    takes = frozenset({*VECTORS, "clip", "map", "time"})

    def __init__(self, spec):
        super().__init__(spec)
        self.label = ClassEmbedding(spec, 4)
        self.frames = nn.Linear(8 + self.label.size, spec.channels * spec.frames)
        self.pictures = nn.ModuleDict()
        for field in spec.condition:
            if field.kind in ("clip", "map"):
                channels = field.shape[0] if field.kind == "clip" else field.classes
                self.pictures[field.name] = nn.Conv3d(channels, spec.channels, 1)

    def noise(self, n, rng, *, frames=None):
        self.fixed_frames(frames)
        return {"z": torch.randn(n, 8, generator=rng)}

    def forward(self, noise, condition, *, frames=None):
        colours = self.frames(self.label(noise["z"], condition))
        video = colours.unflatten(1, self.spec.shape[:2])[..., None, None]
        if "time" in condition:
            video = video * (1 + condition["time"].sin()[:, None, :, None, None])
        video = video.expand(-1, -1, -1, *self.spec.shape[2:])
        for field in self.spec.condition:
            if field.name in self.pictures:
                picture = resized(condition[field.name], *self.spec.shape[2:])
                if field.kind == "map":
                    picture = one_hot(picture, field.classes).movedim(-1, 1).to(video)
                added = self.pictures[field.name](picture)
                video = video + (added if added.shape[2] == video.shape[2] else added.mean(2, True))
        return Fake(video.tanh())


class ToyDiscriminator(Discriminator):
    takes = frozenset({*VECTORS, "time"})

    def __init__(self, spec):
        super().__init__(spec)
        self.features = nn.Sequential(nn.Conv3d(spec.channels, 8, 4, 4), nn.LeakyReLU(0.2))
        self.score = nn.Linear(8, 1)
        self.projection = Projection(spec, 8)

    def forward(self, video, condition):
        phi = self.features(video)
        pooled = phi.mean((2, 3, 4))
        if "time" in condition:
            pooled = pooled * (1 + condition["time"].cos().mean(1, keepdim=True))
        return Verdict((self.projection(self.score(pooled), phi, condition),))


class Colours(Features):
    fingerprint = "colours-1"

    def forward(self, video):
        return video.mean((3, 4)).flatten(1)


class Gap(Metric):
    "Distance of the mean colours."
    better = {"gap": "lower"}
    needs = frozenset({"features"})
    distance = True
    least = 4

    def measure(self, evidence):
        gap = evidence.real.features.mean(0) - evidence.fake.features.mean(0)
        return {"gap": float(gap.norm())}
'''
