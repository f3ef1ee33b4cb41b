"""Restoration networks next to their papers: sizes, what depends on what, the answer at first."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from conftest import REGISTRY
from torch import Tensor, nn
from torch.nn.functional import interpolate
from vidgan_restoration.blocks import FlowNetwork
from vidgan_restoration.fastdvd import reflected

from vidgan_core.errors import ShapeError, UsageError
from vidgan_core.interfaces import DataSpec, Field, Generator, StreamingGenerator
from vidgan_core.nn.warp import warp

RECURRENT = ["recurrent", "recurrent-online"]
ALL = ["fastdvd", *RECURRENT]


def spec_for(scale: int = 1, size: int = 24, frames: int = 4, *more: Field) -> DataSpec:
    small = (3, frames, size // scale, size // scale)
    return DataSpec(3, frames, size, size, (Field("low", "clip", small), *more))


def build(name: str, spec: DataSpec, **options: object) -> Generator:
    torch.manual_seed(0)
    network: Generator = REGISTRY.load("generator", name)(spec, **({"width": 4} | options))
    return network


def shaken(network: Generator) -> Generator:
    """With other weights, so that the parts which are zero at first act."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def positive(network: nn.Module) -> None:
    """Make all weights positive: what a pixel can depend on then has a gradient."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_().add_(0.02)


def clip(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def extent(gradient: Tensor, axis: int) -> tuple[int, int]:
    """The first and the last place along an axis at which a gradient is not zero."""
    others = [other for other in range(gradient.ndim) if other != axis]
    places = gradient.abs().amax(others).nonzero().flatten().tolist()
    return places[0], places[-1]


def test_recurrent_has_the_papers_size() -> None:
    """Chan et al. 2021, by layers: input convolutions, 30 blocks of two in either direction, 1x1
    fusion, two sub-pixel convolutions, two at full size. Its SPyNet has 1.4 M more."""
    network = build("recurrent", spec_for(4, 64), width=64, blocks=30, finish=64)
    three = 9 * 64
    trunk = three * (64 + 3) + 64 + 60 * (three * 64 + 64)
    head = 2 * (three * 256 + 256) + three * 64 + 64 + three * 3 + 3
    expected = 2 * trunk + 128 * 64 + 64 + head
    assert count(network) - count(network.flow) == expected
    assert expected == 4_851_011  # of 6.3 M


def test_fastdvd_has_the_papers_size() -> None:
    """Tassano et al. 2020: 2.48 M weights in two U-Nets, with one map of the noise level."""
    spec = spec_for(1, 64, 5, Field("sigma", "vector", (1,)))
    assert round(count(build("fastdvd", spec, width=32, frame_width=30)) / 1e6, 2) == 2.48


@pytest.mark.parametrize(
    ("name", "scale"), [("fastdvd", 1), *((name, s) for name in RECURRENT for s in (1, 2, 3, 4))]
)
def test_the_answer_at_first_is_the_enlarged_clip(name: str, scale: int) -> None:
    low = clip(2, 3, 3, 7, 5)
    video = build(name, spec_for(scale)).train()({}, {"low": low}).video
    frames = [interpolate(frame, scale_factor=scale, mode="bicubic") for frame in low.unbind(2)]
    torch.testing.assert_close(video, low if scale == 1 else torch.stack(frames, dim=2))


@pytest.mark.parametrize("name", ALL)
def test_pixels_are_clamped_where_nothing_is_learned(name: str) -> None:
    network, low = build(name, spec_for(1)), 3 * clip(1, 3, 3, 8, 8)
    torch.testing.assert_close(network.train()({}, {"low": low}).video, low)
    torch.testing.assert_close(network.eval()({}, {"low": low}).video, low.clamp(-1, 1))


@pytest.mark.parametrize("finish", [0, 4])
@pytest.mark.parametrize("grid", [1, 2])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("name", RECURRENT)
def test_what_is_made_lies_where_it_was_given(
    name: str, scale: int, grid: int, finish: int
) -> None:
    """A place of the grid depends on as many pixels of the input on either side."""
    network = build(name, spec_for(scale), grid=grid, finish=finish, blocks=0).double()
    for part, module in network.named_children():
        if part != "flow":
            positive(module)
    low = torch.rand(1, 3, 1, 32, 36, dtype=torch.float64, requires_grad=True)
    frame = network({}, {"low": low}).video[0, :, 0]
    side, y, x = scale * grid, 7 if grid == 2 else 15, 8 if grid == 2 else 17
    place = frame[:, side * y : side * (y + 1), side * x : side * (x + 1)]
    (gradient,) = torch.autograd.grad(place.sum(), low)
    for axis, at in ((3, y), (4, x)):
        first, last = extent(gradient, axis)
        assert grid * at - first == last - (grid * (at + 1) - 1) > 0


def changed_frames(network: Generator, frames: int, at: int) -> list[int]:
    """The frames of the result that a change of one frame of the input changes."""
    low = clip(1, 3, frames, 8, 8)
    other = low.clone()
    other[:, :, at] = -other[:, :, at]
    with torch.no_grad():
        one, two = (network.eval()({}, {"low": each}).video for each in (low, other))
    return [t for t in range(frames) if not torch.equal(one[:, :, t], two[:, :, t])]


def test_what_a_frame_depends_on() -> None:
    networks = {name: shaken(build(name, spec_for(1, 8, 7))) for name in ALL}
    assert changed_frames(networks["recurrent"], 7, 3) == list(range(7))
    assert changed_frames(networks["recurrent-online"], 7, 3) == [3, 4, 5, 6]
    assert changed_frames(networks["fastdvd"], 7, 3) == [1, 2, 3, 4, 5]


def test_fastdvds_reach_is_the_least_that_holds() -> None:
    network = build("fastdvd", spec_for(1, 8, 5), width=1, frame_width=1).double()
    positive(network)
    with torch.no_grad():
        for stage in (network.first, network.second):
            stage.leave[-1].weight.neg_()  # what is taken off is added
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    low = torch.rand(1, 3, 7, 4, 184, dtype=torch.float64, requires_grad=True)
    video = network({}, {"low": low}).video
    far = []
    for x in range(92, 96):
        (gradient,) = torch.autograd.grad(video[0, :, 3, :, x].sum(), low, retain_graph=True)
        assert extent(gradient, 2) == (3 - network.frames_reach, 3 + network.frames_reach) == (1, 5)
        first, last = extent(gradient, 4)
        far.append((x - first, last - x))
    assert far[3][0] == network.pixels_reach == 80
    assert max(map(max, far)) == 80
    assert min(side for sides in far for side in sides) < 80 - 3  # it is another in each place


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (5, [2, 1, 0, 1, 2, 3, 4, 3, 2]),
        (3, [2, 1, 0, 1, 2, 1, 0]),
        (2, [0, 1, 0, 1, 0, 1]),
        (1, [0] * 5),
    ],
)
def test_a_clip_is_reflected_at_its_ends(length: int, expected: list[int]) -> None:
    assert reflected(torch.arange(length)[None], 2).tolist() == [expected]


def test_frames_that_stream_one_by_one_are_those_of_the_whole() -> None:
    network = shaken(build("recurrent-online", spec_for(2, 16, 4))).eval()
    assert isinstance(network, StreamingGenerator)
    low = clip(2, 3, 6, 7, 9)
    with torch.no_grad():
        whole = network({}, {"low": low}).video
        state, frames = network.begin(2), []
        for frame in low.split(1, dim=2):
            fake, state = network.advance(state, {}, {"low": frame})
            frames.append(fake.video)
    torch.testing.assert_close(torch.cat(frames, dim=2), whole)


def test_the_online_network_reads_its_last_frame_moved_by_the_flow() -> None:
    """What a pixel of the last frame changes is 3 pixels to the left under a flow of 3."""
    network = build("recurrent-online", spec_for(1, 16, 2), blocks=0, grid=1).double().eval()
    assert isinstance(network, StreamingGenerator)
    network.flow.levels[-1][-1].bias.data[0] = 3.0
    positive(network.trunk)
    positive(network.head)
    low = torch.full((1, 3, 1, 16, 24), -0.1, dtype=torch.float64)
    with torch.no_grad():
        _, state = network.advance(None, {}, {"low": low})
    state.made.requires_grad_()
    fake, _ = network.train().advance(state, {}, {"low": low})
    (gradient,) = torch.autograd.grad(fake.video[..., 8, 10].sum(), state.made)
    first, last = extent(gradient, 3)
    assert (first + last) / 2 == 13
    assert extent(gradient, 2) == (8 - (last - 13), 8 + (last - 13))


def test_the_photometric_error_teaches_the_flow() -> None:
    """Smooth pictures that move by (-2, 1) pixels: most places find out, without any label."""
    torch.manual_seed(0)
    network = FlowNetwork(3, 16, 2)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    truth = torch.tensor([1.0, -2.0])[:, None, None]
    error = 2.2
    for _ in range(100):
        wide = interpolate(torch.rand(4, 3, 5, 5), (20, 20), mode="bicubic")
        here, there = wide[..., 2:18, 2:18], wide[..., 4:20, 1:17]  # there[y - 2, x + 1] = here
        flow = network(here, there)
        loss = (warp(there, flow) - here).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        apart = (flow.detach() - truth)[..., 2:-2, 2:-2]
        error = apart.square().sum(1).sqrt().median().item()
    assert error < 0.3


def test_the_flows_of_a_clip_lead_to_its_neighbours_and_nowhere_at_its_ends() -> None:
    network = shaken(build("recurrent", spec_for(2, 32, 4)))
    low = clip(2, 3, 4, 16, 16)
    extras = network({}, {"low": low}).extras
    for t, after in pairwise(range(4)):
        here, there = low[:, :, t], low[:, :, after]
        torch.testing.assert_close(extras["flow_after"][:, :, t], network.flow(here, there))
        torch.testing.assert_close(extras["flow"][:, :, after], network.flow(there, here))
    assert not extras["flow"][:, :, 0].any()
    assert not extras["flow_after"][:, :, 3].any()


@pytest.mark.parametrize("name", ALL)
def test_one_clip_of_a_size_in_proportion_is_needed(name: str) -> None:
    with pytest.raises(UsageError, match="takes one clip, and the condition has 0"):
        build(name, DataSpec())
    two = (Field("a", "clip", (3, 4, 24, 24)), Field("b", "clip", (3, 4, 24, 24)))
    with pytest.raises(UsageError, match="takes one clip, and the condition has 2"):
        build(name, DataSpec(3, 4, 24, 24, two))
    for shape in ((3, 4, 23, 24), (3, 4, 24, 12), (1, 4, 24, 24), (3, 2, 24, 24), (3, 4, 3, 3)):
        with pytest.raises(ShapeError, match="must be of as many frames and channels"):
            build(name, DataSpec(3, 4, 24, 24, (Field("a", "clip", shape),)))


def test_fastdvd_does_not_enlarge() -> None:
    with pytest.raises(ShapeError, match="'low' must be as large as the video, 1 time, and not"):
        build("fastdvd", spec_for(2))


def test_a_score_depends_on_its_patch() -> None:
    """38 pixels a side and 7 frames, as the docstring states."""
    critic = REGISTRY.load("discriminator", "patch3d")(DataSpec(3, 9, 64, 64), width=2).double()
    positive(critic)
    video = torch.rand(1, 3, 9, 64, 64, dtype=torch.float64, requires_grad=True)
    verdict = critic(video, {})
    assert verdict.scores[0].shape == (1, 1, 9, 8, 8)
    shapes = [tuple(features.shape[1:]) for features in verdict.features]
    assert shapes == [(2, 9, 32, 32), (4, 9, 16, 16), (8, 9, 8, 8)]
    (gradient,) = torch.autograd.grad(verdict.scores[0][0, 0, 4, 4, 4], video)
    ends = [extent(gradient, axis) for axis in (2, 3, 4)]
    assert [last - first + 1 for first, last in ends] == [7, 38, 38]


def test_a_patch_critic_needs_a_patch() -> None:
    with pytest.raises(ShapeError, match="height and width must be at least 16"):
        REGISTRY.load("discriminator", "patch3d")(DataSpec(3, 4, 8, 32), layers=4)
