"""The conformance suites find what they are there to find, and nothing else.

Each wrong component breaks one property: exactly the check of that property must fail.
"""

from __future__ import annotations

import pytest
from conftest import needs_bf16
from suite_checks import checks, failing
from wrong.augments import AUGMENTS, RightAugment
from wrong.callbacks import CALLBACKS, RightCallback
from wrong.datasets import DATASETS, RightDataset
from wrong.discriminators import ALSO_RIGHT, DISCRIMINATORS, Empty, RightDiscriminator
from wrong.features import FEATURES, RightFeatures
from wrong.games import GAMES, RightGame
from wrong.generators import GENERATORS, RightGenerator
from wrong.losses import LOSSES, DualContrastive, Losses, RightLoss
from wrong.metrics import METRICS, RightMetric
from wrong.optimizers import OPTIMIZERS, RightOptimizer
from wrong.task_with_torch import WithTorch
from wrong.tasks import TASKS, RightTask
from wrong.terms import TERMS, RightTerm, Terms

from vidgan_core.plugins.component import Component
from vidgan_core.plugins.kinds import KINDS
from vidgan_core.testing import (
    AugmentSuite,
    CallbackSuite,
    DatasetSuite,
    DiscriminatorSuite,
    FeaturesSuite,
    GameSuite,
    GeneratorSuite,
    LossSuite,
    MetricSuite,
    OptimizerSuite,
    Subject,
    Suite,
    TaskSuite,
)

pytestmark = pytest.mark.usefixtures("one_thread")

# A suite of each kind, the component that is right, and the wrong ones with the check they fail.
SUITES: list[tuple[Suite, type, dict[type, str]]] = [
    (GeneratorSuite(), RightGenerator, GENERATORS),
    (DiscriminatorSuite(), RightDiscriminator, DISCRIMINATORS),
    (Losses(), RightLoss, LOSSES),
    (Terms(), RightTerm, TERMS),
    (AugmentSuite(), RightAugment, AUGMENTS),
    (GameSuite(), RightGame, GAMES),
    (OptimizerSuite(), RightOptimizer, OPTIMIZERS),
    (DatasetSuite(), RightDataset, DATASETS),
    (TaskSuite(), RightTask, {WithTorch: "without_torch", **TASKS}),
    (FeaturesSuite(), RightFeatures, FEATURES),
    (MetricSuite(), RightMetric, METRICS),
    (CallbackSuite(), RightCallback, CALLBACKS),
]
CASES: list[tuple[Suite, type, str | None]] = [
    (suite, component, check)
    for suite, right, wrong in SUITES
    for component, check in [(right, None), *wrong.items()]
]


@pytest.mark.parametrize(
    ("suite", "component", "check"),
    [
        pytest.param(*case, id=case[1].__name__, marks=[needs_bf16] * (case[2] == "bf16"))
        for case in CASES
    ],
)
def test_exactly_the_check_of_the_broken_property_fails(
    suite: Suite, component: type, check: str | None
) -> None:
    assert failing(suite, component) == ([check] if check else [])


@pytest.mark.parametrize("component", [*ALSO_RIGHT, DualContrastive], ids=lambda c: c.__name__)
def test_what_compares_clips_draws_or_gives_no_scores_is_right_too(component: type) -> None:
    suite = LossSuite() if component is DualContrastive else DiscriminatorSuite()
    assert failing(suite, component) == []


def test_a_discriminator_that_gives_nothing_fails() -> None:
    assert "shape" in failing(DiscriminatorSuite(), Empty)


def test_every_kind_has_a_suite_and_wrong_components() -> None:
    assert [suite.kind for suite, _, _ in SUITES] == list(KINDS)


@pytest.mark.parametrize("suite", [suite for suite, _, _ in SUITES], ids=lambda suite: suite.kind)
def test_every_check_is_tested(suite: Suite) -> None:
    covered = {check for tried, _, check in CASES if tried.kind == suite.kind}
    general = {"options", "usual"}  # covered with the losses, and below
    assert covered - general == set(checks(suite)) - general - {None} | {None}


def test_a_record_that_recommends_what_is_not_there() -> None:
    for usual in (
        {"discriminator": {"name": "none"}},
        {"loss": {"name": "none"}},
        {"term": {"none": {}}},
        {"disc": {"name": "mlp"}},
    ):
        record = Component("loss", "wrong", "nowhere:Nothing", "", usual)
        with pytest.raises(AssertionError):
            LossSuite().test_usual(Subject(record, lambda: RightLoss))
