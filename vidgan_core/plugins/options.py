"""A component's options: the keyword-only parameters of its constructor are the schema."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, create_model

from vidgan_core.errors import ComponentError

MAX_INTEGER = 2**31 - 1
MAX_FLOAT = 1e18


@lru_cache
def options_model(component: type) -> type[BaseModel]:
    """Return the model that a component's config table is validated against.

    Raises ComponentError for a constructor that can't be a schema: an option without
    annotation or default, or one of a type that a config file can't hold.
    """
    constructor = component.__init__  # type: ignore[misc]
    where = f"{component.__module__}.{component.__qualname__}"
    try:
        hints = get_type_hints(constructor, include_extras=True)
        options = [
            parameter
            for parameter in inspect.signature(constructor).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY
        ]
        for option in options:
            if option.name not in hints or option.default is option.empty:
                raise TypeError(f"option {option.name!r} needs an annotation and a default")
        fields: dict[str, Any] = {
            o.name: (Annotated[hints[o.name], AfterValidator(_sensible)], o.default)
            for o in options
        }
        strict = ConfigDict(extra="forbid", allow_inf_nan=False)
        return create_model(component.__name__, __config__=strict, **fields)
    except Exception as error:
        raise ComponentError(f"the options of {where} are not valid: {error}") from error


def _sensible(value: object) -> object:
    """Refuse numbers that no component means, whatever bounds it has of its own.

    An integer that overflows in torch, and a float whose square is infinite in single precision.
    """
    for number in value if isinstance(value, list | tuple) else (value,):
        if isinstance(number, int) and abs(number) > MAX_INTEGER:
            raise ValueError(f"must be at most {MAX_INTEGER} in size")
        if isinstance(number, float) and abs(number) > MAX_FLOAT:
            raise ValueError(f"must be at most {MAX_FLOAT:g} in size")
    return value


def typed(component: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options, as a configuration holds them, in the types that the component annotates."""
    model = options_model(component)
    values = model.model_validate_json(json.dumps(dict(options)), strict=True)
    return {name: getattr(values, name) for name in model.model_fields}


@dataclass(frozen=True, slots=True)
class Option:
    """One option in words."""

    name: str
    type: str
    default: str
    bounds: str
    meaning: str


def describe_options(component: type) -> list[Option]:
    """Return a component's options with type, default, bounds and meaning."""
    return [
        Option(
            name,
            getattr(field.annotation, "__name__", "") or str(field.annotation),
            json.dumps(field.default, default=str),
            ", ".join(filter(None, map(_bound, field.metadata))),
            " ".join(getattr(m, "documentation", "") for m in field.metadata).strip(),
        )
        for name, field in options_model(component).model_fields.items()
    ]


_BOUNDS = {
    "gt": "> {}",
    "ge": ">= {}",
    "lt": "< {}",
    "le": "<= {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
}


def _bound(metadata: object) -> str:
    """Return a bound from `annotated_types` in words, nothing for other metadata."""
    found = {name: getattr(metadata, name, None) for name in _BOUNDS}
    return ", ".join(_BOUNDS[n].format(limit) for n, limit in found.items() if limit is not None)
