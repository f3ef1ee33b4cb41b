"""Terms against gradients taken by hand, in float64."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import REGISTRY, SMALL, components, small, two_player
from critics import PIXELS, SPEC, Quadratic, make
from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import (
    Discriminator,
    Fake,
    Field,
    Generator,
    StepContext,
    Tensors,
    Term,
    Verdict,
)
from vidgan_core.interfaces.game import PhaseBatch, WeightedTerm
from vidgan_core.plugins.registry import Provided, Registry
from vidgan_core.runs import checkpoint
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.run import Run


class Nothing(Generator):
    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        return {}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        raise NotImplementedError


def play() -> tuple[Quadratic, StepContext]:
    torch.manual_seed(1)
    discriminator = Quadratic()
    real, fake = torch.randn(2, 5, *SPEC.shape, dtype=torch.float64)
    verdicts = [discriminator(video, {}) for video in (real, fake)]
    return discriminator, StepContext(
        Nothing(SPEC), discriminator, {"video": real}, {}, {}, Fake(fake), *verdicts
    )


def assert_same(term: Term, move: StepContext, expected: Tensor) -> None:
    """Equal values, and equal gradients in the discriminator's weights."""
    weights = list(move.discriminator.parameters())
    torch.manual_seed(2)
    value = term(move)
    assert value is not None
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)
    mine, theirs = (torch.autograd.grad(v, weights, retain_graph=True) for v in (value, expected))
    torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["r1", "r2"])
def test_r1_and_r2_are_half_the_squared_gradient(name: str) -> None:
    discriminator, move = play()
    points = move.batch["video"] if name == "r1" else move.fake.video
    expected = sum((g.square().sum(1) / 2).mean() for g in discriminator.gradients(points))
    assert isinstance(expected, Tensor)
    assert_same(make(name), move, expected)


@pytest.mark.parametrize("name", ["wgan-gp", "dragan"])
def test_unit_gradient_penalties(name: str) -> None:
    discriminator, move = play()
    real, fake = move.batch["video"], move.fake.video
    torch.manual_seed(2)
    if name == "wgan-gp":
        share = torch.rand(5, 1, 1, 1, 1, dtype=torch.float64)
        points = share * real + (1 - share) * fake
    else:
        noise = 0.25 * real.std() * torch.rand_like(real)
        points = real + torch.rand(5, 1, 1, 1, 1, dtype=torch.float64) * noise
    expected = sum((g.norm(dim=1) - 1).square().mean() for g in discriminator.gradients(points))
    assert isinstance(expected, Tensor)
    options = {} if name == "wgan-gp" else {"scale": 0.25}
    assert_same(make(name, **options), move, expected)


def test_feature_matching_is_the_squared_distance_of_mean_features() -> None:
    discriminator, move = play()
    video = move.fake.video.requires_grad_()
    move = replace(move, fake_verdict=discriminator(video, {}))
    value = make("feature-matching")(move)
    assert value is not None
    apart = (move.batch["video"] - video.detach()).flatten(1).mean(0)
    of_w, of_v = apart * discriminator.w, apart @ discriminator.v
    expected = of_w.square().sum() / PIXELS + of_v.square().sum() / 2
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)
    (gradient,) = torch.autograd.grad(value, video)
    by_hand = -2 / 5 * (of_w * discriminator.w / PIXELS + discriminator.v @ of_v / 2)
    torch.testing.assert_close(gradient.flatten(1), by_hand.detach().expand(5, -1))


class Classes(Discriminator):
    """<w_y, x> for a clip x of class y, as one critic and, halved, as another of two patches."""

    takes = frozenset({"class"})

    def __init__(self, classes: int) -> None:
        super().__init__(replace(SPEC, condition=(Field("class", classes=classes),)))
        self.w = torch.nn.Parameter(torch.randn(classes, PIXELS, dtype=torch.float64) / PIXELS)

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        score = (self.w[condition["class"]] * video.flatten(1)).sum(1, keepdim=True)
        return Verdict((score, (score / 2).expand(-1, 2)))


def by_class(classes: int, labels: Tensor) -> StepContext:
    torch.manual_seed(1)
    discriminator, condition = Classes(classes), {"class": labels}
    real, fake = torch.randn(2, len(labels), *SPEC.shape, dtype=torch.float64)
    verdicts = [discriminator(video, condition) for video in (real, fake)]
    return StepContext(
        Nothing(discriminator.spec),
        discriminator,
        {"video": real, **condition},
        condition,
        {},
        Fake(fake),
        *verdicts,
    )


def test_matching_holds_real_clips_against_themselves_with_the_other_label() -> None:
    labels = torch.tensor([0, 1, 1, 0, 1])
    move = by_class(2, labels)
    assert isinstance(move.discriminator, Classes)
    scores = move.batch["video"].flatten(1) @ move.discriminator.w.T  # (B, 2)
    ahead = (scores[:, 0] - scores[:, 1]) * (1 - 2 * labels)
    expected = -(ahead.sigmoid().log().mean() + (ahead / 2).sigmoid().log().mean())
    assert_same(make("matching"), move, expected)


def test_matching_takes_all_other_classes_alike() -> None:
    move = by_class(4, torch.full((3000,), 2))
    asked: list[Tensor] = []
    move.discriminator.register_forward_pre_hook(lambda _, given: asked.append(given[1]["class"]))
    make("matching")(move)
    (labels,) = asked
    counts = labels.bincount(minlength=4)
    assert counts[2] == 0
    assert (counts[[0, 1, 3]] - 1000).abs().max() < 5 * (3000 * 2 / 9) ** 0.5  # of 5 deviations


def test_matching_needs_two_classes() -> None:
    with pytest.raises(UsageError, match="at least two classes"):
        make("matching")(by_class(1, torch.zeros(3, dtype=torch.long)))


def test_matching_needs_a_class_to_be_asked_for() -> None:
    with pytest.raises(UsageError, match=r"needs 'class' in the condition; --set 'condition="):
        Run(small("conv3d", "minimax", "term.matching.weight=1.0"), REGISTRY)


def test_a_generators_term_that_needs_it_is_given_the_real_verdict_when_it_is_due() -> None:
    class Looks(Term):
        player = "generator"
        needs_real = True

        def forward(self, play: StepContext) -> None:
            verdicts.append(play.real_verdict)

    verdicts: list[Verdict | None] = []
    judged: list[int] = []
    game = two_player(terms=[WeightedTerm("looks", Looks(), every=2)])
    game.parts.networks["discriminator"].register_forward_hook(lambda *_: judged.append(1))
    video = torch.rand(2, *SMALL.shape)
    for step in range(2):
        game.phases()[-1].objective(PhaseBatch({"video": video}, step, 0, 1))
    assert len(verdicts) == 1
    assert verdicts[0]
    assert not verdicts[0].scores[0].requires_grad
    assert len(judged) == 3  # real and fake, then fake alone


def test_lecam_pulls_towards_the_other_sides_average() -> None:
    _, move = play()
    term = make("lecam", decay=0.9).double()
    assert move.real_verdict
    real = torch.cat([s.flatten() for s in move.real_verdict.scores])
    fake = torch.cat([s.flatten() for s in move.fake_verdict.scores])
    of_real, of_fake = 0.1 * real.mean().item(), 0.1 * fake.mean().item()
    expected = ((real - of_fake) ** 2).mean() + ((fake - of_real) ** 2).mean()
    assert_same(term, move, expected)
    value = term(move)
    assert value is not None
    of_real, of_fake = 0.19 * real.mean().item(), 0.19 * fake.mean().item()
    expected = ((real - of_fake) ** 2).mean() + ((fake - of_real) ** 2).mean()
    torch.testing.assert_close(value, expected)


def test_singular_clip_is_the_clipped_decomposition() -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv3d(3, 8, 4), torch.nn.BatchNorm3d(8), torch.nn.Flatten(), torch.nn.Linear(8, 2)
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.5)
        network[1].running_var.copy_(torch.rand(8) + 0.1)
    before = [network[0].weight.clone(), network[3].weight.clone()]
    gain, deviation = network[1].weight.clone(), (network[1].running_var + 1e-5).sqrt()
    with torch.no_grad():
        make("singular-clip").after_update(network)
    for weight, was in zip([network[0].weight, network[3].weight], before, strict=True):
        u, s, v = torch.linalg.svd(was.flatten(1), full_matrices=False)
        assert s.max() > 1
        expected = (u * s.clamp_max(1)) @ v
        torch.testing.assert_close(weight.flatten(1), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(network[1].weight, gain.clamp(0.01 * deviation, deviation))


@pytest.mark.parametrize("architecture", REGISTRY.names("discriminator"))
@pytest.mark.parametrize("provided", components("term"))
def test_every_term_trains_with_every_discriminator(provided: Provided, architecture: str) -> None:
    name = provided.component.name
    settings, generator = [f"term.{name}.weight=0.1"], "vgan"  # which gives a mask
    if "condition.class" in REGISTRY.load("term", name).needs:
        if "class" not in REGISTRY.load("discriminator", architecture).takes:
            pytest.skip("judges no classes")
        settings, generator = [*settings, 'condition=["class"]'], "conv3d"
    elif "condition.clip" in REGISTRY.load("term", name).needs:
        generator = "recurrent"
    config = small(generator, "minimax", *settings, discriminator=architecture)
    run = Run(config, REGISTRY)
    for _ in range(2):
        assert run.trainer.step()


def pairs(generators: list[str], losses: list[str]) -> list[object]:
    """All pairs; by default one loss for each generator, in turn, the others among the slow."""
    return [
        pytest.param(generator, loss, marks=[] if at % len(losses) == turn else pytest.mark.slow)
        for at, generator in enumerate(generators)
        for turn, loss in enumerate(losses)
    ]


@pytest.mark.parametrize(
    ("generator", "loss"), pairs(REGISTRY.names("generator"), REGISTRY.names("loss"))
)
def test_every_generator_trains_with_every_loss_under_r1(generator: str, loss: str) -> None:
    run = Run(small(generator, loss, "term.r1.every=2", "data.batch=2"), REGISTRY)
    scalars = [run.trainer.step() for _ in range(3)]
    assert all(scalars)
    assert ["discriminator/r1" in (each or {}) for each in scalars] == [True, False, True]
    run.batches.close()


def test_a_terms_state_is_kept_over_a_resume() -> None:
    """The averages of `lecam` are part of a checkpoint."""
    config = small("conv3d", "minimax", "term.lecam.weight=0.1", "steps=1")
    run = Run(config, Registry.discover())
    run.begin(RunDir.create(Path("out"), "run"))
    assert run.fit()
    saved = checkpoint.newest(Path("out/checkpoints"))
    assert saved
    averages = run.game.parts.terms[0].term.state_dict()["averages"]
    assert averages.abs().min() > 0
    assert torch.equal(saved.train["term.lecam.averages"], averages)


def test_dragan_moves_each_clip_by_a_share_of_its_noise() -> None:
    """As in the authors' code: x + alpha * 0.5 * std(x) * u, with one alpha a clip."""
    real = torch.rand(64, 1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    play = SimpleNamespace(batch={"video": real})
    term = REGISTRY.load("term", "dragan")()
    shares = (term.points(play) - real).flatten(1) / (0.5 * real.std())  # alpha * u
    alphas = 2 * shares.mean(1)
    assert shares.min() >= 0
    assert alphas.mean() == pytest.approx(0.5, abs=0.1)
    assert alphas.std() == pytest.approx(12**-0.5, abs=0.08)
