"""Architectures at their real sizes and next to their papers; the suites do the rest."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import REGISTRY, SMALL, components, of_clip, small_options, with_clip
from torch import Tensor, nn
from torch.nn.functional import conv3d
from vidgan_modern.blocks import Spatial, Temporal
from vidgan_modern.networks import variety
from vidgan_modern.pixels import Coarser, Finer, Palette, bounded

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Discriminator, Fake, Generator
from vidgan_core.interfaces.dataset import Field
from vidgan_core.plugins.kinds import Kind
from vidgan_core.plugins.registry import Provided

SHAPES = [
    (16, 64, 64),
    (32, 64, 32),
    (16, 96, 64),
]


def make(provided: Provided, spec: DataSpec = SMALL, **options: object) -> nn.Module:
    component = provided.component
    target = REGISTRY.load(component.kind, component.name)
    return target(with_clip(provided, spec), **(small_options(provided) | options))


def generate(generator: Generator, n: int = 3, frames: int | None = None) -> Fake:
    noise = generator.noise(n, torch.Generator().manual_seed(1), frames=frames)
    return generator(noise, of_clip(generator, n), frames=frames)


def parameters(kind: Kind, name: str, spec: DataSpec, **options: object) -> int:
    network = REGISTRY.load(kind, name)(spec, **options)
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("provided", components("generator"))
def test_video_has_the_shape_and_range_that_was_asked_for(
    provided: Provided, shape: tuple[int, int, int]
) -> None:
    spec = DataSpec(3, *shape)
    video = generate(make(provided, spec), n=2).video
    assert video.shape == (2, *spec.shape)
    assert video.abs().max() <= 1
    assert video.std() > 0


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("provided", components("discriminator"))
def test_each_critic_scores_each_clip(provided: Provided, shape: tuple[int, int, int]) -> None:
    spec = DataSpec(3, *shape)
    verdict = make(provided, spec)(torch.randn(2, *spec.shape), {})
    assert verdict.scores
    assert all(scores.shape[0] == 2 and scores.numel() for scores in verdict.scores)


def test_mlp_is_the_reference_pair() -> None:
    generator, discriminator = (
        REGISTRY.load(k, "mlp")(SMALL) for k in ("generator", "discriminator")
    )
    pixels = math.prod(SMALL.shape)

    def layers(network: nn.Module) -> list[object]:
        return [
            (m.in_features, m.out_features) if isinstance(m, nn.Linear) else type(m)
            for m in network.modules()
            if isinstance(m, nn.Linear | nn.ReLU | nn.LeakyReLU | nn.Tanh | nn.Sigmoid)
        ]

    expected = [(100, 256), nn.ReLU, (256, 512), nn.ReLU, (512, 1024), nn.ReLU, (1024, pixels)]
    assert layers(generator) == [*expected, nn.Tanh]
    assert layers(discriminator) == [
        (pixels, 512),
        nn.LeakyReLU,
        (512, 256),
        nn.LeakyReLU,
        (256, 1),
    ]
    slopes = [m.negative_slope for m in discriminator.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.2, 0.2]


def test_conv3d_has_the_papers_layers() -> None:
    """Vondrick et al. 2016: 32 frames of 64x64 from a 2x4x4 block of 512 channels."""
    spec = DataSpec(3, 32, 64, 64)
    sizes = []

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            sizes.append(tuple(output.shape[1:]))

    for kind in ("generator", "discriminator"):
        network = REGISTRY.load(kind, "conv3d")(spec, width=64)
        for module in network.modules():
            module.register_forward_hook(note)
        if isinstance(network, Generator):
            generate(network, n=2)
        else:
            network(torch.zeros(2, *spec.shape), {})
    inner = [(512, 2, 4, 4), (256, 4, 8, 8), (128, 8, 16, 16), (64, 16, 32, 32)]
    assert sizes == [*inner, (3, 32, 64, 64), *reversed(inner), (1, 1, 1, 1)]
    kernels = 64 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    norms, bias = 2 * (512 + 256 + 128 + 64), 3
    assert parameters("generator", "conv3d", spec, width=64) == (
        100 * 512 * 2 * 4 * 4 + kernels + norms + bias
    )


def test_vgan_has_the_published_size() -> None:
    """16.2 M weights against 11.0 M of `conv3d`'s discriminator."""
    spec = DataSpec(3, 32, 64, 64)
    assert round(parameters("generator", "vgan", spec, width=64) / 1e6, 1) == 16.2
    assert round(parameters("discriminator", "conv3d", spec, width=64) / 1e6, 1) == 11.0


def test_vgans_background_stands_still_where_the_mask_is_closed() -> None:
    generator = REGISTRY.load("generator", "vgan")(SMALL, width=4).eval()
    for bias, moves in ((-50.0, False), (50.0, True)):
        torch.nn.init.constant_(generator.mask[0].bias, bias)
        fake = generator(generator.noise(2, torch.Generator().manual_seed(1)), {})
        assert fake.extras["mask"].shape == (2, 1, 8, 32, 32)
        assert (fake.video[:, :, 0] - fake.video[:, :, 4]).abs().max().gt(1e-6) == moves


def test_tgan_has_the_papers_layers() -> None:
    """Saito et al. 2017, table 1: latents of 16 frames, then 4x4 blocks of 512 channels."""
    generator = REGISTRY.load("generator", "tgan")(DataSpec())
    lengths, sizes = [], []
    for module in generator.modules():
        if isinstance(module, nn.ConvTranspose1d):
            module.register_forward_hook(lambda _, i, out: lengths.append(tuple(out.shape[1:])))
        if isinstance(module, nn.ConvTranspose2d):
            module.register_forward_hook(lambda _, i, out: sizes.append(tuple(out.shape)))
    generate(generator, n=2)
    assert lengths == [(512, 1), (256, 2), (128, 4), (128, 8), (100, 16)]
    expected = [(256, 8, 8), (128, 16, 16), (64, 32, 32), (32, 64, 64), (3, 64, 64)]
    assert sizes == [(32, *size) for size in expected]


def test_twostream_has_the_published_size() -> None:
    spec = DataSpec(3, 16, 64, 64)
    assert parameters("generator", "twostream", spec, width=64, content=50, motion=10) == 3_249_684
    assert parameters("discriminator", "twostream", spec, width=64) == 11_720_192


def test_twostream_has_a_critic_of_patches_and_one_of_the_clip() -> None:
    discriminator = REGISTRY.load("discriminator", "twostream")(DataSpec(), width=4)
    spatial, temporal = discriminator(torch.randn(2, 3, 16, 64, 64), {}).scores
    assert spatial.shape == (2, 1, 4, 4)
    assert temporal.shape == (2, 1, 1, 1, 1)


def test_twostream_makes_any_number_of_frames() -> None:
    generator = REGISTRY.load("generator", "twostream")(SMALL, width=4).eval()
    short, long = (generate(generator, frames=frames).video for frames in (1, 20))
    assert short.shape[2] == 1
    assert long.shape[2] == 20


def test_a_fixed_generator_refuses_another_length() -> None:
    generator = REGISTRY.load("generator", "conv3d")(SMALL, width=4)
    with pytest.raises(ShapeError, match="can't make 20 frames: it always makes 8"):
        generate(generator, frames=20)


def test_twostreams_motion_moves_and_its_content_stays() -> None:
    """With equal content and different motion the clips differ; motion alone varies in time."""
    generator = REGISTRY.load("generator", "twostream")(SMALL, width=4).eval()
    noise = dict(generator.noise(2, torch.Generator().manual_seed(1)))
    noise["motion"] = noise["motion"][:1].expand(2, -1, -1)
    same_motion = generator(noise, {}).video
    assert not torch.allclose(same_motion[0], same_motion[1])
    noise["content"] = noise["content"][:1].expand(2, -1)
    same_both = generator(noise, {}).video
    torch.testing.assert_close(same_both[0], same_both[1])
    assert not torch.allclose(same_both[0, :, 0], same_both[0, :, 1])


def test_twostreams_spatial_critic_sees_single_frames_of_the_clip() -> None:
    """In training it draws frames: each has its own score, and each frame is drawn in time."""
    discriminator = REGISTRY.load("discriminator", "twostream")(SMALL, width=4, frames_a_clip=8)
    assert isinstance(discriminator, Discriminator)
    observed: list[Tensor] = []
    discriminator.spatial[0].register_forward_pre_hook(lambda _, inputs: observed.append(inputs[0]))
    video = torch.arange(8.0)[None, None, :, None, None].expand(2, 3, 8, 32, 32)
    discriminator(video, {})
    times = observed[0][:, 0, 0, 0].reshape(2, 8)
    assert [sorted(clip) for clip in times.tolist()] == [list(range(8))] * 2
    assert times[0].tolist() != times[1].tolist() != list(range(8))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_moderns_flat_convolutions_are_those_of_a_clip(layout: torch.memory_format) -> None:
    clip = torch.randn(2, 32, 5, 6, 4)
    spatial = Spatial(32, 32, 3, 1.0, groups=2).to(memory_format=layout)
    temporal = Temporal(32, 1.0, groups=2).to(memory_format=layout)
    for layer in (spatial, temporal):
        nn.init.normal_(layer.bias)
    within = conv3d(clip, spatial.weight[:, :, None], spatial.bias, padding=(0, 1, 1), groups=2)
    along = conv3d(clip, temporal.weight[..., None], temporal.bias, padding=(1, 0, 0), groups=2)
    torch.testing.assert_close(spatial(clip), within)
    torch.testing.assert_close(temporal(clip), along)


@pytest.mark.parametrize("clips", [1, 3])
def test_gradients_of_moderns_flat_convolutions(clips: int) -> None:
    """A single clip in channels-last, whose strides are ambiguous, among them."""
    batch = torch.randn(3, 32, 2, 2, 2, dtype=torch.float64)
    batch = batch.contiguous(memory_format=torch.channels_last_3d)[:clips]
    for layer in (Spatial(32, 32, 3, 1.0, groups=2), Temporal(32, 1.0, groups=2)):
        layer.double().to(memory_format=torch.channels_last)
        spatial = isinstance(layer, Spatial)
        weight = layer.weight[:, :, None] if spatial else layer.weight[..., None]
        padding = (0, 1, 1) if spatial else (1, 0, 0)
        reference = conv3d(batch, weight, layer.bias, padding=padding, groups=2)
        weights = torch.randn_like(reference)
        ours, theirs = (
            torch.autograd.grad((made * weights).sum(), layer.weight)[0]
            for made in (layer(batch), reference)
        )
        torch.testing.assert_close(ours, theirs)


def test_moderns_pixels_come_back_from_outside_and_go_no_further() -> None:
    x = torch.tensor([-4.0, -4, -2.9, -2.9, -0.5, -0.5, 2.9, 2.9, 4, 4], requires_grad=True)
    y = bounded(x)
    assert y.tolist() == [-1, -1, -1, -1, -0.5, -0.5, 1, 1, 1, 1]
    y.backward(torch.tensor([-1.0, 1] * 5))  # descent goes the other way
    assert x.grad is not None
    expected = torch.tensor([-0.2, 0, -0.2, 1, -1, 1, -1, 0.2, 0, 0.2])
    torch.testing.assert_close(x.grad, expected)


def test_moderns_finer_grid_is_interpolated_within_frames() -> None:
    clip = torch.randn(2, 3, 4, 2, 5)
    expected = torch.nn.functional.interpolate(clip, scale_factor=(1, 2, 2), mode="trilinear")
    torch.testing.assert_close(Finer()(clip), expected)


def test_moderns_palette_gives_each_map_of_a_clip_its_colour() -> None:
    palette = Palette(5, 4, 3)
    nn.init.normal_(palette.ground)
    maps, z = torch.randn(2, 4, 3, 6, 7), torch.randn(2, 5)
    expected = palette.ground[:, None, None, None].repeat(2, 1, 3, 6, 7)
    for clip in range(2):
        colours = palette.colours(z[clip])
        for number in range(4):
            for channel in range(3):
                strength = colours[3 * number + channel]
                expected[clip, channel] += strength * maps[clip, number]
    torch.testing.assert_close(palette(maps, z), expected)


def test_moderns_coarser_grid_keeps_every_pixel_of_each_frame() -> None:
    clip = torch.randn(2, 3, 3, 4, 10)
    maps = torch.nn.functional.pixel_unshuffle(clip.transpose(1, 2), 2)  # colours first in torch
    expected = maps.unflatten(2, (3, 4)).transpose(2, 3).flatten(2, 3).transpose(1, 2)
    assert torch.equal(Coarser()(clip), expected)


def test_moderns_variety_is_that_of_a_group_of_clips() -> None:
    rows = torch.tensor([0.0, 2, 5, 5, 1, 9, 1, 9])[:, None].repeat(1, 3)
    expected = torch.tensor([1.0, 1, 0, 0, 4, 4, 4, 4])[:, None].expand(8, 3)
    torch.testing.assert_close(variety(rows, 2), expected, rtol=0, atol=0.011)
    assert variety(rows, 8).unique().numel() == 1
    assert torch.equal(variety(rows[:6], 4), variety(rows[:6], 3))
    assert variety(rows, 1).max() < 0.011


def test_one_critic_of_modern_knows_the_other_clips_of_the_group() -> None:
    discriminator = REGISTRY.load("discriminator", "modern")(SMALL, width=8, group=2)
    video = torch.rand(4, *SMALL.shape)
    other = video.clone()
    other[1] = -other[1]
    pairs = zip(discriminator(video, {}).scores, discriminator(other, {}).scores, strict=True)
    changed = [(before != after).flatten().tolist() for before, after in pairs]
    alone = [False, True, False, False]
    assert changed == [[True, True, False, False], alone, alone]


def test_moderns_critics_judge_in_full_precision() -> None:
    """Scores are not rounded to bf16, which would take small differences between clips away."""
    discriminator = REGISTRY.load("discriminator", "modern")(SMALL, width=8)
    with torch.autocast("cpu", torch.bfloat16):
        scores = discriminator(torch.rand(2, *SMALL.shape), {}).scores
    for score in scores:
        assert score.dtype == torch.float32
        assert not torch.equal(score, score.bfloat16().float())


def test_every_critic_of_modern_knows_the_class() -> None:
    spec = DataSpec(3, 8, 32, 32, condition=(Field("class", classes=4),))
    discriminator = REGISTRY.load("discriminator", "modern")(spec, width=8)
    video = torch.rand(2, *spec.shape)
    one, other = (discriminator(video, {"class": torch.tensor([y, y])}).scores for y in (0, 1))
    assert len(one) == 3
    assert all((a != b).all() for a, b in zip(one, other, strict=True))


def test_moderns_size_is_one_option() -> None:
    spec = DataSpec(3, 16, 64, 64)
    with torch.device("meta"):
        sizes = [parameters("generator", "modern", spec, width=width) for width in (80, 1152)]
    assert sizes[0] < 1e6 < 1e8 < sizes[1]
