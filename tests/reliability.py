"""Write RELIABILITY.md from a run of the long tests: python tests/reliability.py

A test's counts are what it gives to pytest's `record_property`, and are recorded only if it passed.
"""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
TESTS = [
    f"tests/test_{name}.py" for name in ("kill", "damage", "disk", "signals", "numbers", "hostile")
]
SKIPPED_SMALL = ("[20]", "[60]", "[10-")  # what the long counts repeat


class Counts:
    """Collects what the tests that passed have counted."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.outcomes: Counter[str] = Counter()
        self.notes: list[str] = []
        self.commit = git("rev-parse", "--short", "HEAD")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [i for i in items if not any(mark in i.name for mark in SKIPPED_SMALL)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.outcomes["skipped"] += 1
            self.notes.append(f"{report.nodeid}: {report.longrepr[2]}")  # type: ignore[index]
        elif report.failed:
            self.outcomes["failed"] += 1
            self.notes.append(f"{report.nodeid} FAILED in its {report.when}")
        elif report.when == "call":
            self.outcomes["passed"] += 1
            self.lines += [(name, str(value)) for name, value in report.user_properties]


def page(counts: Counts) -> str:
    """The report as Markdown."""
    hostile = [value for name, value in counts.lines if name == "hostile"]
    rows = [line for line in counts.lines if line[0] != "hostile"]
    rows.append(("hostile model files", f"{len(hostile)} of {len(hostile)} refused"))
    table = [f"| {name} | {value} |" for name, value in rows]
    outcomes = ", ".join(f"{n} {what}" for what, n in sorted(counts.outcomes.items()))
    return "\n".join(
        [
            "# Reliability",
            "",
            "What was done to vidgan's runs and files, and how often it cost anything. Written by",
            "`python tests/reliability.py`; every test asserts that its faults landed.",
            "",
            f"- Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
            f"- Commit: {counts.commit}",
            f"- Machine: {platform.system()} {platform.machine()}, {os.cpu_count()} processors, "
            f"Python {platform.python_version()}, torch {torch.__version__}",
            f"- Tests: {outcomes}",
            "",
            "| fault | outcome |",
            "|---|---|",
            *table,
            "",
            *(f"- {note}" for note in counts.notes),
        ]
    ).rstrip() + "\n"  # fmt: skip


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> int:
    """Run the tests, write the page, return pytest's exit code."""
    counts = Counts()
    code = pytest.main(["-m", "slow or not slow", f"--rootdir={ROOT}", *TESTS], plugins=[counts])
    (ROOT / "RELIABILITY.md").write_text(page(counts), "utf-8")
    return int(code)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
