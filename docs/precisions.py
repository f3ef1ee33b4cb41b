"""Train recipes in fp32 and in bf16, from the same seeds, and tabulate the distances to real clips.

    python docs/precisions.py               # two hours on one thread

Each run is in `--out`, and so is its evaluation; what is there is not made again, so the same
command goes on where it was stopped. Then docs/precisions.md is written from what there is. Where
the processor has no bf16 instructions its numbers are made of fp32's (vidgan_core/emulated.py).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from results import HERE, figure, vidgan

NUMBERS = {"fd-lite0": "fd, lite0", "fd-motion": "fd, motion"}
PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class Trained:
    """One recipe in one precision with one seed."""

    recipe: str
    precision: str
    seed: int
    out: Path

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.out / f"{self.recipe}-{self.precision}-seed{self.seed}"

    @property
    def file(self) -> Path:
        """Where its evaluation is kept."""
        return self.folder.with_suffix(".json")

    def make(self, steps: int, clips: int) -> None:
        """Train and evaluate; what was interrupted goes on."""
        print(self.folder.name, file=sys.stderr)
        what = ("-c", f"recipe:{self.recipe}", "--precision", self.precision, "--seed", self.seed)
        vidgan("run", *what, "--steps", steps, "--out", self.folder, "--resume", "auto")
        self.file.write_text(vidgan("eval", self.folder, "-n", clips, "--metrics", "fd", "--json"))

    def numbers(self) -> dict[str, float]:
        """Return the distances by name."""
        (evaluation,) = json.loads(self.file.read_text())
        return {n["name"]: n["value"] for n in evaluation["numbers"] if n["name"] in NUMBERS}


def main() -> None:
    """Make what is missing, then the page."""
    options = parsed()
    options.out.mkdir(exist_ok=True)
    trained = {
        recipe: [
            Trained(recipe, precision, seed, options.out)
            for seed in range(options.seeds)
            for precision in PRECISIONS
        ]
        for recipe in options.recipes
    }
    for runs in trained.values():
        for run in runs:
            if not run.file.exists():
                run.make(options.steps, options.clips)
    lines = page(trained, options.steps, options.clips)
    (HERE / "precisions.md").write_text("\n".join(lines) + "\n")


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("precisions"))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clips", type=int, default=1000, help="on each side of the evaluation")
    usual = [f"{name}-{data}" for name in ("modern", "conv3d") for data in ("digits", "shapes")]
    parser.add_argument("--recipes", nargs="+", default=usual)
    return parser.parse_args()


def page(trained: dict[str, list[Trained]], steps: int, clips: int) -> Iterator[str]:
    """Return the page's lines."""
    yield "# bf16 against fp32"
    yield ""
    yield (
        f"`python docs/precisions.py`: {steps:,} steps of each recipe, {clips:,} clips on each "
        "side; one distance a seed, the same seeds in both precisions. The difference is that of "
        "the means, the spread the standard deviation over seeds (of both precisions together)."
    )
    yield ""
    yield "| recipe | distance | fp32 | bf16 | difference | spread |"
    yield "|---" * 6 + "|"
    for recipe, runs in trained.items():
        for number, heading in NUMBERS.items():
            found = {
                precision: [r.numbers()[number] for r in runs if r.precision == precision]
                for precision in PRECISIONS
            }
            listed = [", ".join(map(figure, values)) for values in found.values()]
            apart = mean(found["bf16"]) - mean(found["fp32"])
            spread = mean(stdev(values) ** 2 for values in found.values()) ** 0.5
            cells = [f"`{recipe}`", heading, *listed, figure(apart), figure(spread)]
            yield "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
