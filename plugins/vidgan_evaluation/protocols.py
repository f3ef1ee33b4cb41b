"""Published protocols by name, from protocols.toml. Free of torch."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import UsageError
from vidgan_core.interfaces.dataset import DataSpec, Split


@dataclass(frozen=True, slots=True)
class Published:
    """How the code of a paper measures: `n` generated clips against at most as many real ones.

    A clip has `frames` frames of `size` x `size` pixels, every `stride`-th of its video. Real
    clips are one of each of the `videos`, or all `windows`. `resize` is I3D's sampling grid.
    """

    name: str
    source: str
    metric: str
    features: str
    resize: str
    frames: int
    stride: int
    size: int
    n: int
    clips: Literal["videos", "windows"]
    split: Split

    @property
    def settings(self) -> tuple[str, ...]:
        """What it sets in a run's configuration."""
        return (f'metric.{self.metric}.resize="{self.resize}"',)

    def check(self, config: RunConfig, spec: DataSpec) -> None:
        """Refuse a run that can't give the published number: UsageError says all that is missing.

        `spec` is the clip that the run makes.
        """
        if missing := "; ".join(self._missing(config, spec)):
            raise UsageError(f"{self.name} is not what would be measured. It needs {missing}")

    def _missing(self, config: RunConfig, spec: DataSpec) -> list[str]:
        found = []
        options = config.metric[self.metric].options if self.metric in config.metric else {}
        if not options.get("weights"):
            key = f"metric.{self.metric}.weights"
            found.append(f"the weights of {self.features} (--set {key}=FILE, vidgan convert-i3d)")
        made = f"{spec.frames} frames at {spec.width}x{spec.height}"
        wanted = f"{self.frames} frames at {self.size}x{self.size}"
        if made != wanted:
            found.append(f"clips of {wanted} (the run makes {made})")
        if (stride := config.data.options.get("stride", 1)) != self.stride:
            found.append(f"data.stride = {self.stride} (it is {stride})")
        return found


@cache
def protocols() -> dict[str, Published]:
    """Return all published protocols by their names."""
    text = files("vidgan_evaluation").joinpath("protocols.toml").read_text("utf-8")
    return {name: Published(name, **table) for name, table in tomllib.loads(text).items()}


def decided(options: Mapping[str, object]) -> bool:
    """Say whether options of the command line set what a published protocol decides."""
    own = (options["count"], options["split"], options["features"])
    return any(own) or options["metrics"] != "fast"
