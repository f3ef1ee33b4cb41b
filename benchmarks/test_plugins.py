"""What installed plugins cost those who list them, and those who don't."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ratio

VIDGAN = str(Path(sys.executable).with_name("vidgan"))
PLUGINS = 50
MANIFEST = """
from vidgan_core import Component, hookimpl

@hookimpl
def vidgan_components():
    yield Component("loss", "crowd{0}", "crowd{0}_code:Loss", "one of many")
"""


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH in which many plugins are installed."""
    folder = tmp_path_factory.mktemp("crowd")
    for number in range(PLUGINS):
        info = folder / f"crowd{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: crowd{number}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[vidgan]\ncrowd{number} = crowd{number}\n")
        (folder / f"crowd{number}.py").write_text(MANIFEST.format(number))
    return folder


def process(path: Path, *arguments: str) -> Callable[[], object]:
    """Return a call that runs vidgan to its end, with a folder on its path."""
    environment = os.environ | {"PYTHONPATH": str(path)}
    return lambda: subprocess.run(
        [VIDGAN, *arguments], stdout=subprocess.DEVNULL, check=True, env=environment
    )


@pytest.mark.parametrize("arguments", [("--help",), ("plugins",)], ids=["help", "plugins"])
def test_fifty_plugins_ratio(
    ratio: Ratio,
    crowd: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
) -> None:
    """A command with fifty plugins installed against the same one with none."""
    process(crowd, "plugins")()  # compiles them, as pip does
    ratio(process(crowd, *arguments), process(tmp_path, *arguments), rounds=20)
