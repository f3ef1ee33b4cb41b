"""The conformance suite of discriminators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from vidgan_core.interfaces import Discriminator, Field, Network, Tensors
from vidgan_core.plugins.kinds import Kind
from vidgan_core.testing.inputs import noise_rng, shaken
from vidgan_core.testing.network import CLIPS, NetworkSuite
from vidgan_core.testing.suite import Subject

FEW = 3  # frames that a discriminator is shown where it takes their times


class DiscriminatorSuite(NetworkSuite):
    """Checks of a discriminator; see `NetworkSuite` for the clip shapes that are tried.

    An encoder, an extra network of a game that gives no scores, is checked by what it `gives`.
    """

    kind: ClassVar[Kind] = "discriminator"
    may_draw: ClassVar[bool] = True  # such as the frames that it looks at

    def inputs(self, network: Network, clips: int = CLIPS) -> Tensors:
        """Return clips."""
        return {"video": torch.randn(clips, *network.spec.shape, generator=noise_rng())}

    def outputs(self, network: Network, inputs: Tensors, condition: Tensors) -> Tensor:
        """Return all that is given of each clip, (B, number of scores a clip)."""
        clips = len(inputs["video"])
        given = self.answers(network, inputs["video"], condition)
        return torch.cat([each.reshape(clips, -1) for each in given], dim=1)

    def answers(self, network: Network, video: Tensor, condition: Tensors) -> Sequence[Tensor]:
        """Return the scores of all critics, or without a critic what else the network gives."""
        assert isinstance(network, Discriminator)
        verdict = network(video, condition)
        assert isinstance(verdict.scores, tuple)
        return verdict.scores or (*verdict.features, *verdict.extras.values())

    def check_shape(self, network: Network) -> None:
        """Each critic has at least one finite score a clip."""
        given = self.answers(network, self.inputs(network)["video"], {})
        assert given, "there is no critic, and nothing else is given"
        for each in given:
            assert each.shape[0] == CLIPS
            assert each.numel()
            assert each.isfinite().all()

    def test_any_batch(self, subject: Subject) -> None:
        """In eval mode a clip's scores are its own; where it `compares`, whatever the order."""
        network = self.network(subject).eval()
        assert isinstance(network, Discriminator)
        inputs = self.inputs(network)
        if self.draws(network, inputs):
            pytest.skip("it draws in eval mode")
        if not network.compares:
            super().test_any_batch(subject)
            return
        turned = {name: tensor.roll(1, 0) for name, tensor in inputs.items()}
        expected = self.run(network, inputs).roll(1, 0)
        torch.testing.assert_close(self.run(network, turned), expected, rtol=1e-4, atol=1e-5)

    def test_unbounded(self, subject: Subject) -> None:
        """There is no sigmoid at the end: greater weights make greater scores."""
        network = self.network(subject).eval().double()
        assert isinstance(network, Discriminator)
        if not network(self.inputs(network)["video"].double(), {}).scores:
            pytest.skip("gives no scores")
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(100)
        inputs = {name: t.double() for name, t in self.inputs(network).items()}
        assert self.run(network, inputs).abs().max() > 10

    def test_gradient_of_the_video(self, subject: Subject) -> None:
        """The scores tell the generator where to go."""
        gradient = self._gradient_of_the_video(shaken(self.network(subject)))
        assert gradient is not None, "the scores do not depend on the video"
        assert gradient.isfinite().all()
        assert gradient.flatten(1).any(dim=1).all()

    def test_second_order(self, subject: Subject) -> None:
        """A penalty on that gradient can be trained with, as R1 and WGAN-GP do."""
        network = shaken(self.network(subject))
        gradient = self._gradient_of_the_video(network)
        if gradient is None:
            return  # another check's matter
        gradient.square().sum().backward()  # type: ignore[no-untyped-call]
        second = [p.grad for p in network.parameters() if p.grad is not None]
        assert any(g.any() for g in second), "a gradient penalty reaches no parameter"
        assert all(g.isfinite().all() for g in second)

    def test_video_is_left_alone(self, subject: Subject) -> None:
        """The clips that it judges are the same afterwards."""
        network = self.network(subject)
        assert isinstance(network, Discriminator)
        video = self.inputs(network)["video"]
        before = video.clone()
        network(video, {})
        assert torch.equal(video, before)

    def test_time(self, subject: Subject) -> None:
        """Where it takes times, it judges a few frames with theirs, in training as in eval."""
        if "time" not in subject.load().takes:
            pytest.skip("takes no times")
        spec = replace(self.spec, frames=FEW, condition=(Field("time", "time", (FEW,)),))
        network = self.network(subject, spec)
        assert isinstance(network, Discriminator)
        video = self.inputs(network)["video"]
        times = torch.arange(float(FEW)).expand(CLIPS, -1)
        near = self.answers(network, video, {"time": times})
        again = self.answers(network, video, {"time": times})
        assert all(score.shape[0] == CLIPS and score.isfinite().all() for score in near)
        assert all(map(torch.equal, near, again)), "the frames that it was given are not all it saw"
        apart = self.answers(network, video, {"time": 2 * times})
        assert not all(map(torch.equal, near, apart)), "the times make no difference"

    def test_gives(self, subject: Subject) -> None:
        """Every extra that it promises is there, and the features if it promises them."""
        network = self.network(subject)
        assert isinstance(network, Discriminator)
        verdict = network(self.inputs(network)["video"], {})
        assert network.gives - {"features"} <= verdict.extras.keys()
        assert "features" not in network.gives or verdict.features

    def _gradient_of_the_video(self, network: Network) -> Tensor | None:
        leaf = self.inputs(network)["video"].requires_grad_()
        # The sum of squares has curvature in every layer, even where all of them are linear.
        total = self.run(network, {"video": leaf}).square().sum()
        (gradient,) = torch.autograd.grad(total, leaf, create_graph=True, allow_unused=True)
        return gradient
