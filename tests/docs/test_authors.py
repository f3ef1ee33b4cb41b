"""The author's guide does what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from suite_checks import failing

from vidgan_core.plugins.component import Component
from vidgan_core.plugins.hookspecs import API

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/authors.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of the guide, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_code_is_a_plugin_that_passes_its_suite() -> None:
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(compile(block, "authors.md", "exec"), names)
    (record,) = names["vidgan_components"]()
    assert record == Component("loss", "wave", record.target, record.summary, record.usual)
    assert names["VIDGAN_API"] == API
    assert failing(names["TestLoss"](), names["WaveLoss"]) == []


@pytest.fixture
def environment(python: Path) -> dict[str, str]:
    """Variables with which the guide's commands are those of the fresh environment."""
    bin_ = python.parent
    for command, module in (("pip", "pip"), ("pytest", "pytest")):
        script = bin_ / command
        script.write_text(f'#!/bin/sh\nexec {python} -m {module} "$@"\n')
        script.chmod(0o755)
    search = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1"}
    return {**os.environ, **offline, "PATH": search, "OMP_NUM_THREADS": "1"}


def test_the_commands_make_a_plugin_and_train_with_it(environment: dict[str, str]) -> None:
    commands = "\n".join(blocks("sh"))
    done = subprocess.run(
        ["sh", "-e", "-c", commands], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed  loss finite of wave" in done.stdout
    assert Path("first/samples/step-000002.mp4").exists()


def test_the_hook_reference_is_current() -> None:
    script = ROOT / "docs/make_hooks.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    page = (ROOT / "docs/hooks.md").read_text("utf-8")
    assert done.stdout == page, (
        f"run: {shlex.join(['python', 'docs/make_hooks.py'])} > docs/hooks.md"
    )
