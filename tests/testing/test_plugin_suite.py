"""The suite of plugins as such finds a heavy manifest and a hook that raises, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import GOOD

from vidgan_core.plugins.registry import Plugin, Registry
from vidgan_core.testing import PluginSuite

pytestmark = pytest.mark.usefixtures("one_thread")

HOOK = """
@hookimpl
def vidgan_checkpoint_saved(run):
    {statement}
"""
MANIFESTS = {
    "light": GOOD + HOOK.replace("{statement}", "assert run.step"),
    "heavy": "import numpy" + GOOD,
    "raises": GOOD + HOOK.replace("{statement}", "raise ValueError(run.step)"),
}
FAILING = {"light": [], "heavy": ["test_manifest_is_light"], "raises": ["test_hooks_follow_a_run"]}


@pytest.mark.parametrize("name", MANIFESTS)
def test_exactly_the_check_of_the_broken_property_fails(
    name: str, install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(name, MANIFESTS[name])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    plugin = next(p for p in Registry.discover().plugins if p.provider.module.endswith(name))
    assert failing(plugin, tmp_path) == FAILING[name]


def failing(plugin: Plugin, folder: Path) -> list[str]:
    """The checks that a plugin does not pass."""
    failed = []
    for check, call in (
        ("test_manifest_is_light", lambda: PluginSuite().test_manifest_is_light(plugin)),
        ("test_hooks_follow_a_run", lambda: PluginSuite().test_hooks_follow_a_run(plugin, folder)),
    ):
        try:
            call()
        except pytest.skip.Exception:
            continue
        except AssertionError:
            failed.append(check)
    return failed
