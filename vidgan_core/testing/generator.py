"""The conformance suite of generators."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import Generator, Network, Tensors
from vidgan_core.plugins.kinds import Kind
from vidgan_core.testing.network import CLIPS, NetworkSuite, noise_rng
from vidgan_core.testing.suite import Subject


class GeneratorSuite(NetworkSuite):
    """Checks of a generator; see `NetworkSuite` for the clip shapes that are tried."""

    kind: ClassVar[Kind] = "generator"

    def inputs(self, network: Network, clips: int = CLIPS) -> Tensors:
        """Return noise."""
        assert isinstance(network, Generator)
        torch.manual_seed(0)
        return network.noise(clips, noise_rng())

    def outputs(self, network: Network, inputs: Tensors, condition: Tensors) -> Tensor:
        """Return the video, (B, C*T*H*W)."""
        assert isinstance(network, Generator)
        return network(inputs, condition).video.flatten(1)

    def check_shape(self, network: Network) -> None:
        """The video has the shape of the spec and is finite."""
        assert isinstance(network, Generator)
        video = network(self.inputs(network), {}).video
        assert video.shape == (CLIPS, *network.spec.shape)
        assert video.isfinite().all()

    def test_range(self, subject: Subject) -> None:
        """Pixels lie in [-1, 1] and are not all the same, whatever the weights."""
        network = self.network(subject)
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
        assert not torch.equal(self.run(network, first), self.run(network, other))

    def test_length(self, subject: Subject) -> None:
        """Another number of frames is made, or refused with a ShapeError."""
        network = self.network(subject).eval()
        assert isinstance(network, Generator)
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
        assert network.gives <= network(self.inputs(network), {}).extras.keys()
