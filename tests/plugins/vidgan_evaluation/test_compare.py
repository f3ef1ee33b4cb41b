"""Runs side by side: the table, the page, and what is never put into one column."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import measures
import pytest
from conftest import TINY
from conftest import Result as Outcome
from vidgan_evaluation.comparison import Comparison
from vidgan_evaluation.result import Result

from vidgan_core.interfaces import Better

Command = Callable[..., Outcome]

GAP = ("--metrics", "gap", "--features", "colours")


@pytest.fixture(autouse=True)
def _small(install: Callable[..., None], one_thread: None) -> None:
    install("meter", measures.MANIFEST, measures.CODE)


@pytest.fixture
def runs(vidgan: Command) -> list[str]:
    """Two runs of other seeds and rates, with two evaluated checkpoints each."""
    for name, rate in (("slow", 1e-5), ("fast", 1e-2)):
        arguments = (*TINY, "--data", "shapes", "--set", "data.clips=200", "--steps", 2)
        own = ("--set", f"optimizer.lr={rate}", "--set", "checkpoint.every=1", "--out", name)
        assert vidgan("run", *arguments, *own).code == 0
        assert vidgan("eval", name, *GAP, "--checkpoints", "all").code == 0
    return ["slow", "fast"]


def test_a_table_puts_runs_side_by_side(vidgan: Command, runs: list[str]) -> None:
    result = vidgan("compare", *runs)
    assert result.code == 0, result.err
    rows = [re.split(r"\s{2,}", line) for line in result.out.splitlines()]
    assert rows[0] == ["", *runs, "floor", "better", "protocol"]
    assert [row[0] for row in rows[1:]] == ["steps", "minutes", "gap-colours"]
    assert re.fullmatch(r"[\d.]+ ± [\d.]+", rows[3][1])
    assert rows[3][-2:] == ["lower", "gap-colours@4f-16px-n20"]
    found = json.loads(vidgan("compare", *runs, "--json").out)
    assert [record["label"] for record in found] == runs
    assert list(found[0]["curves"]["gap-colours"]) == ["1", "2"]
    assert found[0]["numbers"]["gap-colours"]["value"] == found[0]["curves"]["gap-colours"]["2"]


def test_numbers_of_other_protocols_are_refused_by_name(vidgan: Command, runs: list[str]) -> None:
    for kept in Path("fast/eval").iterdir():
        kept.unlink()
    assert vidgan("eval", "fast", *GAP, "-n", 10).code == 0
    result = vidgan("compare", *runs, "-o", "page.html")
    assert (result.code, result.out) == (2, "")
    assert "gap-colours of slow and of fast can't be compared" in result.err
    assert "protocol gap-colours@4f-16px-n20 and gap-colours@4f-16px-n10" in result.err
    assert not Path("page.html").exists()
    assert vidgan("eval", "slow", *GAP, "-n", 10).code == 0
    assert "gap-colours" in vidgan("compare", *runs).out


def test_three_runs_that_only_agree_in_pairs_are_refused(vidgan: Command, runs: list[str]) -> None:
    shutil.copytree("slow", "third")
    for name, counts in {"slow": (8, 10), "fast": (10, 12), "third": (8, 12)}.items():
        for kept in Path(name, "eval").iterdir():
            kept.unlink()
        for count in counts:
            assert vidgan("eval", name, *GAP, "-n", count).code == 0
    result = vidgan("compare", *runs, "third")
    assert result.code == 2
    assert "gap-colours of slow and of fast can't be compared" in result.err


def test_the_table_has_most_clips_and_the_curves_have_most_steps(
    vidgan: Command, runs: list[str]
) -> None:
    for name in runs:
        assert vidgan("eval", name, *GAP, "-n", 8, "--checkpoints", "all").code == 0
        (Path(name) / "eval" / "step-00000001.json").unlink()
        assert vidgan("eval", name, *GAP, "-n", 8, "--checkpoints", "1").code == 0
    for record in json.loads(vidgan("compare", *runs, "--json").out):
        assert record["numbers"]["gap-colours"]["protocol"] == "gap-colours@4f-16px-n20"
        assert list(record["curves"]["gap-colours"]) == ["1", "2"]


@pytest.mark.parametrize("key", ["features", "data", "split", "version"])
def test_the_rest_of_a_protocol_counts_too(vidgan: Command, runs: list[str], key: str) -> None:
    for path in Path("slow/eval").iterdir():
        facts = json.loads(path.read_text())
        for number in facts["numbers"]:
            number[key] = "other"
        path.write_text(json.dumps(facts))
    result = vidgan("compare", *runs)
    assert result.code == 2
    assert f"{key} other and" in result.err


def test_a_page_holds_everything_and_asks_for_nothing(vidgan: Command, runs: list[str]) -> None:
    result = vidgan("compare", *runs, "-o", "pages/page.html")
    assert result.code == 0, result.err
    page = Path("pages/page.html").read_text()
    assert not re.search(r"<(script|link|iframe)|@import|url\(", page)
    assert all(
        source.startswith("data:") for source in re.findall(r"(?:src|href)=\"([^\"]*)", page)
    )
    assert page.count("data:image/webp;base64,") == 6  # the real clips too; moving and still
    assert re.findall(r'alt="(gap-colours[^"]*)"', page)[0].startswith("gap-colours of slow from")
    assert page.count("data:image/svg+xml;base64,") == 3
    assert "optimizer.lr" in page
    assert page.count("4f-16px-n20") == 2  # under the table and under the curves
    assert not re.search(r"<th(?! scope=)[ >]", page)
    assert "prefers-color-scheme: dark" in page
    assert "prefers-reduced-motion" in page


def test_runs_without_numbers_can_be_looked_at(vidgan: Command) -> None:
    name = "<b>&$x_2$"
    assert vidgan("run", *TINY, "--steps", 1, "--out", name).code == 0
    assert vidgan("compare", name, "-o", "page.html").code == 0
    page = Path("page.html").read_text()
    assert "&lt;b&gt;&amp;$x_2$" in page
    assert "<code>vidgan eval &lt;b&gt;" in page
    assert name not in page


def test_what_is_no_run_is_refused(vidgan: Command, runs: list[str]) -> None:
    for arguments, message in [
        (("nowhere",), "nowhere is not a folder"),
        ((runs[0], runs[0]), "the same run is named twice"),
        ((runs[0], "-o", "page.pdf"), "the page is an .html file"),
    ]:
        result = vidgan("compare", *arguments)
        assert result.code == 2
        assert message in result.err


def test_the_runs_are_sorted_by_a_number(vidgan: Command, runs: list[str]) -> None:
    found = {r["label"]: r["numbers"]["gap-colours"]["value"] for r in records(vidgan, *runs)}
    for order in (runs, runs[::-1]):
        result = vidgan("compare", *order, "--by", "gap-colours")
        rows = [re.split(r"\s{2,}", line) for line in result.out.splitlines()]
        assert [row[0] for row in rows[1:]] == sorted(runs, key=found.__getitem__)
        heading = ["run", "gap-colours", "floor", "steps", "minutes", "optimizer.lr"]
        assert rows[0] == heading
    result = vidgan("compare", *runs, "--by", "gap-color")
    assert (result.code, result.out) == (2, "")
    assert "no run has 'gap-color'; did you mean 'gap-colours'?" in result.err


def records(vidgan: Command, *runs: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(vidgan("compare", *runs, "--json").out)
    return found


ONE = Result("x", 1.0, 0.1, 0.0, "lower", "x@4f", "", "d", "test", 0, "0", 0.1)


@pytest.mark.parametrize(
    ("better", "values", "best"),
    [
        ("lower", (1.0, 1.2), ""),  # less than twice the joint error, 0.28
        ("lower", (1.0, 1.3), "a"),
        ("higher", (1.0, 1.3), "b"),
        ("higher", (1.0, 1.3, 1.4), ""),  # b is in reach of c
        ("real", (-1.0, 0.5), "b"),  # real clips score 0
        ("real", (-0.5, 0.5), ""),
        ("lower", (1.0,), ""),
    ],
)
def test_the_best_is_better_by_more_than_the_errors(
    better: Better, values: tuple[float, ...], best: str
) -> None:
    of_runs = {
        label: replace(ONE, value=value, better=better)
        for label, value in zip("abc", values, strict=False)
    }
    assert Comparison([], {"x": of_runs}, {}).best("x") == best
    unknown = {label: replace(result, error=None) for label, result in of_runs.items()}
    assert Comparison([], {"x": unknown}, {}).best("x") == ""
