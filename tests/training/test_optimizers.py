"""Each player's optimizer: its table, its groups of parameters, its rate at every step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from conftest import REGISTRY, small
from torch import Tensor, nn
from torch.optim import RMSprop

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Network, StepContext, Term
from vidgan_core.testing.small_run import make_run, stand_in
from vidgan_core.training.optimizers import build_optimizer, learning_rate, set_rates
from vidgan_core.training.run import Run

pytestmark = pytest.mark.usefixtures("one_thread")


class TwoGroups(Network):
    """A layer that learns at the rate, and one at half of it, without weight decay."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.body, self.head = nn.Linear(3, 3), nn.Linear(3, 1)

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        return [
            {"params": list(self.body.parameters())},
            {"params": list(self.head.parameters()), "lr_scale": 0.5, "weight_decay": 0.0},
        ]


def test_groups_have_options_of_their_own_and_a_share_of_the_rate() -> None:
    config = small("conv3d", "minimax", "optimizer.name=sgd", "optimizer.lr=0.1", "steps=10",
                   "optimizer.weight_decay=0.5", "trainer.schedule=linear", "trainer.warmup=2",
                   )  # fmt: skip
    network = TwoGroups()
    optimizer = build_optimizer("generator", network, config, REGISTRY)
    rate = learning_rate(config, "generator")
    for step, expected in ((0, 0.05), (1, 0.09), (5, 0.05), (9, 0.01)):
        set_rates({"generator": optimizer}, {"generator": rate}, step)
        assert rate(step) == pytest.approx(expected)
        assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([expected, expected / 2])
    before = [p.detach().clone() for p in network.parameters()]
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    decay, now = 0.5, 0.01
    wanted = [p - now * (1 + decay * p) for p in before[:2]] + [p - now / 2 for p in before[2:]]
    torch.testing.assert_close(list(network.parameters()), wanted)


def test_a_players_table_stands_over_that_of_all() -> None:
    config = small(
        *("conv3d", "minimax", "optimizer.lr=0.1", "optimizer.betas=[0.1, 0.2]"),
        *("discriminator.optimizer.lr=0.4", "generator.optimizer.name=rmsprop"),
        "generator.optimizer.alpha=0.7",
    )
    assert config.optimizer_of("discriminator").options["betas"] == [0.1, 0.2]
    assert config.optimizer_of("discriminator").lr == 0.4
    own = config.optimizer_of("generator")
    assert (own.name, own.lr, own.options) == ("rmsprop", 0.1, {"alpha": 0.7})
    run = Run(config, REGISTRY)
    assert isinstance(run.trainer.optimizers["generator"], RMSprop)
    assert run.trainer.optimizers["generator"].param_groups[0]["alpha"] == 0.7
    assert run.trainer.optimizers["discriminator"].param_groups[0]["betas"] == (0.1, 0.2)
    run.trainer.step()
    assert run.trainer.optimizers["discriminator"].param_groups[0]["lr"] == 0.4
    run.batches.close()


def changes(*settings: str) -> dict[str, Tensor]:
    """How much a step of SGD changes each weight of the generator."""
    sgd = ("optimizer.name=sgd", "optimizer.lr=1.0", "term={}", "data.name=shapes")
    run = Run(small("mlp", "minimax", *sgd, "game.reuse_fakes=false", *settings), REGISTRY)
    for group in run.trainer.optimizers["discriminator"].param_groups:
        group["lr"] = 0.0  # the generator's gradient is that of the critic as it was
    before = {n: p.detach().clone() for n, p in run.networks["generator"].named_parameters()}
    assert run.trainer.step()
    run.batches.close()
    after = run.networks["generator"].named_parameters()
    return {name: p.detach() - before[name] for name, p in after}


def test_the_weight_multiplies_the_adversarial_loss() -> None:
    once, thrice = changes(), changes("loss.weight=3")
    assert any(change.any() for change in once.values())
    for name, change in once.items():
        torch.testing.assert_close(thrice[name], 3 * change, rtol=1e-3, atol=1e-6)


class Dark(Term):
    player, reads_critic = "generator", False

    def forward(self, play: StepContext) -> Tensor:
        return (play.fake.video + 1).square().mean()


class Counting(Term):
    """Counts how often it is asked; reads the critic."""

    player = "generator"
    calls = 0

    def forward(self, play: StepContext) -> None:
        assert play.fake_verdict.scores
        self.calls += 1


@pytest.mark.parametrize("start", [0, 1, 3])
@pytest.mark.parametrize("d_steps", [1, 2])
def test_critics_are_not_run_before_the_start(start: int, d_steps: int) -> None:
    settings = (f"loss.start={start}", f"game.d_steps={d_steps}", "term={Dark={}, Counting={}}")
    terms = [stand_in("term", Dark), stand_in("term", Counting)]
    run = make_run(terms, settings, {"width": 2})
    reader = run.game.parts.terms[1].term
    assert isinstance(reader, Counting)
    calls: list[int] = []
    critic = run.networks["discriminator"]
    critic.register_forward_hook(lambda *_: calls.append(run.step))
    weights = next(critic.parameters())
    before, scalars = weights.detach().clone(), []
    for step in range(4):
        assert torch.equal(weights, before) == (step <= start)
        scalars.append(run.trainer.step())
    run.batches.close()
    # Real and generated clips in each of its own phases, generated ones in the generator's.
    assert calls == [step for step in range(start, 4) for _ in range(2 * d_steps + 1)]
    assert reader.calls == 4 - start
    for step, found in enumerate(scalars):
        assert ("discriminator/loss" in found) == (step >= start)
        assert ("generator/adversarial" in found) == (step >= start)
        assert "generator/Dark" in found


def test_nothing_to_minimise_before_the_start_is_reported() -> None:
    run = Run(small("mlp", "minimax", "loss.start=2", "term={}", "data.name=shapes"), REGISTRY)
    with pytest.raises(UsageError, match=r"generator: nothing to minimise at step 0; loss.start"):
        run.trainer.step()
    run.batches.close()
