"""Print docs/hooks.md: python docs/make_hooks.py > docs/hooks.md."""

from __future__ import annotations

import inspect
from types import FunctionType

from vidgan_core.plugins import hookspecs

HEAD = f"""# Hooks

The hooks that a plugin can implement, plugin API {hookspecs.API}. This page is generated from the
docstrings in `vidgan_core/plugins/hookspecs.py`: `python docs/make_hooks.py > docs/hooks.md`.
[The author's guide](authors.md) shows them in use.

A hook is a function in the plugin's manifest, marked with `vidgan_core.hookimpl`. It declares the
arguments that it needs, by name, and omits the rest. If a hook of a third-party plugin raises, it
is disabled for the rest of the command, and a line on stderr reports it.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *map(section, hooks())])


def hooks() -> list[FunctionType]:
    """Return the hooks in the order in which they are called."""
    members = vars(hookspecs).items()
    return [m for name, m in members if name.startswith("vidgan_") and inspect.isfunction(m)]


def section(hook: FunctionType) -> str:
    """Return one hook's signature and docstring."""
    signature = str(inspect.signature(hook)).replace("'", "")
    text = (inspect.getdoc(hook) or "").replace("``", "`")
    return f"## `{hook.__name__}`\n\n```python\n{hook.__name__}{signature}\n```\n\n{text}\n"


if __name__ == "__main__":
    print(page(), end="")
