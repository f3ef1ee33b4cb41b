"""Which metrics are measured, on which features: names and groups become objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeVar, cast

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import UsageError, VidganError
from vidgan_core.interfaces import DataSpec, Degradation, Features, Metric
from vidgan_core.plugins.options import options_model, typed
from vidgan_core.plugins.registry import Registry
from vidgan_evaluation.collect import Wanted

T = TypeVar("T")

GROUPS = ("none", "fast", "full")
MISSING = {  # what an evaluation may not have, and how to say so
    "class": "needs the classes of real and generated clips",
    "pairs": "needs pairs of clips: two folders, or a run of a task with a truth",
    "generator": "needs a generator: a run",
    "train": "needs training clips: a run",
}


@dataclass(frozen=True, slots=True)
class MetricRun:
    """A metric, on one set of features if it needs any.

    `features` names them in `Wanted`; `suffix` is what the names of its numbers end in, and
    `changed` are those of its options that are not the default.
    """

    name: str
    metric: Metric
    changed: Mapping[str, Any]
    features: str = ""
    suffix: str = ""
    sensitive_to: frozenset[Degradation] = frozenset()

    def label(self, number: str) -> str:
        """Return the name under which a number is shown, such as ``fd-lite0``."""
        return f"{number}-{self.suffix}" if self.suffix else number


@dataclass
class Selection:
    """What is measured, what that takes, and what was left out of a group, and why."""

    runs: list[MetricRun] = field(default_factory=list)
    pool: dict[str, Features] = field(default_factory=dict)
    frame_pool: dict[str, Features] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    lenient: bool = False  # is it a group, of which some may be left out?

    def needs(self, what: str) -> bool:
        """Does any of the metrics need it?"""
        return any(what in run.metric.needs for run in self.runs)

    def reasons(self) -> dict[str, list[str]]:
        """Return why something was left out, and all that was for that reason."""
        found: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            found.setdefault(reason, []).append(name)
        return found

    def wanted(self, *, video: bool = True) -> Wanted:
        """Return what is to be gathered of clips."""
        whole = {a.features for a in self.runs if "features" in a.metric.needs}
        single = {a.features for a in self.runs if "frame-features" in a.metric.needs}
        return Wanted(
            {key: f for key, f in self.pool.items() if key in whole},
            {key: f for key, f in self.frame_pool.items() if key in single},
            video and self.needs("video"),
        )


class MetricSelector:
    """Makes metrics and features. `have` is what the evaluation can offer of `MISSING`."""

    def __init__(
        self, registry: Registry, config: RunConfig, spec: DataSpec, have: Iterable[str]
    ) -> None:
        self._registry = registry
        self._config = config
        self._spec = spec
        self._have = frozenset(have)
        self._selection = Selection()

    def select(self, metrics: Sequence[str], features: Sequence[str], least: int) -> Selection:
        """Choose by a group or by names; `least` clips will be on each side.

        What a group holds is left out where it can't be had; a name that can't be is an error.
        Raises UsageError if nothing remains.
        """
        group = metrics[0] if len(metrics) == 1 and metrics[0] in GROUPS else ""
        self._selection.lenient = bool(group)
        names = self._registry.names("metric") if group else metrics
        if group == "none":
            return self._selection
        self._asked_features = features
        for name in names:
            self._registry.get("metric", name)
            self._attempt(name, bool(group), partial(self._metric, name, group, least))
        if not self._selection.runs:
            reasons = self._selection.reasons().items()
            why = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons)
            raise UsageError(f"no metric can be measured: {why or 'none is installed'}")
        return self._selection

    def _metric(self, name: str, group: str, least: int) -> None:
        """Add a metric to the selection, unless it is not in the group."""
        target = cast(type[Metric], self._registry.load("metric", name))
        if group == "fast" and not self._is_fast(target):
            return
        options = self._config.metric[name].options if name in self._config.metric else {}
        metric = target(**typed(target, options))
        if lacking := sorted((metric.needs & MISSING.keys()) - self._have):
            raise UsageError(MISSING[lacking[0]])
        if least < metric.least and "generator" not in metric.needs:
            raise UsageError(f"needs {metric.least} clips on each side, there are {least}")
        base = MetricRun(name, metric, _changed(target, options), sensitive_to=metric.sensitive_to)
        self._selection.runs += filter(None, self._on_features(base, bool(group)))

    def _is_fast(self, target: type[Metric]) -> bool:
        """Does a metric belong to the group "fast"? Where there are pairs these are all it has."""
        return "pairs" in target.needs if "pairs" in self._have else target.fast

    def _on_features(self, run: MetricRun, lenient: bool) -> Iterator[MetricRun | None]:
        """Yield a metric once for every set of features that it is measured on."""
        if not run.metric.needs & {"features", "frame-features"}:
            yield run
            return
        own = run.metric.features
        for name in own or self._features:
            options = own[name] if own else self._options(name)
            key = f"{name}{json.dumps(dict(options), sort_keys=True)}" if own else name
            changed = {k: v for k, v in run.changed.items() if not (own and k in options)}
            on = replace(run, features=key, suffix="" if own else name, changed=changed)
            who = run.name if own else f"{run.name}-{name}"
            yield self._attempt(who, lenient, partial(self._with, on, name, options))

    def _with(self, run: MetricRun, name: str, options: Mapping[str, Any]) -> MetricRun:
        """Put its features into the pools; it is sensitive to no more than they are."""
        sensitive_to: frozenset[Degradation] = frozenset()
        pools = {
            "features": (self._selection.pool, self._spec),
            "frame-features": (self._selection.frame_pool, replace(self._spec, frames=1)),
        }
        for need in run.metric.needs & pools.keys():
            pool, spec = pools[need]
            if run.features not in pool:
                pool[run.features] = self._build(name, options, spec)
            sensitive_to |= pool[run.features].sensitive_to
        return replace(run, sensitive_to=run.sensitive_to & sensitive_to)

    def _build(self, name: str, options: Mapping[str, Any], spec: DataSpec) -> Features:
        target = self._registry.load("features", name)
        network = cast(Features, target(spec, **typed(target, options)))
        return network.eval().requires_grad_(False)

    @cached_property
    def _features(self) -> list[str]:
        """The features that were run for, which must work, or all that do."""
        if self._asked_features:
            return list(self._asked_features)
        for name in self._registry.names("features"):
            make = partial(self._build, name, self._options(name), self._spec)
            if (network := self._attempt(name, True, make)) is not None:
                self._selection.pool[name] = network
        return [name for name in self._registry.names("features") if name in self._selection.pool]

    def _options(self, features: str) -> Mapping[str, Any]:
        tables = self._config.features
        return tables[features].options if features in tables else {}

    def _attempt(self, name: str, lenient: bool, make: Callable[[], T]) -> T | None:
        """Make something; where that can't be, remember why or say whose fault it is."""
        try:
            return make()
        except VidganError as error:
            if lenient:
                self._selection.left_out[name] = str(error)
                return None
            raise type(error)(f"{name}: {error}") from None


def _changed(target: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not the default."""
    defaults = options_model(target)().model_dump(mode="json")
    return {name: value for name, value in options.items() if defaults.get(name) != value}
