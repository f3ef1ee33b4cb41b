"""A run's configuration with some of its values set anew."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vidgan_core.config.resolve import resolve
from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import ConfigSources
from vidgan_core.errors import UsageError, printable
from vidgan_core.plugins.registry import Registry


def with_settings(
    config: RunConfig, settings: Sequence[str], registry: Registry, free: Collection[str]
) -> RunConfig:
    """Return a configuration with settings such as "task.level=25".

    Raises UsageError for one of a table that is not `free`, ConfigError for a wrong value.
    """
    layers = ConfigSources()
    layers.add_tables(config.model_dump(mode="json"), "the run's configuration")
    for setting in settings:
        if setting.partition(".")[0].strip() not in free:
            raise UsageError(f"--set {printable(setting)}: only {', '.join(free)} can be set here")
        layers.add_setting(setting)
    return resolve(layers, registry)
