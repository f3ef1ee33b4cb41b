"""The conformance suites find what they are there to find, and nothing else.

Each wrong component breaks one property: exactly the check of that property must fail.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
import pytest
import torch
from annotated_types import Ge, doc
from torch import Tensor, nn
from torch.nn.functional import softplus
from wrong_networks import DISCRIMINATORS, GENERATORS, RightDiscriminator, RightGenerator

from vidgan_core.component import Component
from vidgan_core.interfaces import Dataset, DataSpec, Field, Loss, Play, Split, Term
from vidgan_core.testing import (
    DatasetSuite,
    DiscriminatorSuite,
    GeneratorSuite,
    LossSuite,
    Subject,
    Suite,
    TermSuite,
)

Clips = Annotated[int, Ge(1), doc("how many clips there are")]


class RightLoss(Loss):
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real).mean() + softplus(fake).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return softplus(-fake).mean()


class Unreduced(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return softplus(-fake)


class Summed(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return softplus(-fake).sum()


class ByClip(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return (
            softplus(-fake).mean(0).sum() * 2 / fake[0].numel()
            if fake.dim() == 2
            else (softplus(-fake).mean(0).sum())
        )


class Overflowing(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -torch.sigmoid(fake).log().mean()


class Backwards(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -super().generator(real, fake)


class Curious(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        assert real is not None
        return super().generator(real, fake)


class Drawing(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        torch.rand(1)
        return super().generator(real, fake)


class Remembering(RightLoss):
    def __init__(self) -> None:
        self.calls = 0

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        self.calls += 1
        return super().generator(real, fake) * self.calls


class Muddled(RightLoss):
    def output(self, scores: Tensor) -> Tensor:
        return -scores


class Doubled(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return super().generator(real, fake) * 2


class Unexplained(RightLoss):
    def __init__(self, *, strength: float = 1.0) -> None:
        self.strength = strength


LOSSES = {
    Unreduced: "scalar",
    Summed: "mean",
    ByClip: "any_shape",
    Overflowing: "finite",
    Backwards: "direction",
    Curious: "needs_real",
    Drawing: "no_side_effects",
    Remembering: "no_side_effects",
    Muddled: "output",
    Doubled: "closed_form",
    Unexplained: "options",
}


class Losses(LossSuite):
    def closed_form(self, name: str, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor] | None:
        if name not in ("RightLoss", "Doubled"):
            return None
        return (
            -torch.sigmoid(real).log().mean() - (1 - torch.sigmoid(fake)).log().mean(),
            -torch.sigmoid(fake).log().mean(),
        )


class RightTerm(Term):
    player = "discriminator"

    def forward(self, play: Play) -> Tensor | None:
        return play.discriminator(play.batch["video"], {}).scores[0].mean()


class NobodysTerm(RightTerm):
    player = "critic"  # type: ignore[assignment]

    def forward(self, play: Play) -> Tensor | None:
        return play.generator(play.noise, {}).video.mean()


class Needy(RightTerm):
    needs = frozenset({"mask"})


class Vector(RightTerm):
    def forward(self, play: Play) -> Tensor | None:
        return play.discriminator(play.batch["video"], {}).scores[0]


class Detached(RightTerm):
    def forward(self, play: Play) -> Tensor | None:
        return super().forward(play).detach()  # type: ignore[union-attr]


class Switching(RightTerm):
    def forward(self, play: Play) -> Tensor | None:
        play.discriminator.eval()
        return super().forward(play)


class Destroying(RightTerm):
    def after_update(self, network: nn.Module) -> None:
        for parameter in network.parameters():
            parameter.div_(0)


class TwiceTheTerm(RightTerm):
    def forward(self, play: Play) -> Tensor | None:
        return super().forward(play) * 2  # type: ignore[operator]


TERMS = {
    NobodysTerm: "player",
    Needy: "needs",
    Vector: "scalar",
    Detached: "gradient",
    Switching: "no_side_effects",
    Destroying: "after_update",
    TwiceTheTerm: "by_hand",
}


class Terms(TermSuite):
    def by_hand(self, name: str, play: Play) -> Tensor | None:
        layer = play.discriminator.layer
        colours = play.batch["video"].mean((3, 4)).flatten(1)
        by_hand = (colours @ layer.weight.T + layer.bias).square().mean()
        return by_hand if name in ("RightTerm", "TwiceTheTerm") else None


class RightDataset(Dataset):
    fields = (Field("class", classes=4),)

    def __init__(self, spec: DataSpec, split: Split, *, clips: Clips = 20) -> None:
        super().__init__(spec, split)
        self.clips = clips

    @property
    def fingerprint(self) -> str:
        return repr((self.spec, self.split, self.clips))

    def __len__(self) -> int:
        return self.clips

    def item(self, index: int) -> Mapping[str, Any]:
        rng = np.random.default_rng(index)
        return {
            "video": rng.integers(256, size=self.spec.shape, dtype=np.uint8),
            "class": np.int64(index % 4),
        }


class Empty(RightDataset):
    def __len__(self) -> int:
        return self.clips if self.split == "train" else 0


class Floating(RightDataset):
    def item(self, index: int) -> Mapping[str, Any]:
        return {
            n: v.astype(np.float32) if n == "video" else v for n, v in super().item(index).items()
        }


class TimeFirst(RightDataset):
    def item(self, index: int) -> Mapping[str, Any]:
        item = super().item(index)
        return {**item, "video": item["video"].transpose(1, 0, 2, 3)}


class OneClassTooMany(RightDataset):
    def item(self, index: int) -> Mapping[str, Any]:
        return {**super().item(index), "class": np.int64(index % 5)}


class Unlabelled(RightDataset):
    def item(self, index: int) -> Mapping[str, Any]:
        return {"video": super().item(index)["video"]}


class Chancy(RightDataset):
    """Another clip in each instance, the same within one."""

    made = 0

    def __init__(self, spec: DataSpec, split: Split, *, clips: Clips = 20) -> None:
        super().__init__(spec, split, clips=clips)
        type(self).made += 1
        self.salt = self.made

    def item(self, index: int) -> Mapping[str, Any]:
        return super().item(1000 * self.salt + index) | {"class": np.int64(0)}


class Buffered(RightDataset):
    """One array for all items: what was handed out changes with the next one."""

    def item(self, index: int) -> Mapping[str, Any]:
        item = super().item(index)
        self.buffer = getattr(self, "buffer", np.empty(self.spec.shape, np.uint8))
        self.buffer[...] = item["video"]
        return {**item, "video": self.buffer}


class SplitBlind(RightDataset):
    @property
    def fingerprint(self) -> str:
        return repr((self.spec, self.clips))


DATASETS = {
    Empty: "length",
    Floating: "items",
    TimeFirst: "items",
    OneClassTooMany: "fields",
    Unlabelled: "fields",
    Chancy: "determinism",
    Buffered: "workers",
    SplitBlind: "fingerprint",
}

CASES: list[tuple[Suite, type, str | None]] = [
    (GeneratorSuite(), RightGenerator, None),
    (DiscriminatorSuite(), RightDiscriminator, None),
    (Losses(), RightLoss, None),
    (Terms(), RightTerm, None),
    (DatasetSuite(), RightDataset, None),
    *((GeneratorSuite(), wrong, check) for wrong, check in GENERATORS.items()),
    *((DiscriminatorSuite(), wrong, check) for wrong, check in DISCRIMINATORS.items()),
    *((Losses(), wrong, check) for wrong, check in LOSSES.items()),
    *((Terms(), wrong, check) for wrong, check in TERMS.items()),
    *((DatasetSuite(), wrong, check) for wrong, check in DATASETS.items()),
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small spend most of their time on threads that wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def checks(suite: Suite) -> list[str]:
    """The names of a suite's checks."""
    return [n.removeprefix("test_") for n, _ in inspect.getmembers(suite) if n.startswith("test_")]


def failing(suite: Suite, component: type) -> list[str]:
    """The checks that a component does not pass."""
    record = Component(suite.kind, component.__name__, "nowhere:Nothing", "")
    subject = Subject(record, lambda: component)
    failed = []
    for check in checks(suite):
        try:
            getattr(suite, f"test_{check}")(subject)
        except pytest.skip.Exception:
            continue
        except Exception:
            failed.append(check)
    return failed


@pytest.mark.parametrize(
    ("suite", "component", "check"), CASES, ids=[component.__name__ for _, component, _ in CASES]
)
def test_exactly_the_check_of_the_broken_property_fails(
    suite: Suite, component: type, check: str | None
) -> None:
    assert failing(suite, component) == ([check] if check else [])


@pytest.mark.parametrize(
    "suite",
    [GeneratorSuite(), DiscriminatorSuite(), Losses(), Terms(), DatasetSuite()],
    ids=lambda suite: suite.kind,
)
def test_every_check_is_tested(suite: Suite) -> None:
    covered = {check for tried, _, check in CASES if tried.kind == suite.kind}
    general = {"options", "usual"}  # covered with the losses, and below
    assert covered - general == set(checks(suite)) - general - {None} | {None}


def test_a_record_that_recommends_what_is_not_there() -> None:
    for usual in ({"disc": "none"}, {"loss": "none"}, {"terms": {"none": {}}}, {"discc": "mlp"}):
        record = Component("loss", "wrong", "nowhere:Nothing", "", usual)
        with pytest.raises(AssertionError):
            LossSuite().test_usual(Subject(record, lambda: RightLoss))
