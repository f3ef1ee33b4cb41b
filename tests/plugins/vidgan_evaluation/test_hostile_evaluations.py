"""Evaluations from third parties: whatever they say is text on the page, or is left out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import REGISTRY, small
from vidgan_evaluation import html_page
from vidgan_evaluation.comparison import Comparison, read_runs, table
from vidgan_evaluation.html_page import render
from vidgan_evaluation.plots import bars_chart, curves_chart

from vidgan_core.config.schema import RunConfig
from vidgan_core.runs.folder import RunDir

NUMBER = {
    **{"name": "fd-lite0", "value": 1.5, "error": 0.5, "floor": 0.25, "better": "lower"},
    **{"protocol": "fd-lite0@4f-16px-n20", "features": "f" * 64, "data": "d" * 64},
    **{"split": "test", "seed": 0, "version": "0.1.0", "seconds": 1.0},
}
FACTS = {"step": 2, "model": "m" * 64, "seconds": 1.0, "numbers": [NUMBER]}
PAYLOADS = {
    "script": "<script>alert(1)</script>",
    "attribute": '"><img src=x onerror=alert(1)>',
    "style": "</style></title><svg onload=alert(1)>",
    "quote": "' onmouseover='alert(1)",
    "template": "{{ 7 * 191 }}{% include '/etc/passwd' %}$title ${version}",
    "entity": "&lt;script&gt;alert(1)&#x3c;/script&#x3e;",
    "formula": r"$\frac{1}{0$ \input{/etc/passwd}",
    "escape": "\x1b]0;x\x07\x1b[2J\x00\u202e",
    "number": 1e308,
    "nested": [{"<b>": ["<script>alert(1)</script>"]}],
}
CASES = [(key, payload) for key in (*NUMBER, *FACTS) for payload in PAYLOADS]
CASES = [case for case in CASES if case[0] in NUMBER or case[1] == "script"]


def test_there_are_as_many_as_the_first_attack_tried() -> None:
    assert len(CASES) >= 123


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return small("conv3d", "minimax", "steps=2")


@pytest.fixture
def comparison(config: RunConfig) -> Callable[[dict[str, object], str], Comparison]:
    """A run with an honest evaluation and a hostile one, next to an honest run."""

    def make(facts: dict[str, object], name: str = "run") -> Comparison:
        for folder in (name, "honest"):
            shutil.rmtree(folder, ignore_errors=True)
            (Path(folder) / "eval").mkdir(parents=True)
            run = RunDir(Path(folder))
            run.config_file.write_text(config.toml())
            run.append_metrics({"step": 2, "seconds": 1.0, "generator/loss": 1.0})
            file = run.evaluations / "step-00000001.json"
            file.write_text(json.dumps(FACTS | {"step": 1}))
        (Path(name) / "eval" / "step-00000002.json").write_text(json.dumps(facts))
        return read_runs([Path(name), Path("honest")], REGISTRY)

    return make


class Structure(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        for name, value in attrs:
            if name in ("src", "href"):
                assert (value or "").startswith(("data:image/webp;", "data:image/svg+xml;"))
            if name == "style":
                assert value is None or "alert" not in value

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("key", "payload"), CASES)
def test_a_hostile_evaluation_changes_no_tag_of_the_page(
    key: str,
    payload: str,
    comparison: Callable[..., Comparison],
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    for chart in ("curves_chart", "bars_chart"):
        monkeypatch.setattr(html_page, chart, lambda *_: "<svg/>")
    before = Structure(render(comparison(FACTS), [], "vidgan compare"))
    value = PAYLOADS[payload]
    hostile = {**NUMBER, key: value} if key in NUMBER else NUMBER
    facts = FACTS | {"numbers": [hostile, NUMBER]} | ({key: value} if key not in NUMBER else {})
    found = comparison(facts)
    page = Structure(render(found, [], "vidgan compare"))
    assert page.tags <= before.tags | {"details", "summary"}  # numbers beyond the first are folded
    assert page.attributes <= before.attributes
    assert "1337" not in page.text
    assert "\x1b" not in page.text
    assert "\x00" not in page.text
    assert all("\x1b" not in cell for row in table(found) for cell in row)
    record_property("hostile evaluation", f"{key}, {payload}: text")


@pytest.mark.parametrize("payload", ["script", "formula", "escape", "number"])
def test_charts_draw_hostile_names(payload: str, comparison: Callable[..., Comparison]) -> None:
    value = PAYLOADS[payload]
    key = "value" if payload == "number" else "name"
    found = comparison(FACTS | {"numbers": [NUMBER | {key: value}, NUMBER]})
    for svg in (bars_chart(found), curves_chart(found, list(found.curves))):
        assert "<script" not in svg
        assert "\x1b" not in svg


def test_names_of_runs_and_commands_are_text(comparison: Callable[..., Comparison]) -> None:
    found = comparison(FACTS, "<script>alert(1)<")
    page = render(found, [], "vidgan compare '<script>alert(2)</script>'")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
