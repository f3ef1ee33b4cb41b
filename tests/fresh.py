"""A fresh environment next to the running one, for plugins to be installed into and removed from.

It sees the packages of the running one, torch among them, and has vidgan's own wheel installed
over it: what the wheel lacks is missed here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def execute(*command: object) -> str:
    """Run a command to its good end and return what it prints."""
    # Networks this small spend most of their time on threads that wait for one another.
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_environment(home: Path) -> Path:
    """Make the environment in a folder and return its interpreter."""
    venv.create(home, symlinks=True)
    interpreter = home / "bin/python"
    outer = sysconfig.get_path("purelib")
    (site,) = home.glob("lib/python*/site-packages")
    (site / "outer.pth").write_text(f"import site; site.addsitedir({outer!r})\n")
    pip(interpreter, "install", "hatchling", "editables")
    install(interpreter, ROOT, home)
    return interpreter


def pip(python: Path, *arguments: object) -> str:
    return execute(sys.executable, "-m", "pip", "--python", python, *arguments, "--quiet")


def install(python: Path, source: Path, wheels: Path) -> None:
    """Build a wheel and install it, without an index and so without a network."""
    offline = ("--no-deps", "--no-index")
    folder = wheels / f"wheels-{source.name}"
    pip(python, "wheel", *offline, "--no-build-isolation", "-w", folder, source.resolve())
    pip(python, "install", *offline, *folder.glob("*.whl"))
