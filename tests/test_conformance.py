"""Every registered component passes the suites that anybody's components are checked with."""

from __future__ import annotations

import pytest

from vidgan_core.testing import (
    DatasetSuite,
    DiscriminatorSuite,
    GeneratorSuite,
    LossSuite,
    PluginSuite,
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


class TestDatasets(DatasetSuite):
    pass
