"""Conformance suites: subclass the one of your component's kind in your tests.

    from vidgan_core.testing import GeneratorSuite

    class TestGenerators(GeneratorSuite):
        distribution = "vidgan-foo"

Every check then runs once for each generator of that distribution, with its name as the test's
id. Needs pytest, which the rest of the core does without: pip install 'vidgan[test]'.
"""

import pytest

from vidgan_core.plugins.kinds import KINDS

MODULES = (*KINDS, "network", "plugin", "small_run", "suite")
pytest.register_assert_rewrite(*(f"vidgan_core.testing.{module}" for module in MODULES))

from vidgan_core.testing.augment import AugmentSuite  # noqa: E402
from vidgan_core.testing.callback import CallbackSuite  # noqa: E402
from vidgan_core.testing.dataset import DatasetSuite  # noqa: E402
from vidgan_core.testing.discriminator import DiscriminatorSuite  # noqa: E402
from vidgan_core.testing.features import FeaturesSuite  # noqa: E402
from vidgan_core.testing.game import GameSuite  # noqa: E402
from vidgan_core.testing.generator import GeneratorSuite  # noqa: E402
from vidgan_core.testing.loss import LossSuite  # noqa: E402
from vidgan_core.testing.metric import MetricSuite  # noqa: E402
from vidgan_core.testing.optimizer import OptimizerSuite  # noqa: E402
from vidgan_core.testing.plugin import PluginSuite  # noqa: E402
from vidgan_core.testing.suite import Subject, Suite  # noqa: E402
from vidgan_core.testing.task import TaskSuite  # noqa: E402
from vidgan_core.testing.term import TermSuite  # noqa: E402

__all__ = [
    "AugmentSuite",
    "CallbackSuite",
    "DatasetSuite",
    "DiscriminatorSuite",
    "FeaturesSuite",
    "GameSuite",
    "GeneratorSuite",
    "LossSuite",
    "MetricSuite",
    "OptimizerSuite",
    "PluginSuite",
    "Subject",
    "Suite",
    "TaskSuite",
    "TermSuite",
]
