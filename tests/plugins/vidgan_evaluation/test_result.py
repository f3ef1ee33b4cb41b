"""Results in words, and the manifest of the plugin that gives them."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import vidgan_evaluation
from vidgan_evaluation.result import Result, headline

from vidgan_core.interfaces import Callback

ONE = Result("fd-lite0", 0.31234, 0.01, 0.02, "lower", "p", "f", "d", "test", 0, "0", 0.1)


def named(*names: str) -> list[Result]:
    return [replace(ONE, name=name) for name in names]


def test_a_result_in_words() -> None:
    assert str(ONE) == "fd-lite0 0.312 (floor 0.02)"
    assert str(replace(ONE, floor=None)) == "fd-lite0 0.312"


def test_the_line_of_an_evaluation_is_short() -> None:
    names = ["acd", "coverage-lite0", "fd-lite0", "fd-motion", "kd-lite0", "precision-lite0"]
    assert [r.name for r in headline(named(*names))] == ["fd-lite0", "fd-motion"]
    assert [r.name for r in headline(named(*names), also="acd")] == ["fd-lite0", "fd-motion", "acd"]
    assert len(headline(named(*(f"gap-{i}" for i in range(30))))) == 4
    assert headline([]) == []


def test_the_manifest_announces_the_callback() -> None:
    (record,) = vidgan_evaluation.vidgan_components()
    module, _, name = record.target.partition(":")
    assert (record.kind, record.name) == ("callback", "evaluation")
    assert issubclass(getattr(import_module(module), name), Callback)
