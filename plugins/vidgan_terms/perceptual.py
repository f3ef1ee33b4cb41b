"""The distance from the real clip in what a network that recognises things makes of both."""

from __future__ import annotations

import torch
from torch import Tensor

import vidgan_core
from vidgan_core.interfaces import DataSpec, Features, StepContext, Term

FEATURES = "lite0"


class Perceptual(Term):
    """The mean squared distance of scaled feature maps of `lite0`, as the metric `perceptual`.

    After Johnson, Alahi & Li 2016, section 3.2 (feature reconstruction), on maps scaled as in
    Zhang et al. 2018; it is not LPIPS. The network's weights are no part of a checkpoint. Raises
    ComponentError where their package is not installed.
    """

    player = "generator"
    reads_critic = False

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[DataSpec, Features] = {}  # no submodule: it is not to be saved

    def forward(self, play: StepContext) -> Tensor:
        """Compare the generated clips with the real ones of the same condition."""
        video, real = play.fake.video, play.batch["video"]
        features = self.features(video)
        with torch.no_grad():
            wanted = features(real)
        return (features(video) - wanted).square().sum(1).mean()

    def features(self, video: Tensor) -> Features:
        """Return the features of clips of this shape, on their device and in their dtype."""
        channels, frames, height, width = video.shape[1:]
        spec = DataSpec(channels, frames, height, width)
        if spec not in self._made:
            self._made[spec] = vidgan_core.create("features", FEATURES, spec, maps=True)
        return self._made[spec].to(video)
