"""Write RELIABILITY.md from a run of the long tests: python tests/reliability.py

Each group is a pytest process of its own; as many run at once as there are cores. A test passes
its counts to `record_property`. Only counts of tests that passed are used; the others are listed.
"""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import torch

ROOT = Path(__file__).resolve().parents[1]
# Short tests that the long ones repeat are deselected.
GROUPS = {
    "kill": ("tests/training/test_kill.py", "-k", "not [5]"),
    "sigterm": ("tests/cli/test_signals.py", "-k", "SIGTERM and not [10-"),
    "sigint": ("tests/cli/test_signals.py", "-k", "SIGINT and not [10-"),
    "files": (
        "tests/runs/test_damage.py",
        "tests/runs/test_disk.py",
        "tests/inference/test_hostile.py",
        "-k",
        "not [60]",
    ),
    "numbers": ("tests/training/test_numbers.py",),
    "books": ("tests/runs/test_bookkeeping.py", "tests/runs/test_moved.py"),
    "garbled": ("tests/runs/test_garbled.py", "-k", "not [40]"),
    "media": (
        "tests/plugins/vidgan_datasets/test_mutations.py",
        "tests/plugins/vidgan_datasets/test_probe_answer.py",
        "tests/media/test_describe.py",
        "-k",
        "not [150] and not 60-",
    ),
    "streams": ("tests/cli/test_streams.py", "tests/cli/test_terminal.py"),
    "values": ("tests/config/test_every_value.py",),
    "pages": ("tests/plugins/vidgan_evaluation/test_hostile_evaluations.py",),
}
# What each of many tests gives one of: its title, the tests, and what became of them.
SUMMED = {
    "hostile": ("hostile model files", "test_a_hostile_file", "refused"),
    "hostile evaluation": ("hostile evaluations", "test_a_hostile_evaluation", "shown as text"),
    "hostile answer": ("answers of a video reader taken over", "test_what_is_no_answer", "refused"),
    "hanging data": ("data that hang, and a SIGTERM", "test_data_that_hang", "saved and left"),
    "garbled books": ("garbled metrics, marks and evaluations", "test_a_run_goes_on", "resumed"),
}
OPTIONS = ("-n", "0", "-m", "slow or not slow", "-o", "junit_family=xunit1")


def run(folder: Path) -> None:
    """Run all groups, each into a report in the folder."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # more at once would miss their deadlines
        for _ in pool.map(partial(run_group, folder), GROUPS):
            pass


def run_group(folder: Path, name: str) -> None:
    """Run one group into a report."""
    places = (f"--junitxml={folder / name}.xml", f"--basetemp={folder / name}")
    command = [sys.executable, "-m", "pytest", *OPTIONS, *GROUPS[name], *places]
    # Networks of this size are slower in threads.
    subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"})


def read(folder: Path) -> list[ElementTree.Element]:
    """Return the test cases of all groups; one that left no report counts as a failed case."""
    cases: list[ElementTree.Element] = []
    for name in GROUPS:
        report = folder / f"{name}.xml"
        if report.exists():
            cases += ElementTree.parse(report).iter("testcase")
        else:
            cases.append(ElementTree.Element("testcase", name=f"the group {name} did not finish"))
            ElementTree.SubElement(cases[-1], "failure")
    return cases


def outcome(case: ElementTree.Element) -> str:
    """Passed, skipped or failed."""
    if case.find("skipped") is not None:
        return "skipped"
    return "passed" if case.find("failure") is None and case.find("error") is None else "failed"


def counted(cases: list[ElementTree.Element]) -> Iterator[tuple[str, str]]:
    """Yield the counts of the tests that passed; hostile files are summed up in one line."""
    found = [
        (p.attrib["name"], p.attrib["value"])
        for case in cases
        for p in case.iter("property")
        if outcome(case) == "passed"
    ]
    yield from (line for line in found if line[0] not in SUMMED)
    for kind, (title, test, end) in SUMMED.items():
        good = sum(name == kind for name, _ in found)
        tried = sum(case.attrib["name"].startswith(test) for case in cases)
        yield title, f"{good} of {tried} {end}"


def page(cases: list[ElementTree.Element], commit: str) -> str:
    """The report as Markdown."""
    outcomes = Counter(map(outcome, cases))
    lines = [
        "# Reliability",
        "",
        "Faults that were injected into vidgan's runs and files, and their outcome. Written by",
        "`python tests/reliability.py`. Every test asserts that its faults took effect.",
        "",
        f"- Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        f"- Commit: {commit}",
        f"- Machine: {platform.system()} {platform.machine()}, {os.cpu_count()} processors, "
        f"Python {platform.python_version()}, torch {torch.__version__}",
        f"- Tests: {', '.join(f'{n} {what}' for what, n in sorted(outcomes.items()))}",
        "",
        "| fault | outcome |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in counted(cases)),
    ]
    bad = [f"- {outcome(c)}: {c.attrib['name']}" for c in cases if outcome(c) != "passed"]
    return "\n".join([*lines, *([""] if bad else []), *bad]) + "\n"


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> int:
    """Run the tests and write the page; 1 if a test has failed."""
    commit = git("rev-parse", "--short", "HEAD")
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))
        cases = read(Path(folder))
    (ROOT / "RELIABILITY.md").write_text(page(cases, commit), "utf-8")
    return int(any(outcome(case) == "failed" for case in cases))


if __name__ == "__main__":
    sys.exit(main())
