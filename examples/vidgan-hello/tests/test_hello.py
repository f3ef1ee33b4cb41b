"""vidgan's conformance suites on what this plugin provides."""

from pathlib import Path

import torch
from torch import Tensor

from vidgan_core.plugins.registry import Plugin
from vidgan_core.testing import DiscriminatorSuite, GeneratorSuite, LossSuite, PluginSuite

DISTRIBUTION = "vidgan-hello"


class TestPlugin(PluginSuite):
    """The manifest and its hooks."""

    distribution = DISTRIBUTION

    def test_hooks_follow_a_run(self, plugin: Plugin, tmp_path: Path) -> None:
        """A line a tick is written."""
        super().test_hooks_follow_a_run(plugin, tmp_path)
        lines = (tmp_path / "run" / "hello.csv").read_text().splitlines()
        assert lines[0] == "step,discriminator/loss,generator/loss"
        assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]


class TestGenerator(GeneratorSuite):
    """Shape, range, gradients, noise, saving and more."""

    distribution = DISTRIBUTION


class TestDiscriminator(DiscriminatorSuite):
    """Scores, gradients of first and second order, saving and more."""

    distribution = DISTRIBUTION


class TestLoss(LossSuite):
    """Values, signs, extreme scores and more."""

    distribution = DISTRIBUTION

    def closed_form(self, name: str, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Return both losses as the paper writes them, on probabilities."""
        d_real, d_fake = torch.sigmoid(real), torch.sigmoid(fake)
        of_real = 0.9 * d_real.log().mean() + 0.1 * (1 - d_real).log().mean()
        return -of_real - (1 - d_fake).log().mean(), -d_fake.log().mean()
