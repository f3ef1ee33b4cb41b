"""Starting is cheap: which modules are imported when, observed from a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import TINY

HEAVY = ("torch", "numpy", "pydantic", "rich", "av", "PIL", "skvideo", "scipy")


def imported_by(*arguments: str) -> set[str]:
    """The top-level packages in sys.modules once the command has ended."""
    program = (
        "import atexit, sys\n"
        f"sys.argv = ['vidgan', *{arguments!r}]\n"
        "names = lambda: {name.partition('.')[0] for name in sys.modules}\n"
        "atexit.register(lambda: print(*names(), file=sys.stderr))\n"
        "from vidgan_core.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("plugins",), ("plugins", "--json"), ("run", "--help"), ("--version",)],
    ids=" ".join,
)
def test_help_and_listing_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not imported_by(*arguments) & set(HEAVY)


def test_help_discovers_no_plugin() -> None:
    names = imported_by("--help")
    assert not {name for name in names if name.startswith("vidgan_") and name != "vidgan_core"}
    assert "vidgan_mlp" in imported_by("plugins")


def test_importing_the_package_is_free_of_torch() -> None:
    program = "import sys, vidgan_core; print('torch' in sys.modules, callable(vidgan_core.load))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]


def test_training_imports_no_compiler() -> None:
    names = imported_by("run", *TINY, "--data", "shapes", "--steps", "1", "--out", "out")
    assert "torch" in names
    assert "sympy" not in names  # torch's compiler does its algebra with it
