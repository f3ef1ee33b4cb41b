"""The conformance suite of plugins as such: their manifests and lifecycle hooks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from vidgan_core.config.resolve import resolve
from vidgan_core.config.sources import ConfigSources
from vidgan_core.plugins.discovery import canonical
from vidgan_core.plugins.registry import Plugin, Registry
from vidgan_core.runs.folder import RunDir
from vidgan_core.testing.suite import registry
from vidgan_core.training.run import Run

HEAVY = ("torch", "numpy")
SMALL = (
    *(
        "steps=2",
        "trainer.report_every=1",
        "checkpoint.every=1",
        "callback.pictures.every=1",
        "callback.pictures.count=2",
    ),
    *("data.frames=4", "data.size=16", "data.batch=2", "trainer.device=cpu"),
    *("generator.width=2", "discriminator.width=2"),
)


class PluginSuite:
    """`distribution` narrows the checks to the plugins of one installed distribution."""

    distribution: ClassVar[str | None] = None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every check once a plugin."""
        if "plugin" in metafunc.fixturenames:
            plugins = [
                p
                for p in registry().plugins
                if self.distribution is None
                or canonical(p.provider.distribution) == canonical(self.distribution)
            ]
            metafunc.parametrize("plugin", plugins, ids=[p.provider.module for p in plugins])

    def test_manifest_is_light(self, plugin: Plugin) -> None:
        """Importing the manifest imports neither torch nor numpy: listing has to be quick."""
        heavy = f"[name for name in {HEAVY!r} if name in sys.modules]"
        program = f"import sys, {plugin.provider.module}; print(*{heavy})"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert not done.stdout.split(), f"the manifest imports {done.stdout.strip()}"

    def test_hooks_follow_a_run(self, plugin: Plugin, tmp_path: Path) -> None:
        """A run of two steps goes through and none of the plugin's hooks raises."""
        if not plugin.hooks:
            pytest.skip("has no lifecycle hook")
        fresh = Registry.discover()
        layers = ConfigSources()
        for setting in SMALL:
            layers.add_setting(setting)
        config = resolve(layers, fresh)
        run = Run(config, fresh)
        run.begin(RunDir.create(tmp_path / "run", "run"))
        assert run.fit()
        assert run.step == config.steps
        raised = [f.reason for f in fresh.failures if f.provider == plugin.provider]
        assert not raised, f"a hook raised {raised}"
