"""A batch that comes in parts, one after another, against the whole of it at once."""

from __future__ import annotations

import pytest
import torch
from conftest import REGISTRY, small

from vidgan_core.errors import UsageError
from vidgan_core.interfaces.game import Phase, PhaseBatch
from vidgan_core.training.run import Run
from vidgan_core.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")
TERMS = ("term={}", "term.r1.weight=0.5", "term.r2.every=2", "term.weight-clip.limit=0.05")


def trained(generator: str, accumulate: int, *settings: str, steps: int = 3) -> Run:
    parts = (f"trainer.accumulate={accumulate}", "trainer.precision=fp64", "optimizer.lr=1e-3")
    run = Run(small(generator, "hinge", *parts, *TERMS, *settings), REGISTRY)
    run.logged = [run.trainer.step() for _ in range(steps)]  # type: ignore[attr-defined]
    return run


@pytest.mark.parametrize(
    ("generator", "settings", "accumulate"),
    [
        ("mlp", (), 4),
        ("modern", ("discriminator.group=2",), 2),
        ("modern", ("discriminator.group=1", "game.reuse_fakes=false"), 4),
        ("modern", ("discriminator.group=2", "game.d_steps=2"), 2),
    ],
    ids=["mlp", "reuse", "new fakes", "d_steps=2"],
)
def test_parts_are_the_whole_where_there_is_no_batchnorm(
    generator: str, settings: tuple[str, ...], accumulate: int
) -> None:
    """Weights after some steps, with terms, lazy ones and ones that change the network."""
    whole, parts = trained(generator, 1, *settings), trained(generator, accumulate, *settings)
    for name in ("generator", "discriminator"):
        expected = whole.trainer.networks[name].state_dict()
        for key, tensor in parts.trainer.networks[name].state_dict().items():
            # Adam makes steps of 1e-3 of gradients near zero, rounding among them.
            torch.testing.assert_close(tensor, expected[key], rtol=1e-8, atol=1e-10)
    for one, other in zip(whole.logged, parts.logged, strict=True):  # type: ignore[attr-defined]
        assert one.keys() == other.keys()
        for key in set(one) - {"generator/spread"}:  # which is of the clips of a part
            torch.testing.assert_close(one[key], other[key], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("generator", REGISTRY.names("generator"))
def test_every_generator_trains_in_parts(generator: str) -> None:
    """With BatchNorm as well, each part of which is normalised by itself."""
    run = Run(small(generator, "minimax", "trainer.accumulate=2"), REGISTRY)
    before = [p.clone() for p in run.networks["generator"].parameters()]
    assert all(run.trainer.step() for _ in range(3))  # some layers start at zero
    after = run.networks["generator"].parameters()
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_parts_that_can_not_be_equal_are_refused() -> None:
    with pytest.raises(UsageError, match="4 clips can't be shared out evenly to 3 parts; try a mu"):
        Run(small("mlp", "minimax", "trainer.accumulate=3"), REGISTRY)


def test_each_part_has_draws_and_rows_of_its_own() -> None:
    """What networks draw differs from part to part; what is drawn for the batch is cut up."""
    weight = torch.nn.Linear(1, 1)
    turns: list[PhaseBatch] = []
    draws: list[float] = []

    def objective(turn: PhaseBatch) -> dict[str, torch.Tensor]:
        turns.append(turn)
        draws.append(torch.rand(()).item())
        return {"loss": weight.weight.sum()}

    phase = Phase("player", weight, objective, lambda _: None)
    batch = {"video": torch.arange(6)}
    optimizer = torch.optim.SGD(weight.parameters(), 0.0)
    Trainer([phase], {"player": optimizer}, lambda _: batch, seed=0, accumulate=3).step()
    assert [turn.batch["video"].tolist() for turn in turns] == [[0, 1], [2, 3], [4, 5]]
    assert [turn.own(torch.arange(6)).tolist() for turn in turns] == [[0, 1], [2, 3], [4, 5]]
    assert len(set(draws)) == 3
    noise = [torch.rand(2, generator=turn.rng("noise")) for turn in turns]
    assert torch.equal(noise[0], noise[2])
