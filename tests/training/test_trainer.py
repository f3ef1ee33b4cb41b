"""The engine against loops written out by hand, and what it does with non-finite numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from conftest import REGISTRY, needs_bf16, small, two_player
from torch import Tensor, nn
from torch.nn.functional import relu, softplus
from torch.optim import Optimizer
from vidgan_cpu.convolution import tune_convolutions

from vidgan_core.config.schema import RunConfig
from vidgan_core.device import BF16, FP32, choose_precision
from vidgan_core.errors import UsageError, VidganError
from vidgan_core.interfaces import StepContext, Tensors, Term
from vidgan_core.interfaces.game import WeightedTerm
from vidgan_core.rng import key, keyed
from vidgan_core.training.parts import build_game
from vidgan_core.training.run import Run
from vidgan_core.training.trainer import Trainer


def real_clips(run: Run, position: int) -> Tensor:
    """The clips of a batch, read from the data set and scaled here."""
    dataset = run.batches.dataset
    clips = np.stack([dataset.item(i)["video"] for i in run.batches.indices(position)])
    return torch.from_numpy(clips)


class HandAdam:
    """Kingma & Ba 2015, algorithm 1."""

    def __init__(self, parameters: list[Tensor]) -> None:
        self.parameters = parameters
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
        self.t = 0

    def step(self, gradients: tuple[Tensor, ...]) -> None:
        self.t += 1
        with torch.no_grad():
            for p, g, (m, v) in zip(self.parameters, gradients, self.moments, strict=True):
                m.copy_(0.5 * m + 0.5 * g)
                v.copy_(0.999 * v + 0.001 * g * g)
                unbiased_m, unbiased_v = m / (1 - 0.5**self.t), v / (1 - 0.999**self.t)
                p.sub_(2e-4 * unbiased_m / (unbiased_v.sqrt() + 1e-8))


def test_mlp_with_minimax_agrees_with_an_independent_loop() -> None:
    """20 steps in float64: own networks, own Adam, losses with log on sigmoid outputs."""
    config = small(
        "mlp",
        "minimax",
        "trainer.precision=fp64",
        "game.reuse_fakes=false",
        "seed=5",
        "data.frames=4",
        "data.size=12",
    )
    run = Run(config, REGISTRY)
    pixels = 3 * 4 * 12 * 12
    generator = nn.Sequential(
        nn.Linear(100, 256),
        nn.ReLU(),
        nn.Linear(256, 512),
        nn.ReLU(),
        nn.Linear(512, 1024),
        nn.ReLU(),
        nn.Linear(1024, pixels),
        nn.Tanh(),
    ).double()
    discriminator = nn.Sequential(
        nn.Linear(pixels, 512),
        nn.LeakyReLU(0.2),
        nn.Linear(512, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 1),
        nn.Sigmoid(),
    ).double()
    ours = [
        list(run.networks["generator"].parameters()),
        list(run.networks["discriminator"].parameters()),
    ]
    theirs = [list(generator.parameters()), list(discriminator.parameters())]
    with torch.no_grad():
        for mine, other in zip(sum(ours, []), sum(theirs, []), strict=True):
            other.copy_(mine)
    start = [p.detach().clone() for p in sum(theirs, [])]
    adams = [HandAdam(parameters) for parameters in theirs]

    for step in range(20):
        x = real_clips(run, step).flatten(1).double() / 127.5 - 1
        z = torch.randn(4, 100, generator=keyed(5, step, 0, "noise")).double()
        fake = generator(z).detach()
        value = discriminator(x).log().mean() + (1 - discriminator(fake)).log().mean()
        adams[1].step(torch.autograd.grad(-value, theirs[1]))
        z = torch.randn(4, 100, generator=keyed(5, step, 1, "noise")).double()
        objective = discriminator(generator(z)).log().mean()
        adams[0].step(torch.autograd.grad(-objective, theirs[0]))
        run.trainer.step()

    for mine, other, first in zip(sum(ours, []), sum(theirs, []), start, strict=True):
        assert not torch.equal(mine, first)
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-12)


D_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "minimax": lambda r, f: softplus(-r).mean() + softplus(f).mean(),
    "saturating": lambda r, f: softplus(-r).mean() + softplus(f).mean(),
    "lsgan": lambda r, f: 0.5 * (r - 1).square().mean() + 0.5 * f.square().mean(),
    "hinge": lambda r, f: relu(1 - r).mean() + relu(1 + f).mean(),
    "wasserstein": lambda r, f: f.mean() - r.mean(),
}
G_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "minimax": lambda f: softplus(-f).mean(),
    "saturating": lambda f: -softplus(f).mean(),
    "lsgan": lambda f: 0.5 * (f - 1).square().mean(),
    "hinge": lambda f: -f.mean(),
    "wasserstein": lambda f: -f.mean(),
}


def bare_loop(config: RunConfig, run: Run, loss: str, steps: int) -> tuple[nn.Module, nn.Module]:
    """Train fresh copies of the run's networks with as little code as that takes."""
    g, d = build_game(config, REGISTRY, run.spec).parts.networks.values()
    for network in (g, d):
        tune_convolutions(network)
    g_adam, d_adam = (
        torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999), fused=True) for n in (g, d)
    )
    position = 0
    for step in range(steps):
        for update in range(config.game.options["d_steps"]):
            x = real_clips(run, position).float() / 127.5 - 1
            position += 1
            torch.manual_seed(key(config.seed, step, update, "network"))
            fake = g(g.noise(len(x), keyed(config.seed, step, update, "noise")), {}).video
            reals, fakes = d(x, {}).scores, d(fake.detach(), {}).scores
            d_adam.zero_grad()
            sum(D_LOSSES[loss](r, f) for r, f in zip(reals, fakes, strict=True)).backward()
            d_adam.step()
            if loss == "wasserstein":
                for p in d.parameters():
                    p.data.clamp_(-0.01, 0.01)
        index = config.game.options["d_steps"]
        torch.manual_seed(key(config.seed, step, index, "network"))
        if not config.game.options["reuse_fakes"]:
            fake = g(g.noise(len(x), keyed(config.seed, step, index, "noise")), {}).video
        g_adam.zero_grad()
        sum(G_LOSSES[loss](f) for f in d(fake, {}).scores).backward()
        g_adam.step()
    return g, d


@pytest.mark.parametrize(
    "settings", [(), ("game.d_steps=2", "game.reuse_fakes=false")], ids=["reuse", "d_steps=2"]
)
@pytest.mark.parametrize("loss", D_LOSSES)
@pytest.mark.parametrize("architecture", ["conv3d", "twostream"])
def test_the_trainer_is_the_bare_loop_bit_for_bit(
    architecture: str, loss: str, settings: tuple[str, ...]
) -> None:
    name, _, form = (
        ("minimax", "", "loss.saturating=true") if loss == "saturating" else (loss, "", "")
    )
    config = small(architecture, name, *settings, *filter(None, [form]))
    run = Run(config, REGISTRY)
    for _ in range(3):
        run.trainer.step()
    for mine, bare in zip(
        (run.networks["generator"], run.networks["discriminator"]),
        bare_loop(config, run, loss, 3),
        strict=True,
    ):
        expected = bare.state_dict()
        for tensor_name, tensor in mine.state_dict().items():
            assert torch.equal(tensor, expected[tensor_name]), tensor_name


def test_bf16_needs_a_processor_that_multiplies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    able = partial(choose_precision, corrected=True)
    assert able("auto", cpu) == able("bf16", cpu) == BF16
    assert choose_precision("auto", cpu, corrected=False) == FP32
    with pytest.raises(UsageError, match="torch gets some gradients wrong in bf16; --precision"):
        choose_precision("bf16", cpu, corrected=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    assert able("auto", cpu) == FP32
    with pytest.raises(UsageError, match="no bf16 instructions; --precision fp32"):
        able("bf16", cpu)


@needs_bf16
@pytest.mark.parametrize("architecture", REGISTRY.names("generator"))
def test_bf16_trains_with_weights_and_losses_in_fp32(architecture: str) -> None:
    """The step follows the fp32 one to bf16's precision, and is not the same."""
    losses = {}
    for precision in ("fp32", "bf16"):
        config = small(architecture, "minimax", f"trainer.precision={precision}", "term={}")
        run = Run(config, REGISTRY)
        scalars = run.trainer.step()
        assert scalars
        losses[precision] = scalars["discriminator/loss"]
        assert scalars["discriminator/loss"].dtype == torch.float32
        assert {p.dtype for p in run.networks["generator"].parameters()} == {torch.float32}
    torch.testing.assert_close(losses["bf16"], losses["fp32"], rtol=0.03, atol=0.03)
    assert losses["bf16"] != losses["fp32"]


def first_gradient(run: Run) -> Tensor:
    """What the first update, the discriminator's, is given, in one row."""
    found: list[Tensor] = []

    def keep(optimizer: Optimizer, *_: object) -> None:
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        found.append(torch.cat([p.grad.flatten() for p in weights if p.grad is not None]))

    run.trainer.optimizers["discriminator"].register_step_pre_hook(keep)
    assert run.trainer.step()
    return found[0]


@needs_bf16
@pytest.mark.parametrize("architecture", REGISTRY.names("generator"))
def test_a_gradient_in_bf16_is_close_to_the_one_in_fp32(architecture: str) -> None:
    """On clips so small that kernels have more taps than there are pixels."""
    exact, rounded = (
        first_gradient(
            Run(small(architecture, "minimax", f"trainer.precision={precision}"), REGISTRY)
        )
        for precision in ("fp32", "bf16")
    )
    assert torch.cosine_similarity(rounded, exact, dim=0) > 0.98
    assert rounded.norm() == pytest.approx(exact.norm().item(), rel=0.1)


class Poison(Term):
    """A term of the discriminator's or generator's that is not finite on chosen calls."""

    def __init__(self, player: str, calls: set[int], value: float = float("nan")) -> None:
        super().__init__()
        self.player = player  # type: ignore[misc,assignment]
        self.calls, self.value, self.count = calls, value, 0

    def forward(self, play: StepContext) -> Tensor:
        self.count += 1
        bad = self.value if self.count - 1 in self.calls else 0.0
        return play.fake_verdict.scores[0].mean() * bad


def trainer_with(terms: list[Term], **options: int) -> tuple[Trainer, nn.Module, nn.Module]:
    weighted = [WeightedTerm(f"term{i}", term) for i, term in enumerate(terms)]
    game = two_player(terms=weighted)
    phases = game.phases()
    adams = {p.player: torch.optim.Adam(p.network.parameters(), 2e-4) for p in phases}

    def batches(position: int) -> Tensors:
        return {"video": torch.rand(4, 3, 8, 32, 32, generator=keyed(position)) * 2 - 1}

    trainer = Trainer(phases, adams, batches, seed=0, **options)
    generator, discriminator = game.parts.networks.values()
    return trainer, generator, discriminator


def moments(trainer: Trainer) -> list[Tensor]:
    states = [s for adam in trainer.optimizers.values() for s in adam.state.values()]
    return [tensor.clone() for state in states for tensor in state.values()]


def snapshot(*networks: nn.Module) -> list[Tensor]:
    return [t.clone() for network in networks for t in network.state_dict().values()]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("good", [0, 1, 2], ids=lambda good: f"after-{good}")
def test_a_step_that_is_not_finite_is_skipped_counted_and_leaves_no_trace(
    player: str, value: float, good: int
) -> None:
    """Weights, buffers and moments of both networks are what they were before it."""
    trainer, generator, discriminator = trainer_with([Poison(player, {good}, value)])
    for _ in range(good):
        assert trainer.step() is not None
    before = [*snapshot(generator, discriminator), *moments(trainer)]
    assert trainer.step() is None
    assert trainer.skipped == 1
    after = [*snapshot(generator, discriminator), *moments(trainer)]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert trainer.step() is not None
    assert trainer.steps_done == good + 2
    assert not torch.equal(before[0], snapshot(generator)[0])


def test_too_many_skipped_steps_in_a_row_end_the_run() -> None:
    trainer, *_ = trainer_with([Poison("discriminator", set(range(9)))], max_skipped=3)
    trainer.step()
    trainer.step()
    with pytest.raises(VidganError, match=r"3 steps in a row could not update the discr"):
        trainer.step()


class Record(Term):
    """Notes what it is given; contributes the mean fake score."""

    player = "discriminator"

    def __init__(self) -> None:
        super().__init__()
        self.plays: list[StepContext] = []
        self.updated: list[nn.Module] = []

    def forward(self, play: StepContext) -> Tensor:
        self.plays.append(play)
        return play.fake_verdict.scores[0].mean()

    def after_update(self, network: nn.Module) -> None:
        self.updated.append(network)


def test_a_lazy_term_acts_every_kth_step_k_times_as_strong() -> None:
    term = Record()
    game = two_player(terms=[WeightedTerm("t", term, 0.5, 3)])
    phases = game.phases()
    adams = {p.player: torch.optim.SGD(p.network.parameters(), 0.0) for p in phases}
    video = torch.rand(4, 3, 8, 32, 32)
    trainer = Trainer(phases, adams, lambda _: {"video": video}, seed=0)
    results = [trainer.step() for _ in range(4)]
    assert all(results)
    assert ["discriminator/t" in (r or {}) for r in results] == [True, False, False, True]
    assert len(term.plays) == len(term.updated) == 2
    assert term.updated[0] is game.parts.networks["discriminator"]
    first = results[0] or {}
    expected = first["discriminator/adversarial"] + 0.5 * 3 * first["discriminator/t"]
    torch.testing.assert_close(first["discriminator/loss"], expected)
    assert term.plays[0].fake.video.requires_grad is False
    assert term.plays[0].real_verdict is not None


def test_a_term_that_needs_what_no_network_gives_is_refused_by_name() -> None:
    class Masked(Term):
        player = "generator"
        needs = frozenset({"generator.mask"})

    with pytest.raises(UsageError, match="'sparse' needs 'mask' from the generator"):
        two_player(terms=[WeightedTerm("sparse", Masked())])


def test_weight_clip_bounds_every_weight_of_the_critic() -> None:
    config = small("conv3d", "wasserstein", "term.weight-clip.limit=0.005")
    run = Run(config, REGISTRY)
    for _ in range(2):
        run.trainer.step()
    largest = max(p.abs().max().item() for p in run.networks["discriminator"].parameters())
    assert largest == pytest.approx(0.005)
    assert max(p.abs().max() for p in run.networks["generator"].parameters()) > 0.005


def test_only_the_phases_own_network_is_updated_and_flags_are_put_back() -> None:
    trainer, generator, discriminator = trainer_with([])
    frozen = next(generator.parameters())
    frozen.requires_grad_(False)
    before = frozen.clone()
    assert trainer.step()
    assert torch.equal(frozen, before)
    assert frozen.requires_grad is False
    assert all(p.requires_grad for p in discriminator.parameters())
    assert all(p.grad is None for n in (generator, discriminator) for p in n.parameters())
