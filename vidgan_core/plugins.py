"""Find plugins, keep the broken ones from hurting the others, look components up by name.

The only place that turns a name into code.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

import pluggy

from vidgan_core import hookspecs
from vidgan_core.component import KINDS, Component, Kind
from vidgan_core.errors import ComponentError, UsageError, did_you_mean

GROUP = "vidgan"
HOME = "vidgan"  # the distribution that the in-tree plugins come with


@dataclass(frozen=True, slots=True)
class Provider:
    """The installed distribution and the manifest module that a component came from."""

    distribution: str
    version: str
    module: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.module})"


@dataclass(frozen=True, slots=True)
class Provided:
    """A component and who provides it."""

    component: Component
    provider: Provider


@dataclass(frozen=True, slots=True)
class Failure:
    """A plugin that could not be used, and why."""

    provider: Provider
    reason: str
    details: str


class Registry:
    """The components of all healthy plugins, and the failures of the others."""

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        """Import and register the manifest behind every entry point, each on its own."""
        self.failures: list[Failure] = []
        self.hooks = pluggy.PluginManager(GROUP)
        self.hooks.add_hookspecs(hookspecs)
        self._provided: dict[tuple[Kind, str], list[Provided]] = {}
        self._providers: dict[str, Provider] = {}
        for point in points:
            self._guarded(_provider(point), partial(self._register, point))

    @classmethod
    def discover(cls, *, third_party: bool = True) -> Registry:
        """Read the installed entry points; `VIDGAN_PLUGINS` narrows the third-party ones.

        Unset: all of them. A comma-separated list of distributions: only these. Empty: none.
        """
        listed = os.environ.get("VIDGAN_PLUGINS")
        only = None if listed is None else {word.strip() for word in listed.split(",")}
        if not third_party:
            only = set()
        points = sorted(entry_points(group=GROUP), key=lambda p: (_distribution(p), p.value))
        return cls(p for p in points if _distribution(p) == HOME or _chosen(p, only))

    def all(self, kind: Kind | None = None) -> list[Provided]:
        """Every component, of one kind or of all, by kind and name; clashing ones included."""
        chosen = [
            p
            for (k, _), providers in self._provided.items()
            for p in providers
            if kind in (None, k)
        ]
        return sorted(chosen, key=lambda p: (KINDS.index(p.component.kind), p.component.name))

    def names(self, kind: Kind) -> list[str]:
        """The names of one kind, sorted."""
        return sorted({name for k, name in self._provided if k == kind})

    def get(self, kind: Kind, name: str) -> Provided:
        """Look one component up. Raises UsageError, with the nearest name, if there is none."""
        providers = self._provided.get((kind, name), [])
        if len(providers) == 1:
            return providers[0]
        if providers:
            who = " and ".join(str(p.provider) for p in providers)
            raise ComponentError(
                f"{kind} {name!r} is provided twice: by {who}",
                hint="uninstall one of them, or choose with VIDGAN_PLUGINS",
            )
        broken = "".join(f"; {f.provider} failed to load: {f.reason}" for f in self.failures)
        known = did_you_mean(name, self.names(kind))
        noun = {"dataset": "data set"}.get(kind, kind)
        raise UsageError(f"no {noun} named {name!r}", hint=known + broken)

    def load(self, kind: Kind, name: str) -> type:
        """Import the class behind a component. Raises ComponentError when that fails."""
        provided = self.get(kind, name)
        who = f"{kind} {name!r} of {provided.provider}"
        module, _, attribute = provided.component.target.partition(":")
        try:
            with contextlib.redirect_stdout(sys.stderr):
                target = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise ComponentError(f"{who} can't be loaded: {_reason(error)}") from error
        from vidgan_core.interfaces import BASES

        if not (isinstance(target, type) and issubclass(target, BASES[kind])):
            raise ComponentError(f"{who}: {provided.component.target} is not a {kind}")
        return target

    def announce(self, hook: str, **arguments: Any) -> None:
        """Call a lifecycle hook of every plugin; one that raises is dropped, with a message.

        The project's own observers are not isolated: a run that can't log or draw must say so.
        """
        for impl in reversed(getattr(self.hooks.hook, hook).get_hookimpls()):
            call = partial(impl.function, *(arguments[name] for name in impl.argnames))
            provider = self._providers.get(impl.plugin_name)
            if provider is None or provider.distribution == HOME:
                call()
            elif not self._guarded(provider, call):
                self.hooks.unregister(name=impl.plugin_name)
                print(
                    f"warning: {provider} failed in {hook} and is left out from here on: "
                    f"{self.failures[-1].reason}",
                    file=sys.stderr,
                )

    def _register(self, point: EntryPoint) -> None:
        """Import one manifest, check its hooks and take its components."""
        provider = _provider(point)
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for results
            manifest = point.load()
            self.hooks.register(manifest, name=point.value)
            try:
                self.hooks.check_pending()
                components = self._components(point.value)
            except BaseException:
                self.hooks.unregister(name=point.value)
                raise
        self._providers[point.value] = provider
        for component in components:
            key = (component.kind, component.name)
            self._provided.setdefault(key, []).append(Provided(component, provider))

    def _components(self, plugin: str) -> list[Component]:
        """Ask one registered plugin for its records and check their types."""
        records: list[Component] = []
        for impl in self.hooks.hook.vidgan_components.get_hookimpls():
            if impl.plugin_name == plugin:
                records += cast(Iterable[Component], impl.function())
        for record in records:
            if not isinstance(record, Component):
                raise TypeError(f"vidgan_components() yielded {record!r}, not a Component")
            if record.kind not in KINDS:
                raise ValueError(f"{record.name!r} has the unknown kind {record.kind!r}")
        return records

    def _guarded(self, provider: Provider, call: Callable[[], object]) -> bool:
        """Run a plugin's code; keep what it raises as a failure and return False."""
        try:
            call()
        except (Exception, SystemExit) as error:
            details = "".join(traceback.format_exception(error))
            self.failures.append(Failure(provider, _reason(error), details))
            return False
        return True


def versions(registry: Registry) -> Mapping[str, str]:
    """The distributions that provide components, with their versions."""
    return {p.provider.distribution: p.provider.version for p in registry.all()}


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else ""


def _provider(point: EntryPoint) -> Provider:
    version = point.dist.version if point.dist else ""
    return Provider(_distribution(point), version, point.value)


def _chosen(point: EntryPoint, only: set[str] | None) -> bool:
    return only is None or _distribution(point) in only


def _reason(error: BaseException) -> str:
    """One line for an exception."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
