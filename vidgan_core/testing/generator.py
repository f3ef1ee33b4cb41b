"""The conformance suite of generators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Fake, Field, Generator, Network, Tensors
from vidgan_core.plugins.kinds import Kind
from vidgan_core.testing.inputs import drawn_values, noise_rng, shaken
from vidgan_core.testing.network import CLIPS, NetworkSuite
from vidgan_core.testing.suite import Subject

GIVEN = "given"  # the clip that a generator follows
SIZES = ((1, 9, 13), (11, 16, 10), (3, 5, 2))  # (T, h, w) of clips that one is to follow


class GeneratorSuite(NetworkSuite):
    """Checks of a generator; see `NetworkSuite` for the clip shapes that are tried.

    A generator that `follows` is given a clip, in most checks one as large as its video.
    """

    kind: ClassVar[Kind] = "generator"

    def given(self, subject: Subject, spec: DataSpec) -> DataSpec:
        """Return the spec with the clip to follow."""
        return given_clip(spec, 1) if subject.load().follows else spec

    def inputs(self, network: Network, clips: int = CLIPS) -> Tensors:
        """Return noise, and the clip to follow if there is one."""
        assert isinstance(network, Generator)
        torch.manual_seed(0)
        given = [field for field in network.spec.condition if field.name == GIVEN]
        noise = network.noise(clips, noise_rng())
        return {**noise, **{field.name: drawn_values(field, clips) for field in given}}

    def outputs(self, network: Network, inputs: Tensors, condition: Tensors) -> Tensor:
        """Return the video, (B, C*T*H*W)."""
        assert isinstance(network, Generator)
        return self.generate(network, inputs, condition).video.flatten(1)

    def generate(self, network: Generator, inputs: Tensors, condition: Tensors) -> Fake:
        """Run the network on what `inputs` returns, and on further fields."""
        noise = {name: part for name, part in inputs.items() if name != GIVEN}
        return network(noise, {**condition, **network.condition_from(inputs)})

    def check_shape(self, network: Network) -> None:
        """The video has the shape of the spec and is finite."""
        assert isinstance(network, Generator)
        video = self.generate(network, self.inputs(network), {}).video
        assert video.shape == (CLIPS, *network.spec.shape)
        assert video.isfinite().all()

    def test_range(self, subject: Subject) -> None:
        """Pixels lie in [-1, 1] and are not all the same, whatever the weights.

        Those of a generator that follows a clip do so in eval mode.
        """
        network = self.network(subject)
        assert isinstance(network, Generator)
        network.train(not network.follows)
        inputs = self.inputs(network)
        assert self.run(network, inputs).std() > 0
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(3)
        assert self.run(network, inputs).abs().max() <= 1

    def test_noise(self, subject: Subject) -> None:
        """Noise comes from the given generator alone, one row a clip; it makes the video."""
        network = self.network(subject)
        assert isinstance(network, Generator)
        if network.follows and not network.noise(CLIPS, noise_rng()):
            pytest.skip("its clip is all that it makes the video of")
        first, again, other = ({}, {}, {})  # type: tuple[Tensors, Tensors, Tensors]
        for seed in (1, 2):
            torch.manual_seed(seed)
            first, again = again, network.noise(CLIPS, noise_rng())
        other = network.noise(CLIPS, noise_rng().manual_seed(3))
        assert first, "there is no noise"
        assert first.keys() == again.keys() == other.keys()
        for name, part in first.items():
            assert len(part) == CLIPS, f"{name} has {len(part)} rows for {CLIPS} clips"
            assert torch.equal(part, again[name]), f"{name} is not drawn with the given generator"
            assert not torch.equal(part, other[name]), f"{name} is always the same"
        given = network.condition_from(self.inputs(network))
        videos = (self.run(network, {**noise, **given}) for noise in (first, other))
        assert not torch.equal(*videos)

    def test_length(self, subject: Subject) -> None:
        """Another number of frames is made, or refused with a ShapeError."""
        network = self.network(subject).eval()
        assert isinstance(network, Generator)
        if network.follows:
            pytest.skip("its videos are as long as the clip that it follows")
        frames = network.spec.frames + 4
        try:
            noise = network.noise(CLIPS, noise_rng(), frames=frames)
        except ShapeError:
            return
        video = network(noise, {}, frames=frames).video
        assert video.shape[2] == frames
        windows = torch.cat(list(network.windows(noise, {}, size=3, frames=frames)), dim=2)
        torch.testing.assert_close(windows, video, rtol=1e-4, atol=1e-5)

    def test_time(self, subject: Subject) -> None:
        """Where it takes times, single frames are those of the whole clip, and time runs on."""
        if "time" not in subject.load().takes:
            pytest.skip("takes no times")
        network = self.network(subject).eval()
        assert isinstance(network, Generator)
        noise = self.inputs(network)
        last = network.spec.frames - 1
        times = torch.tensor([[0.0, last], [1, 2], [0.5, last - 0.5]])
        few = network(noise, {"time": times}).video
        whole = network(noise, {}).video
        assert few.shape[2] == 2
        for clip, frame in ((0, 0), (0, last), (1, 1), (1, 2)):
            place = times[clip].tolist().index(frame)
            torch.testing.assert_close(
                few[clip, :, place], whole[clip, :, frame], rtol=1e-3, atol=1e-4
            )
        assert not torch.equal(few[2, :, 0], whole[2, :, 0]), "half a frame makes no difference"

    def test_gives(self, subject: Subject) -> None:
        """Every extra that it promises is there."""
        network = self.network(subject)
        assert isinstance(network, Generator)
        fake = self.generate(network, self.inputs(network), {})
        assert network.gives <= fake.extras.keys()

    def test_follows(self, subject: Subject) -> None:
        """If it follows a clip: of any length and size, at each scale, and the clip matters."""
        for network, scale in self.followers(subject):
            for frames, height, width in SIZES:
                shape = (network.spec.channels, frames, height, width)
                condition = {GIVEN: drawn_values(Field(GIVEN, "clip", shape), 2)}
                noise = network.noise(2, noise_rng(), frames=frames)
                with torch.no_grad():
                    video = network(noise, condition, frames=frames + 1).video
                    windows = list(network.windows(noise, condition, size=2, frames=frames))
                    other = network(noise, {GIVEN: -condition[GIVEN]}, frames=frames).video
                assert video.shape == (2, *shape[:2], scale * height, scale * width)
                assert not torch.equal(video, other), "its clip makes no difference"
                torch.testing.assert_close(torch.cat(windows, dim=2), video, rtol=1e-4, atol=1e-5)

    def test_reach(self, subject: Subject) -> None:
        """Nothing that is beyond `frames_reach` or `pixels_reach` makes a difference."""
        for network, scale in self.followers(subject):
            for reach, axis in ((network.frames_reach, 2), (network.pixels_reach, 4)):
                if reach is None:
                    continue
                step = network.pixels_step if axis == 4 else 1
                shape = [network.spec.channels, 3, 2 * step, 2 * step]
                shape[axis - 1] = reach + 3 * step
                clip = drawn_values(Field(GIVEN, "clip", tuple(shape)), 1)
                changed = clip.clone()
                changed.narrow(axis, reach + step, 2 * step).neg_()
                noise = network.noise(1, noise_rng(), frames=shape[1])
                with torch.no_grad():
                    videos = [network(noise, {GIVEN: c}).video for c in (clip, changed)]
                near = [v.narrow(axis, 0, step * (scale if axis == 4 else 1)) for v in videos]
                torch.testing.assert_close(*near, rtol=0, atol=1e-6)

    def followers(self, subject: Subject) -> Iterator[tuple[Generator, int]]:
        """Build a generator that follows a clip at each scale that it does not refuse."""
        if not subject.load().follows:
            pytest.skip("follows no clip")
        for scale in (1, 2, 3, 4):
            spec = replace(self.spec, height=24, width=24)
            try:
                network = self.make(subject, given_clip(spec, scale))
            except ShapeError:
                continue
            assert isinstance(network, Generator)
            shaken(network).eval()
            yield network, scale


def given_clip(spec: DataSpec, scale: int) -> DataSpec:
    """Return a spec with a clip of 1/scale of the height and width, before the other fields."""
    shape = (spec.channels, spec.frames, spec.height // scale, spec.width // scale)
    return replace(spec, condition=(Field(GIVEN, "clip", shape), *spec.condition))
