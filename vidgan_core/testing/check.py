"""`vidgan plugins check`: every suite on everything that is installed, or on what was named.

pytest collects this file itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from vidgan_core import testing
from vidgan_core.errors import ComponentError, UsageError, did_you_mean
from vidgan_core.plugins.component import Component
from vidgan_core.plugins.discovery import Provider, canonical
from vidgan_core.plugins.kinds import KINDS
from vidgan_core.plugins.registry import Plugin, Registry
from vidgan_core.testing import PluginSuite, Subject


class TestPlugin(PluginSuite):
    """Every plugin."""


def suites() -> dict[str, type]:
    """Return a test class for each kind of component: its suite on all that is installed."""
    found = {kind: getattr(testing, info.suite) for kind, info in KINDS.items()}
    return {
        f"Test{kind.capitalize()}": type(
            f"Test{kind.capitalize()}", (suite,), {"__module__": __name__}
        )
        for kind, suite in found.items()
    }


globals().update(suites())


class Report:
    """A pytest plugin that keeps the checks of what was chosen and reports a line a check."""

    def __init__(self, components: Collection[Component], plugins: Collection[Provider]) -> None:
        self.components = components
        self.plugins = plugins
        self.line: Callable[[str], object] = lambda _: None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Drop all checks of anything else."""
        items[:] = [item for item in items if self.wanted(item)]

    def wanted(self, item: pytest.Item) -> bool:
        """Is the item a check of something chosen?"""
        assert isinstance(item, pytest.Function)
        match item.callspec.params:
            case {"subject": Subject(component=component)}:
                return component in self.components
            case {"plugin": Plugin(provider=provider)}:
                return provider in self.plugins
        return False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Report how a check went; of one that failed, why."""
        if report.when == "call" or not report.passed:
            _, suite, check = report.nodeid.split("::")
            name = check.removeprefix("test_").replace("[", " of ", 1).rstrip("]")
            kind = suite.removeprefix("Test").lower()
            self.line(f"{report.outcome:7} {kind} {name}")
            if report.failed:
                self.line(report.longreprtext)


def check_plugins(
    registry: Registry, names: Collection[str], line: Callable[[str], object]
) -> bool:
    """Run the suites, call `line` with a line a check, and return whether every one passed.

    Raises UsageError for a name that nothing has, ComponentError for a plugin that failed.
    """
    report = select(registry, names)
    report.line = line
    own_settings = ["-c", os.devnull, "--rootdir", str(Path(__file__).parent)]
    quiet = ["-p", "no:terminal", "-p", "no:cacheprovider"]
    code = pytest.main([*own_settings, *quiet, __file__], plugins=[report])
    complete = bool(names) or not registry.failures  # those that failed have nothing to check
    return complete and code == pytest.ExitCode.OK


def select(registry: Registry, names: Collection[str]) -> Report:
    """Return what goes by the names: components, plugins' modules, distributions; or all."""
    if not names:
        everything = [p.component for p in registry.all()]
        return Report(everything, [p.provider for p in registry.plugins])
    components: list[Component] = []
    plugins: list[Provider] = []
    for name in names:
        for failure in registry.failures:
            if is_called(failure.provider, name):
                raise ComponentError(f"plugin {failure.provider}: {failure.reason}")
        whole = [p.provider for p in registry.plugins if is_called(p.provider, name)]
        parts = [p for p in registry.all() if p.component.name == name or p.provider in whole]
        if not whole and not parts:
            raise UsageError(
                f"nothing is called {name!r}", hint=did_you_mean(name, known(registry))
            )
        components += [p.component for p in parts]
        plugins += whole
    return Report(components, plugins)


def is_called(provider: Provider, name: str) -> bool:
    """Is `name` the plugin's distribution or module?"""
    return canonical(provider.distribution) == canonical(name) or provider.module == name


def known(registry: Registry) -> set[str]:
    """Return every name that can be checked."""
    providers = [p.provider for p in registry.plugins]
    found = {p.component.name for p in registry.all()}
    return found | {p.module for p in providers} | {p.distribution for p in providers}
