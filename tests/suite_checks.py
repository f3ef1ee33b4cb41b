"""Which checks of a conformance suite a component fails."""

from __future__ import annotations

import inspect

import pytest

from vidgan_core.plugins.component import Component
from vidgan_core.testing.suite import Subject, Suite


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
