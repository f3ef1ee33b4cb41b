"""The record by which a plugin announces one component. Free of torch: listing is cheap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vidgan_core.plugins.kinds import Kind


@dataclass(frozen=True, slots=True)
class Component:
    """One thing that a plugin provides, found by kind and name.

    `target` is ``"package.module:Class"`` and is imported when the component is used, not before.
    `usual` is what the component is usually used with: tables of the configuration that hold
    where the user leaves them open, such as ``{"loss": {"name": "hinge"}, "term": {"r1":
    {"weight": 10}}, "data": {"frames": 8}}``. Terms of a component that names a loss go with that
    loss alone, and a task of a component that names a discriminator with that one alone.
    `default` marks the one of its kind that is used where neither the user nor a usual setting
    names one; only vidgan's own components can be that.
    """

    kind: Kind
    name: str
    target: str
    summary: str
    usual: Mapping[str, Any] = field(default_factory=dict)
    default: bool = False
