"""Every registered component passes the suites that anybody's components are checked with."""

from __future__ import annotations

import pytest
from clips import moving_block, save

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
    PluginSuite,
    TaskSuite,
    TermSuite,
)

pytestmark = pytest.mark.usefixtures("one_thread")


class TestPlugins(PluginSuite):
    pass


class TestGenerators(GeneratorSuite):
    pass


class TestDiscriminators(DiscriminatorSuite):
    pass


class TestLosses(LossSuite):
    pass


class TestTerms(TermSuite):
    pass


class TestTasks(TaskSuite):
    pass


class TestFeatures(FeaturesSuite):
    pass


class TestMetrics(MetricSuite):
    pass


class TestAugments(AugmentSuite):
    pass


class TestGames(GameSuite):
    pass


class TestOptimizers(OptimizerSuite):
    pass


class TestCallbacks(CallbackSuite):
    pass


class TestDatasets(DatasetSuite):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def clips(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        """`folder` needs one."""
        folder = tmp_path_factory.mktemp("clips")
        for seed in range(8):
            save(str(folder / f"{seed}.mp4"), moving_block(24, seed=seed))
        cls.options = {"path": str(folder), "held_out": 0.5}
