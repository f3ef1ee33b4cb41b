"""Augmentations: what DiffAugment does to a clip, and how the game shows clips through them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import REGISTRY, SMALL, TINY, Result, small, two_player
from critics import Quadratic, make
from torch import Tensor, nn

from vidgan_core.interfaces import Augment, DataSpec, Fake, StepContext, Verdict
from vidgan_core.interfaces.augment import AdaptiveAugment, AugmentedDiscriminator, real_sign
from vidgan_core.interfaces.game import PhaseBatch, WeightedTerm
from vidgan_core.runs import checkpoint
from vidgan_core.training.run import Run

Command = Callable[..., Result]
FULL = torch.tensor(1.0, dtype=torch.float64)
SPEC = DataSpec(3, 2, 16, 24)


def augmented(*operations: str, clips: int = 64) -> tuple[Tensor, Tensor]:
    """Clips before and after some of DiffAugment's operations, with no pixel that is 0 before."""
    options = {name: name in operations for name in ("colour", "translation", "cutout")}
    video = torch.rand(clips, *SPEC.shape, dtype=torch.float64) / 2 + 0.25
    return video, REGISTRY.load("augment", "diffaugment")(**options)(video, FULL)


def test_translation_moves_by_whole_pixels_up_to_an_eighth_and_leaves_grey() -> None:
    observed = set()
    for before, after in zip(*augmented("translation", clips=200), strict=True):
        there = after.abs().sum((0, 1)).nonzero()
        (top, left), (bottom, right) = there.amin(0).tolist(), there.amax(0).tolist()
        down = top or bottom - 15
        across = left or right - 23
        expected = torch.zeros_like(before)
        expected[..., max(0, down) : 16 + down, max(0, across) : 24 + across] = before[
            ..., max(0, -down) : 16 - down, max(0, -across) : 24 - across
        ]
        assert torch.equal(after, expected)
        observed.add((down, across))
    assert {down for down, _ in observed} == set(range(-2, 3))
    assert {across for _, across in observed} == set(range(-3, 4))


def test_cutout_blanks_a_box_half_as_wide_and_high() -> None:
    boxes = set()
    for before, after in zip(*augmented("cutout", clips=400), strict=True):
        blank = after == 0
        assert torch.equal(after[~blank], before[~blank])
        assert torch.equal(blank, blank[:1, :1].expand_as(blank))
        places = blank[0, 0].nonzero()
        (top, left), (bottom, right) = places.amin(0).tolist(), places.amax(0).tolist()
        assert blank[0, 0].sum() == (bottom - top + 1) * (right - left + 1)
        boxes.add((top, bottom, left, right))
    heights = {bottom - top + 1 for top, bottom, _, _ in boxes}
    widths = {right - left + 1 for _, _, left, right in boxes}
    assert (max(heights), max(widths)) == (8, 12)
    assert min(heights) == 4  # its centre stays within the frame
    inner = {top for top, bottom, _, _ in boxes if bottom - top == 7}
    assert inner == set(range(9))


def test_colour_is_brightness_saturation_and_contrast() -> None:
    """A pixel's distance from its grey is scaled, and its grey goes along a line of the clip's."""
    before, after = augmented("colour")
    grey, new_grey = before.mean(1, keepdim=True), after.mean(1, keepdim=True)
    chroma = ((after - new_grey) / (before - grey)).flatten(1)
    torch.testing.assert_close(chroma, chroma[:, :1].expand_as(chroma))
    mean, new_mean = grey.mean((1, 2, 3, 4), keepdim=True), after.mean((1, 2, 3, 4), keepdim=True)
    contrast = ((new_grey - new_mean) / (grey - mean)).flatten(1)
    torch.testing.assert_close(contrast, contrast[:, :1].expand_as(contrast))
    brightness = (new_mean - mean).flatten()
    for drawn, low, high in (
        (brightness, -0.5, 0.5),
        (contrast[:, 0], 0.5, 1.5),
        (chroma[:, 0] / contrast[:, 0], 0, 2),
    ):
        assert low <= drawn.min() < low + 0.15 * (high - low)
        assert high - 0.15 * (high - low) < drawn.max() <= high


@pytest.mark.parametrize("p", [0.25, 0.75])
def test_each_operation_is_done_with_probability_p(p: float) -> None:
    make_ = REGISTRY.load("augment", "diffaugment")
    video = torch.rand(2000, 3, 1, 8, 8) + 0.1
    changed = make_(translation=False, cutout=True, colour=False)(video, torch.tensor(p))
    share = (changed != video).flatten(1).any(1).float().mean().item()
    assert share == pytest.approx(p, abs=0.05)


class Affine(Augment):
    """x -> a x + b with a number a and a clip b drawn for each clip; notes what it draws."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[Tensor] = []

    def forward(self, video: Tensor, p: Tensor) -> Tensor:
        self.drawn.append(torch.rand(len(video), 1, 1, 1, 1, dtype=video.dtype) + 0.5)
        return self.drawn[-1] * video + p


def test_r1_through_an_augmentation_is_the_gradient_at_the_clip_itself() -> None:
    """grad_x D(a x + b) = a grad D, in float64, and its own derivative in D's weights."""
    torch.manual_seed(1)
    bare, affine = Quadratic(), Affine()
    wrapped = AugmentedDiscriminator(bare, [AdaptiveAugment("affine", affine).double()])
    real = torch.randn(5, *bare.spec.shape, dtype=torch.float64)
    verdict = wrapped(real, {})
    move = StepContext(bare, wrapped, {"video": real}, {}, {}, Fake(real), verdict, verdict)  # type: ignore[arg-type]
    value = make("r1")(move)
    assert value is not None
    a = affine.drawn[-1]
    gradients = [a.flatten(1) * g for g in bare.gradients(a * real + 1)]
    expected = torch.stack([(g.square().sum(1) / 2).mean() for g in gradients]).sum()
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)
    mine, theirs = (torch.autograd.grad(v, [bare.w, bare.v]) for v in (value, expected))
    torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


class Ask(nn.Module):
    """A term that asks the discriminator once more, and notes the network that was updated."""

    player, needs, needs_real = "discriminator", frozenset[str](), False
    reads_critic = True
    updated: nn.Module

    def forward(self, play: StepContext) -> Tensor:
        return play.discriminator(play.batch["video"], play.condition).scores[0].mean()

    def after_update(self, network: nn.Module) -> None:
        self.updated = network


def test_whoever_asks_the_discriminator_asks_through_the_augmentation() -> None:
    affine, ask, shown = Affine(), Ask(), []
    game = two_player(
        terms=[WeightedTerm("ask", ask)],  # type: ignore[arg-type]
        augments=[AdaptiveAugment("affine", affine)],
    )
    discriminator = game.parts.networks["discriminator"]
    discriminator.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    video = torch.rand(2, *SMALL.shape)
    critic, generator = game.phases()
    critic.objective(PhaseBatch({"video": video}, 0, 0, 0))
    critic.after_update(0)
    generator.objective(PhaseBatch({"video": video}, 0, 0, 1))
    real, fake, asked, again = shown
    a, b, c, d = affine.drawn
    assert len({tuple(drawn.flatten().tolist()) for drawn in affine.drawn}) == 4
    torch.testing.assert_close(real, a * video + 1)
    torch.testing.assert_close(asked, c * video + 1)
    torch.testing.assert_close((fake - 1) / b, (again - 1) / d)  # the fakes are reused
    assert again.requires_grad
    assert ask.updated is discriminator
    assert critic.network is discriminator


def test_strength_follows_the_sign_of_the_real_scores() -> None:
    """Karras et al. 2020: every 4 updates by 4 / ramp, up above the target, else down."""
    strength = AdaptiveAugment("any", Affine(), p=0.25, target=0.6, ramp=40)
    observed = []
    for sign in [1.0] * 16 + [0.5] * 8 + [1.0, 1.0, 1.0, -1.0] + [-1.0] * 16:
        strength.observe(torch.tensor(sign))
        observed.append(round(strength.p.item(), 4))
    assert observed[::4] == [0.0, 0.1, 0.2, 0.25, 0.25, 0.15, 0.05, 0.0, 0.0, 0.0, 0.0]
    assert observed[3::4] == [0.1, 0.2, 0.25, 0.25, 0.15, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0]
    in_parts = AdaptiveAugment("any", Affine(), target=0.6, ramp=40, parts=2)
    for _ in range(16):
        in_parts.observe(torch.tensor(1.0))
    assert in_parts.p == pytest.approx(0.2)
    fixed = AdaptiveAugment("any", Affine(), p=0.25)
    assert fixed.p == 0.25


@pytest.mark.parametrize(
    ("loss", "expected"), [("minimax", 0.0), ("lsgan", -0.5), ("rpgan", 0.5), ("wasserstein", 0.5)]
)
def test_sureness_is_counted_from_where_the_loss_puts_the_boundary(
    loss: str, expected: float
) -> None:
    real, fake = torch.tensor([-1.0, -0.2, 0.3, 2.0]), torch.tensor([-1.0, -0.2, -0.6])
    boundary = REGISTRY.load("loss", loss).boundary
    found = real_sign(Verdict((real,)), Verdict((fake,)), boundary)
    assert found.item() == pytest.approx(expected)


ADAPTIVE = (
    *("--augment", "diffaugment", "--set", "augment.diffaugment.target=0.01"),
    *("--set", "augment.diffaugment.ramp=16", "--set", "checkpoint.every=1"),
)


def test_a_run_with_adaptive_strength_resumes_exactly(vidgan: Command) -> None:
    arguments = ("run", *TINY, *ADAPTIVE)
    assert vidgan(*arguments, "--steps", 14, "--out", "whole").code == 0
    assert vidgan(*arguments, "--steps", 6, "--out", "parts").code == 0
    assert vidgan("run", "--resume", "parts", "--steps", 14).code == 0
    whole, parts = (checkpoint.newest(Path(n) / "checkpoints") for n in ("whole", "parts"))
    assert whole
    assert parts
    assert whole.model_hash == parts.model_hash
    assert whole.train.keys() == parts.train.keys()
    for name, tensor in whole.train.items():
        assert torch.equal(tensor, parts.train[name]), name
    assert whole.train["augment.diffaugment.p"] > 0
    assert whole.state["components"]["augment.diffaugment"]["distribution"] == "vidgan"


def test_it_is_named_refused_and_left_out_as_terms_are(vidgan: Command) -> None:
    result = vidgan("run", "--augment", "difaugment")
    assert result.code == 2
    assert "no augmentation named 'difaugment'; did you mean 'diffaugment'?" in result.err
    result = vidgan("run", "--augment", "diffaugment", "--set", "augment.diffaugment.p=2")
    assert "augment.diffaugment.p: must be less than or equal to 1 (got 2" in result.err
    Path("a.toml").write_text("[augment.diffaugment]\ncutout = false\n")
    result = vidgan("run", "-c", "a.toml", "--dry-run", "--augment", "diffaugment")
    assert "cutout = false" in result.out
    result = vidgan("run", "-c", "a.toml", "--dry-run", "--augment", "none")
    assert "cutout" not in result.out
    assert "augment.diffaugment.cutout" in vidgan("plugins", "info", "diffaugment").out


def test_the_ramp_is_counted_in_clips_of_the_whole_batch() -> None:
    """However a batch is cut into parts, 4 steps of 4 clips are 16 of the 160 that the ramp has."""
    for settings in ((), ("trainer.accumulate=2",)):
        adaptive = ("augment.diffaugment.target=0.01", "augment.diffaugment.ramp=160")
        run = Run(small("conv3d", "minimax", *adaptive, *settings), REGISTRY)
        with torch.no_grad():
            list(run.networks["discriminator"].parameters())[-1].fill_(
                9.0
            )  # all clips look real to it
        for _ in range(4):
            scalars = run.trainer.step()
        assert scalars
        assert "discriminator/diffaugment.p" in scalars
        assert run.game.parts.augments[0].p.item() == pytest.approx(0.1)
        run.batches.close()


@pytest.mark.parametrize("processes", range(1, 17))
def test_it_adapts_with_any_number_of_processes(processes: int) -> None:
    """Float buffers are averaged after each update, as `AllReduce.average` does it."""
    adaptive = AdaptiveAugment("x", REGISTRY.load("augment", "diffaugment")(), target=0.5, ramp=40)
    for _ in range(8):
        adaptive.observe(torch.tensor(0.9))
        for buffer in adaptive.buffers():
            if buffer.is_floating_point():
                mean = sum(torch.mul(buffer, 1 / processes) for _ in range(processes))
                buffer.copy_(torch.as_tensor(mean))
    assert adaptive.p.item() == pytest.approx(0.2)
