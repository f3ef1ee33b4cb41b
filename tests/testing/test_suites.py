"""The conformance suites find what they are there to find, and nothing else.

Each wrong component breaks one property: exactly the check of that property must fail.
"""

from __future__ import annotations

import pytest
from conftest import needs_bf16
from suite_checks import checks, failing
from wrong.augments import AUGMENTS, RightAugment
from wrong.datasets import DATASETS, RightDataset
from wrong.discriminators import DISCRIMINATORS, RightDiscriminator
from wrong.features import FEATURES, RightFeatures
from wrong.generators import GENERATORS, RightGenerator
from wrong.losses import LOSSES, Losses, RightLoss
from wrong.metrics import METRICS, RightMetric
from wrong.task_with_torch import WithTorch
from wrong.tasks import TASKS, RightTask
from wrong.terms import TERMS, RightTerm, Terms

from vidgan_core.plugins.component import Component
from vidgan_core.testing import (
    AugmentSuite,
    DatasetSuite,
    DiscriminatorSuite,
    FeaturesSuite,
    GeneratorSuite,
    LossSuite,
    MetricSuite,
    Subject,
    Suite,
    TaskSuite,
)

pytestmark = pytest.mark.usefixtures("one_thread")

CASES: list[tuple[Suite, type, str | None]] = [
    (GeneratorSuite(), RightGenerator, None),
    (DiscriminatorSuite(), RightDiscriminator, None),
    (Losses(), RightLoss, None),
    (Terms(), RightTerm, None),
    (DatasetSuite(), RightDataset, None),
    (AugmentSuite(), RightAugment, None),
    (FeaturesSuite(), RightFeatures, None),
    (MetricSuite(), RightMetric, None),
    (TaskSuite(), RightTask, None),
    (TaskSuite(), WithTorch, "without_torch"),
    *((GeneratorSuite(), wrong, check) for wrong, check in GENERATORS.items()),
    *((DiscriminatorSuite(), wrong, check) for wrong, check in DISCRIMINATORS.items()),
    *((Losses(), wrong, check) for wrong, check in LOSSES.items()),
    *((Terms(), wrong, check) for wrong, check in TERMS.items()),
    *((DatasetSuite(), wrong, check) for wrong, check in DATASETS.items()),
    *((AugmentSuite(), wrong, check) for wrong, check in AUGMENTS.items()),
    *((FeaturesSuite(), wrong, check) for wrong, check in FEATURES.items()),
    *((MetricSuite(), wrong, check) for wrong, check in METRICS.items()),
    *((TaskSuite(), wrong, check) for wrong, check in TASKS.items()),
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


@pytest.mark.parametrize(
    "suite",
    [
        *(GeneratorSuite(), DiscriminatorSuite(), Losses(), Terms(), DatasetSuite()),
        *(AugmentSuite(), FeaturesSuite(), MetricSuite(), TaskSuite()),
    ],
    ids=lambda suite: suite.kind,
)
def test_every_check_is_tested(suite: Suite) -> None:
    covered = {check for tried, _, check in CASES if tried.kind == suite.kind}
    general = {"options", "usual"}  # covered with the losses, and below
    assert covered - general == set(checks(suite)) - general - {None} | {None}


def test_a_record_that_recommends_what_is_not_there() -> None:
    none = {"name": "none"}
    for usual in ({"discriminator": none}, {"task": none}, {"term": {"none": {}}}, {"disc": none}):
        record = Component("loss", "wrong", "nowhere:Nothing", "", usual)
        with pytest.raises(AssertionError):
            LossSuite().test_usual(Subject(record, lambda: RightLoss))
