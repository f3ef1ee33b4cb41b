"""What a manifest module may say: the API it was written for, a summary, its records."""

from __future__ import annotations

import re
from types import ModuleType

from vidgan_core.plugins.component import Component
from vidgan_core.plugins.hookspecs import API, OLDEST_API
from vidgan_core.plugins.kinds import KINDS


class APIError(Exception):
    """A plugin declares that it was written for another version of hooks and interfaces."""

    def __init__(self, declared: int) -> None:
        """Say which versions would do."""
        new = declared > API
        self.status = "too new" if new else "too old"
        ours = " to ".join(map(str, sorted({OLDEST_API, API})))
        remedy = "upgrade vidgan" if new else "upgrade or uninstall the plugin"
        super().__init__(f"written for plugin API {declared}, vidgan has {ours} here; {remedy}")


def check_api(manifest: ModuleType) -> None:
    """Refuse a manifest whose `VIDGAN_API` is outside of what this version can do."""
    declared = getattr(manifest, "VIDGAN_API", API)
    if not isinstance(declared, int):
        raise TypeError(f"VIDGAN_API must be a whole number, not {declared!r}")
    if not OLDEST_API <= declared <= API:
        raise APIError(declared)


def check_record(record: object) -> None:
    """Refuse what is not a record, or one that could not be looked up."""
    if not isinstance(record, Component):
        raise TypeError(f"vidgan_components() yielded {record!r}, not a Component")
    if record.kind not in KINDS:
        raise ValueError(f"{record.name!r} has the unknown kind {record.kind!r}")
    if not re.fullmatch(r"[\w.]+:\w+", record.target):
        raise ValueError(f"{record.name!r}: {record.target!r} is not package.module:Class")
    if not re.fullmatch(r"[\w.+-]+", record.name):
        raise ValueError(f"{record.name!r} can't be a name: letters, digits, '-', '_', '.', '+'")


def summary(manifest: ModuleType) -> str:
    """Return the first line of a manifest's docstring."""
    return (manifest.__doc__ or "").strip().partition("\n")[0]
