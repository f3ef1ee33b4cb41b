"""Train recipes in fp32 and in bf16, from the same seeds, and tabulate the distances to real clips.

    python docs/precisions.py               # hours

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
from itertools import count, product, takewhile
from pathlib import Path
from statistics import mean, stdev

import torch

from results import HERE, figure, machine, vidgan
from vidgan_core.precision import bf16_on

NUMBERS = {"fd-lite0": "fd, lite0", "fd-motion": "fd, motion"}
PRECISIONS = ("fp32", "bf16")
STEPS = {"modern-digits": 500, "modern-shapes": 500, "conv3d-digits": 1000, "conv3d-shapes": 1000}


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

    def make(self, clips: int) -> None:
        """Train and evaluate; what was interrupted goes on."""
        print(self.folder.name, file=sys.stderr)
        what = ("-c", f"recipe:{self.recipe}", "--precision", self.precision, "--seed", self.seed)
        vidgan(
            "run", *what, "--steps", STEPS[self.recipe], "--out", self.folder, "--resume", "auto"
        )
        self.file.write_text(vidgan("eval", self.folder, "-n", clips, "--metrics", "fd", "--json"))

    def numbers(self) -> dict[str, float]:
        """Return the distances by name."""
        (evaluation,) = json.loads(self.file.read_text())
        return {n["name"]: n["value"] for n in evaluation["numbers"] if n["name"] in NUMBERS}


def main() -> None:
    """Make what is missing, then the page."""
    options = parsed()
    options.out.mkdir(exist_ok=True)
    for recipe in options.recipes:
        for seed, precision in product(options.seeds, PRECISIONS):
            run = Trained(recipe, precision, seed, options.out)
            if not run.file.exists():
                run.make(options.clips)
    (HERE / "precisions.md").write_text("\n".join(page(options.out, options.clips)) + "\n")


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("precisions"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--clips", type=int, default=1000, help="on each side of the evaluation")
    parser.add_argument("--recipes", nargs="+", choices=STEPS, default=list(STEPS))
    return parser.parse_args()


def found(out: Path, recipe: str, precision: str) -> list[dict[str, float]]:
    """Return the distances of every seed that there is, in order."""
    runs = (Trained(recipe, precision, seed, out) for seed in count())
    return [run.numbers() for run in takewhile(lambda run: run.file.exists(), runs)]


def page(out: Path, clips: int) -> Iterator[str]:
    """Return the page's lines."""
    emulated = ", bf16 emulated" if bf16_on(torch.device("cpu")).emulated else ""
    yield "# bf16 against fp32"
    yield ""
    yield (
        "`python docs/precisions.py`: one distance a seed, the same seeds in both precisions, "
        f"{clips:,} clips on each side, {machine()}{emulated}. The difference is that of the "
        "means, the spread the standard deviation over seeds (of both precisions together)."
    )
    yield ""
    yield "| recipe | steps | distance | fp32 | bf16 | difference | spread |"
    yield "|---" * 7 + "|"
    for recipe, steps in STEPS.items():
        exact, rough = (found(out, recipe, precision) for precision in PRECISIONS)
        for number, heading in NUMBERS.items():
            both = [[seed[number] for seed in seeds] for seeds in (exact, rough)]
            apart = mean(both[1]) - mean(both[0])
            spread = mean(stdev(values) ** 2 for values in both) ** 0.5
            listed = (", ".join(map(figure, values)) for values in both)
            cells = [f"`{recipe}`", f"{steps:,}", heading, *listed, figure(apart), figure(spread)]
            yield "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
