"""What a result may depend on besides the configuration: versions, machine, command, git."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from vidgan_core.plugins.registry import Registry, versions
from vidgan_core.version import __version__


def environment(registry: Registry, device: torch.device) -> dict[str, Any]:
    """Return what a result may depend on besides the configuration."""
    return {
        "vidgan": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in ("torch", "numpy", "av", "pillow")},
        "plugins": dict(versions(registry)),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git": _git_state(),
    }


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _git_state() -> dict[str, Any] | None:
    """Return commit and cleanness of the working folder's repository, if it is in one."""
    try:
        commit, status = (
            subprocess.run(
                ["git", *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=10,
                check=True,
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "clean": not status}
