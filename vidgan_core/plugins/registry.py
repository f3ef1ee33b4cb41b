"""Find plugins, keep the broken ones from hurting the others, look components up by name.

The only place that turns a name into code.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pluggy

from vidgan_core.errors import (
    ComponentError,
    ShapeError,
    UsageError,
    VidganError,
    did_you_mean,
    explained,
    one_line,
)
from vidgan_core.plugins import hookspecs
from vidgan_core.plugins.component import Component
from vidgan_core.plugins.discovery import GROUP, HOME, Provider, canonical, in_use, plain
from vidgan_core.plugins.discovery import plugins as installed_plugins
from vidgan_core.plugins.kinds import KINDS, Kind, base_class
from vidgan_core.plugins.manifest import APIError, check_api, check_record, summary
from vidgan_core.rng import seed_default

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

logger = logging.getLogger("vidgan.plugins")


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
    status: str = "failed"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A healthy plugin: who provides it, what it is, and the lifecycle hooks that it has."""

    provider: Provider
    summary: str
    hooks: tuple[str, ...]


class Registry:
    """The components of all healthy plugins, and the failures of the others."""

    def __init__(self, points: Iterable[tuple[Provider, EntryPoint]]) -> None:
        """Import and register the manifest behind every entry point, each on its own."""
        self.failures: list[Failure] = []
        self.plugins: list[Plugin] = []
        self._printed: list[str] = []
        self.hooks = pluggy.PluginManager(GROUP)
        self.hooks.add_hookspecs(hookspecs)
        self._provided: dict[tuple[Kind, str], list[Provided]] = {}
        self._providers: dict[str, Provider] = {}
        for provider, point in points:
            self._guarded(provider, partial(self._register, provider, point))

    @classmethod
    def discover(cls, *, third_party: bool = True) -> Registry:
        """Read the installed entry points, those that `in_use` lets through."""
        chosen = in_use(third_party=third_party)
        return cls(
            (provider, point)
            for provider, point in installed_plugins()
            if chosen is None or canonical(provider.distribution) in chosen
        )

    def all(self, kind: Kind | None = None) -> list[Provided]:
        """Every component, of one kind or of all, by kind and name; clashing ones included."""
        order = list(KINDS)
        chosen = [
            p
            for (k, _), providers in self._provided.items()
            for p in providers
            if kind in (None, k)
        ]
        return sorted(chosen, key=lambda p: (order.index(p.component.kind), p.component.name))

    def names(self, kind: Kind) -> list[str]:
        """The names by which the components of one kind are used, sorted."""
        return sorted(map(self.name_of, self.all(kind)))

    def name_of(self, provided: Provided) -> str:
        """Return the name by which a component is used: `distribution:name` where others have it.

        What is ours keeps its name, whoever else claims it.
        """
        component, provider = provided.component, provided.provider
        if provider.distribution == HOME or not self.clashing(provided):
            return component.name
        return f"{canonical(provider.distribution)}:{component.name}"

    def default(self, kind: Kind) -> str:
        """Return the name that is used where nobody gives one. Raises ComponentError if none is."""
        for provided in self.all(kind):
            if self.is_default(provided):
                return provided.component.name
        raise ComponentError(f"there is no default {KINDS[kind].noun}{self._broken()}")

    def defaults(self, kind: Kind) -> list[str]:
        """Return the names of a kind that are on where nobody chooses, such as callbacks."""
        return [p.component.name for p in self.all(kind) if self.is_default(p)]

    def is_default(self, provided: Provided) -> bool:
        """Is it the one of its kind? A stranger's never is, whatever it says."""
        return provided.component.default and provided.provider.distribution == HOME

    def get(self, kind: Kind, name: str) -> Provided:
        """Look one component up: by its name, or by `distribution:name` where several have it.

        Raises UsageError, with the nearest name, if there is none, ComponentError if there are
        several and none of them is ours.
        """
        providers = self._called(kind, name)
        ours = [p for p in providers if p.provider.distribution == HOME]
        for chosen in (providers, ours):
            if len(chosen) == 1:
                return chosen[0]
        if providers:
            names = " or ".join(dict.fromkeys(map(self.name_of, providers)))
            raise ComponentError(_clash(providers), hint=f"say which: {names}")
        known = did_you_mean(name, self.names(kind))
        raise UsageError(f"no {KINDS[kind].noun} named {name!r}", hint=known + self._broken())

    def _called(self, kind: Kind, name: str) -> list[Provided]:
        """Return the components of a kind that a name may mean."""
        whose, _, own = name.rpartition(":")
        found = self._provided.get((kind, own), [])
        if not whose:
            return found
        return [p for p in found if canonical(p.provider.distribution) == canonical(whose)]

    def _broken(self) -> str:
        return "".join(f"; {f.provider} failed to load: {f.reason}" for f in self.failures)

    def load(self, kind: Kind, name: str) -> type:
        """Import the class behind a component. Raises ComponentError when that fails."""
        provided = self.get(kind, name)
        who = f"{kind} {name!r} of {provided.provider}"
        module, _, attribute = provided.component.target.partition(":")
        try:
            with contextlib.redirect_stdout(sys.stderr):
                target = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise ComponentError(f"{who} can't be loaded: {one_line(error)}") from error
        if not (isinstance(target, type) and issubclass(target, base_class(kind))):
            raise ComponentError(f"{who}: {provided.component.target} is not a {kind}")
        return target

    def create(
        self,
        kind: Kind,
        name: str,
        *arguments: object,
        options: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> Any:
        """Make a component: its positional arguments, and its options as a config file holds them.

        With a seed, what it draws from torch's default generator is a function of that seed.
        Raises ComponentError, which names the distribution, where the constructor fails.
        """
        from vidgan_core.plugins.options import typed  # pydantic is not needed to list plugins

        target = self.load(kind, name)
        values = typed(target, options or {})
        if seed is not None:
            seed_default(seed)
        try:
            return target(*arguments, **values)
        except ShapeError as error:
            raise ShapeError(f"{kind} {name!r} {error}") from None
        except VidganError:
            raise
        except Exception as error:
            if explained(error):
                raise
            raise ComponentError(
                f"{self.describe(kind, name)} can't be made: {one_line(error)}"
            ) from error

    def describe(self, kind: Kind, name: str) -> str:
        """Return what a component is called in messages, with its distribution and version."""
        return f"{KINDS[kind].noun} {name!r} of {self.get(kind, name).provider}"

    def clashing(self, provided: Provided) -> bool:
        """Does another plugin provide a component of the same kind and name?"""
        return len(self._rivals(provided)) > 1

    def _rivals(self, provided: Provided) -> list[Provided]:
        """Return all components of its kind and name."""
        return self._provided[provided.component.kind, provided.component.name]

    def complaints(self) -> Iterator[str]:
        """Say, a line each, which plugins failed, printed on import, or claim the same name."""
        for failure in self.failures:
            yield f"plugin {failure.provider} is left out: {failure.reason}"
        yield from self._printed
        for provided in self.all():
            if (name := self.name_of(provided)) != provided.component.name:
                kind, clash = provided.component.kind, _clash(self._rivals(provided))
                yield f"{clash}; {kind} {name} is that of {provided.provider}"

    def announce(self, hook: str, **arguments: Any) -> list[object]:
        """Call a hook of every plugin and return the answers; one that raises is dropped.

        The project's own observers are not isolated: a run that can't log or draw must say so.
        """
        answers: list[object] = []
        for impl in reversed(getattr(self.hooks.hook, hook).get_hookimpls()):
            function = partial(impl.function, *(arguments[name] for name in impl.argnames))

            def call(function: Callable[[], object] = function) -> None:
                answers.append(function())

            provider = self._providers.get(impl.plugin_name)
            if provider is None or provider.distribution == HOME:
                call()
            elif not self._guarded(provider, _quietly(call)):
                self.hooks.unregister(name=impl.plugin_name)
                logger.warning(
                    "%s failed in %s and is left out from here on: %s",
                    *(provider, hook, self.failures[-1].reason),
                )
        return answers

    def _register(self, provider: Provider, point: EntryPoint) -> None:
        """Import one manifest, check its version and hooks, and take its components."""
        with self._overhearing(provider):
            manifest = point.load()
            check_api(manifest)
            if point.value in self._providers:
                raise ValueError(f"its manifest is also that of {self._providers[point.value]}")
            try:
                self.hooks.register(manifest, name=point.value)
                self.hooks.check_pending()
                components = self._components(point.value)
            except BaseException:
                self.hooks.unregister(name=point.value)
                raise
        self._providers[point.value] = provider
        self.plugins.append(Plugin(provider, summary(manifest), self._lifecycle(manifest)))
        for component in components:
            key = (component.kind, component.name)
            self._provided.setdefault(key, []).append(Provided(component, provider))

    @contextlib.contextmanager
    def _overhearing(self, provider: Provider) -> Iterator[None]:
        """Keep what a plugin prints out of stdout, which is for results."""
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                yield
        finally:
            if words := printed.getvalue().split():
                self._printed.append(
                    f"plugin {provider} prints when imported: {plain(' '.join(words))}"
                )

    def _lifecycle(self, manifest: object) -> tuple[str, ...]:
        """Return the names of the hooks that a registered plugin has besides its components."""
        callers = self.hooks.get_hookcallers(manifest) or []
        return tuple(sorted(c.name for c in callers if c.name != "vidgan_components"))

    def _components(self, plugin: str) -> list[Component]:
        """Ask one registered plugin for its records and check their types."""
        records: list[Component] = []
        for impl in self.hooks.hook.vidgan_components.get_hookimpls():
            if impl.plugin_name == plugin:
                records += cast(Iterable[Component], impl.function())
        for record in records:
            check_record(record)
        return records

    def _guarded(self, provider: Provider, call: Callable[[], object]) -> bool:
        """Run a plugin's code; keep what it raises as a failure and return False."""
        try:
            call()
        except (Exception, SystemExit) as error:
            details = "".join(traceback.format_exception(error))
            status = error.status if isinstance(error, APIError) else "failed"
            self.failures.append(Failure(provider, one_line(error), details, status))
            return False
        return True


def versions(registry: Registry) -> Mapping[str, str]:
    """The distributions that plugins come from, with their versions."""
    return {p.provider.distribution: p.provider.version for p in registry.plugins}


def _quietly(call: Callable[[], object]) -> Callable[[], object]:
    """Wrap a plugin's code so that what it prints goes to stderr."""

    def quiet() -> None:
        with contextlib.redirect_stdout(sys.stderr):
            call()

    return quiet


def _clash(providers: Iterable[Provided]) -> str:
    """Say who all provide the same component."""
    providers = list(providers)
    component = providers[0].component
    who = " and ".join(str(p.provider) for p in providers)
    return f"{component.kind} {component.name!r} is provided twice: by {who}"
