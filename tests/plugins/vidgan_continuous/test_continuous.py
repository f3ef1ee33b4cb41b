"""Continuous time next to its paper: Skorokhodov, Tulyakov & Elhoseiny 2022 (StyleGAN-V)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import REGISTRY, SMALL, TINY, Result, small
from torch import Tensor, nn
from torch.nn.functional import conv2d
from vidgan_continuous.layers import StyledConv
from vidgan_continuous.motion import Motion

import vidgan_core
from vidgan_core.interfaces import Discriminator, Generator
from vidgan_core.media.describe import describe
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.run import Run

pytestmark = pytest.mark.usefixtures("one_thread")
CLOSE = {"rtol": 1e-3, "atol": 1e-4}


def generator(**options: int) -> Generator:
    network: Generator = REGISTRY.load("generator", "continuous")(SMALL, **({"width": 4} | options))
    return network.eval()


def noise(network: Generator, n: int = 2, frames: int | None = None) -> dict[str, Tensor]:
    return dict(network.noise(n, torch.Generator().manual_seed(1), frames=frames))


def test_half_the_frame_step_gives_the_same_frames_at_shared_times() -> None:
    network = generator(distance=3)
    drawn = noise(network)
    whole = network(drawn, {}).video
    finer = network(drawn, {"time": torch.arange(0, 8, 0.5).expand(2, -1)}).video
    assert finer.shape[2] == 16
    torch.testing.assert_close(finer[:, :, ::2], whole, **CLOSE)
    between = (finer[:, :, 1:-1:2] - whole[:, :, :-1]).abs().amax((1, 2, 3, 4))
    assert (between > 1e-3).all()


def test_a_clip_goes_on_where_another_begins_later() -> None:
    """Only the place between knots matters, not when the clip was begun."""
    network = generator(distance=10)
    drawn = noise(network) | {"start": torch.tensor([[0.1], [0.1]])}
    later = drawn | {"start": torch.tensor([[0.4], [0.4]])}
    torch.testing.assert_close(
        network(drawn, {}).video[:, :, 3:], network(later, {}).video[:, :, :-3], **CLOSE
    )


def test_windows_of_time_are_the_whole() -> None:
    network = generator(distance=5)
    drawn = noise(network, frames=11)
    windows = list(network.windows(drawn, {}, size=4, frames=11))
    assert [window.shape[2] for window in windows] == [4, 4, 3]
    torch.testing.assert_close(torch.cat(windows, 2), network(drawn, {}, frames=11).video, **CLOSE)


def test_any_length_with_as_many_knots_as_it_takes() -> None:
    network = generator(distance=5)
    drawn = noise(network, frames=23)
    for start in (0.0, 0.999):
        drawn["start"].fill_(start)
        assert network(drawn, {}, frames=23).video.shape == (2, 3, 23, 32, 32)


def test_motion_is_continuous_and_is_the_aligned_code_at_a_knot() -> None:
    motion = Motion(6, 8, distance=4)
    codes = torch.randn(2, Motion.knots(12, 4), 6)
    before, at, after = (motion(codes, torch.full((2, 1), t)) for t in (7.9999, 8.0, 8.0001))
    torch.testing.assert_close(before, at, rtol=0, atol=2e-3)
    torch.testing.assert_close(after, at, rtol=0, atol=2e-3)
    knot = nn.functional.leaky_relu(motion.first(codes.mT), 0.2) * 2**0.5
    knot = nn.functional.leaky_relu(motion.second(knot), 0.2)[:, :, 2] * 2**0.5
    torch.testing.assert_close(at[:, 0], knot @ motion.align.weight.T, rtol=1e-4, atol=1e-5)
    middle = motion(codes, torch.full((2, 1), 6.0))[:, 0]
    ends = (motion(codes, torch.full((2, 1), t))[:, 0] for t in (4.0, 8.0))
    assert (middle - sum(ends) / 2).abs().max() > 0.05  # more than a straight line


def test_a_styled_convolution_has_weights_of_each_rows_own() -> None:
    """Karras et al. 2020, equations 1 and 3."""
    layer, x, style = StyledConv(3, 5, 4), torch.randn(2, 3, 6, 6), torch.randn(2, 4)
    output = layer(x, style)
    for row in range(2):
        weight = layer.weight * layer.scale(style[row])[None, :, None, None]
        weight = weight / weight.square().sum((1, 2, 3), keepdim=True).sqrt()
        expected = conv2d(x[row : row + 1], weight, layer.bias, padding=1)
        torch.testing.assert_close(output[row : row + 1], expected, rtol=1e-4, atol=1e-5)


def test_styles_mix() -> None:
    network = generator()
    drawn = noise(network)
    assert torch.equal(drawn["coarse"], drawn["fine"])
    plain = network(drawn, {}).video
    for name in ("coarse", "fine"):
        mixed = network(drawn | {name: drawn[name][:1].expand_as(drawn[name])}, {}).video
        torch.testing.assert_close(mixed[0], plain[0], **CLOSE)
        assert (mixed[1] - plain[1]).abs().max() > 1e-3


def test_the_critic_sees_the_times_between_frames_not_the_clock() -> None:
    critic: Discriminator = REGISTRY.load("discriminator", "continuous")(SMALL, width=4)
    video = torch.randn(2, 3, 3, 32, 32)
    times = torch.tensor([[0.0, 2.0, 5.0]]).expand(2, -1)
    (score,), (later,), (apart,) = (
        critic(video, {"time": t}).scores for t in (times, times + 1.5, 2 * times)
    )
    torch.testing.assert_close(score, later, rtol=1e-4, atol=1e-4)
    assert (score - apart).abs().min() > 1e-4
    whole = torch.randn(2, 3, 8, 32, 32)
    even = torch.tensor([[0, 2, 5]]).expand(2, -1)
    picked = critic.eval()(whole[:, :, [0, 2, 5]], {"time": even})
    assert torch.equal(critic(whole, {}).scores[0], picked.scores[0])


@pytest.mark.parametrize(("critic", "rendered"), [("continuous", 3), ("modern", 4)])
def test_few_frames_are_rendered_where_the_critic_sees_few(critic: str, rendered: int) -> None:
    """A run's batch has 4 clips of 4 frames; R1 goes through the same few."""
    settings = ("steps=2", "term.r1.weight=1")
    config = small("continuous", "minimax", *settings, data="shapes", discriminator=critic)
    run = Run(config, REGISTRY)
    rows: list[int] = []
    run.networks["generator"].stages[0].register_forward_hook(
        lambda _, i, out: rows.append(len(out[0]))
    )
    run.begin(RunDir.create(None, "run"))
    assert run.fit()
    assert set(rows) == {4 * rendered}
    assert run.sampled(noise(run.sampled), {}).video.shape[2] == 4


def test_samples_at_another_rate(vidgan: Callable[..., Result]) -> None:
    usual = ("--gen", "continuous", "--term", "none", "--data", "shapes", "--steps", 1)
    assert vidgan("run", *TINY, *usual, "--out", "run").code == 0
    sampler = vidgan_core.load("run", device="cpu")
    whole, finer = sampler.sample(2), sampler.sample(2, rate=2)
    assert finer.shape[2] == 8
    torch.testing.assert_close(finer[:, :, ::2], whole, **CLOSE)
    long = sampler.sample(2, frames=10, rate=0.5)
    torch.testing.assert_close(long, sampler.sample(2, frames=10)[:, :, ::2], **CLOSE)
    assert vidgan("sample", "run", "-n", 1, "--rate", 2, "-o", "a.mp4").code == 0
    facts = describe(Path("a.mp4"))
    assert (facts["frames"], facts["fps"]) == (8, 25)
