"""Write a plugin to start from: a distribution that works as it is, from templates/."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from vidgan_core import __version__
from vidgan_core.errors import ComponentError, Problem, UsageError, did_you_mean
from vidgan_core.plugins.discovery import HOME
from vidgan_core.plugins.hookspecs import API
from vidgan_core.plugins.kinds import KINDS
from vidgan_core.plugins.registry import Registry

# What a plugin may have besides components.
HOOKS, COMMAND = "hooks", "command"
SUITES = {kind: info.suite for kind, info in KINDS.items()}
SUITES |= dict.fromkeys((HOOKS, COMMAND), "PluginSuite")


def write_plugin(
    parent: Path,
    name: str,
    kinds: Sequence[str],
    registry: Registry,
    commands: Collection[str] = (),
) -> Path:
    """Write the distribution `name` with a component of each kind; return its folder.

    `commands` are the names of the commands that there are.
    Raises UsageError for a name that can't be, that is taken, or a kind that there is none of.
    """
    if unknown := [kind for kind in kinds if kind not in SUITES]:
        what = f"vidgan {__version__} has no plugins of the kind {unknown[0]!r}"
        raise UsageError(what, hint=did_you_mean(unknown[0], SUITES))
    component = _component(name)
    folder = parent / name
    if folder.exists():
        raise UsageError(f"{folder} is there already")
    for kind in kinds:
        if kind in KINDS and component in registry.names(kind):
            owner = registry.get(kind, component).provider
            raise UsageError(f"there is a {kind} named {component!r} already, of {owner}")
    if COMMAND in kinds and component in commands:
        raise UsageError(f"there is a command named {component!r} already")
    for path, text in _render(name, component, kinds).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    return folder


def _component(name: str) -> str:
    """Return the name of the components of a distribution: foo of vidgan-foo. Checks it."""
    component = name.removeprefix(f"{HOME}-")
    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or component == HOME:
        problem = Problem("NAME", "must be lower-case words with hyphens, as in vidgan-foo", name)
        raise UsageError(str(problem))
    if keyword.iskeyword(module) or find_spec(module) is not None:
        raise UsageError(f"there is a module named {module!r} already", hint="choose another name")
    return component


def _render(name: str, component: str, kinds: Sequence[str]) -> Mapping[str, str]:
    """Return the text of every file of the distribution."""
    try:
        from jinja2 import Environment, StrictUndefined
    except ModuleNotFoundError:
        raise ComponentError("templates need Jinja2: pip install jinja2") from None
    module = name.replace("-", "_")
    chosen = [kind for kind in SUITES if kind in kinds]
    sources = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{module}/__init__.py": "manifest.py",
        f"tests/test_{component.replace('-', '_')}.py": "test.py",
    }
    sources |= {f"{module}/{kind}.py": f"{kind}.py" for kind in chosen if kind != HOOKS}
    words = {
        "name": name,
        "component": component,
        "module": module,
        "camel": "".join(word.capitalize() for word in component.split("-")),
        "kinds": chosen,
        "suites": sorted({"PluginSuite", *(SUITES[kind] for kind in chosen)}),
        "api": API,
        "vidgan": ".".join(__version__.split(".")[:2]),
    }
    jinja = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it writes Python and TOML, from words that are checked
    )
    folder = files("vidgan_core.plugins") / "templates"
    return {
        path: jinja.from_string((folder / f"{source}.j2").read_text("utf-8")).render(words)
        for path, source in sources.items()
    }
