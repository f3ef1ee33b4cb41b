"""Who is told of a run's events: the callbacks of its configuration, then the plugins' hooks."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import UsageError, one_line
from vidgan_core.interfaces import Callback
from vidgan_core.plugins.discovery import HOME
from vidgan_core.plugins.registry import Registry

logger = logging.getLogger("vidgan.training")


class Events:
    """Calls callbacks and lifecycle hooks.

    What a third party's callback raises does not end the run: it is left out from there on, with
    a warning. vidgan's own and those that the caller handed over are not isolated: a run that
    can't log or draw must fail.
    """

    def __init__(
        self, config: RunConfig, registry: Registry, callbacks: Sequence[Callback] = ()
    ) -> None:
        self._registry = registry
        self._callbacks: list[tuple[Callback, str]] = [(each, "") for each in callbacks]
        for name, table in config.callback.items():
            if table.enabled:
                made = registry.create("callback", name, options=table.options)
                foreign = registry.get("callback", name).provider.distribution != HOME
                who = registry.describe("callback", name) if foreign else ""
                self._callbacks.append((made, who))
        self._callbacks.sort(key=lambda found: found[0].order)

    def announce(self, event: str, run: Any, **facts: Any) -> None:
        """Tell everybody of an event of `Callback`."""
        for found in list(self._callbacks):
            callback, who = found
            try:
                with _quiet(who):
                    getattr(callback, event)(run, **facts)
            except Exception as error:
                if not who or (isinstance(error, UsageError) and event == "fit_start"):
                    raise
                self._callbacks.remove(found)
                reason = one_line(error)
                logger.warning("%s failed in %s and is left out: %s", who, event, reason)
                _close(callback, who)
        self._registry.announce(f"vidgan_{event}", run=run, **facts)

    def close(self) -> None:
        """Let every callback release what it holds."""
        for callback, who in self._callbacks:
            _close(callback, who)


def _close(callback: Callback, who: str) -> None:
    """Let a callback release what it holds; the others are closed whatever comes of it."""
    try:
        with _quiet(who):
            callback.close()
    except Exception as error:
        logger.warning("%s failed to close: %s", who or type(callback).__name__, one_line(error))


def _quiet(who: str) -> AbstractContextManager[object]:
    """Keep what a third party's callback prints out of stdout, which is for results."""
    return contextlib.redirect_stdout(sys.stderr) if who else contextlib.nullcontext()
