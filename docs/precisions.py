"""Train recipes in fp32 and in bf16 from the same seeds, and tabulate the distances to real clips.

    python docs/precisions.py               # hours

Each run is in `--out`; its distances are stored in docs/precisions. Existing runs are kept, so the
same command continues after an interruption, and more `--seeds` add runs. Delete the file of a run
to train it again, as a change of `STEPS` or `--clips` requires. Then docs/precisions.md is written
from all of them; a recipe with a single seed has no spread, and no row.
It needs a processor with bf16 instructions.
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
from typing import Any

from results import HERE, figure, machine, vidgan

KEPT = HERE / "precisions"
NUMBERS = {"fd-lite0": "fd, lite0", "fd-motion": "fd, motion"}
PRECISIONS = ("fp32", "bf16")
RECIPES = ("modern-digits", "modern-shapes", "conv3d-digits", "conv3d-shapes")
STEPS = 2000


@dataclass(frozen=True)
class Trained:
    """One recipe in one precision with one seed."""

    recipe: str
    precision: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder and of its file."""
        return f"{self.recipe}-{self.precision}-seed{self.seed}"

    @property
    def file(self) -> Path:
        """The file with its distances."""
        return KEPT / f"{self.name}.json"

    def make(self, out: Path, clips: int) -> None:
        """Train and evaluate; an interrupted run is resumed."""
        print(self.name, file=sys.stderr)
        folder = out / self.name
        what = ("-c", f"recipe:{self.recipe}", "--precision", self.precision, "--seed", self.seed)
        vidgan("run", *what, "--steps", STEPS, "--out", folder, "--resume", "auto")
        found = vidgan("eval", folder, "-n", clips, "--metrics", "fd", "--json")
        (evaluation,) = json.loads(found)
        distances = {n["name"]: n["value"] for n in evaluation["numbers"] if n["name"] in NUMBERS}
        kept = {"steps": STEPS, "clips": clips, "machine": machine()} | distances
        self.file.write_text(json.dumps(kept, indent=1) + "\n")

    def kept(self) -> dict[str, Any]:
        """Return its distances, and how they were measured."""
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found


def main() -> None:
    """Train the missing runs, then write the page."""
    options = parsed()
    options.out.mkdir(exist_ok=True)
    KEPT.mkdir(exist_ok=True)
    for recipe in options.recipes:
        for seed, precision in product(options.seeds, PRECISIONS):
            run = Trained(recipe, precision, seed)
            if not run.file.exists():
                run.make(options.out, options.clips)
    (HERE / "precisions.md").write_text("\n".join(page()) + "\n")


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("precisions"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--clips", type=int, default=1000, help="on each side of the evaluation")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=RECIPES)
    return parser.parse_args()


def found(recipe: str, precision: str) -> list[dict[str, Any]]:
    """Return the stored records of all seeds, in order."""
    runs = (Trained(recipe, precision, seed) for seed in count())
    return [run.kept() for run in takewhile(lambda run: run.file.exists(), runs)]


def page() -> Iterator[str]:
    """Return the page's lines."""
    runs = {(r, p): found(r, p) for r, p in product(RECIPES, PRECISIONS)}
    machines, clips = (
        sorted({run[what] for several in runs.values() for run in several})
        for what in ("machine", "clips")
    )
    yield "# bf16 against fp32"
    yield ""
    yield (
        "`python docs/precisions.py`: one distance per seed, the same seeds in both precisions, "
        f"{' or '.join(f'{n:,}' for n in clips)} clips on each side, on {'; '.join(machines)}. "
        "bf16 ran on the processor's bf16 instructions, not emulated. The difference is bf16 minus "
        "fp32, of the means. The spread is the standard deviation over seeds (of both precisions "
        "together)."
    )
    yield ""
    yield "| recipe | steps | distance | fp32 | bf16 | difference | spread |"
    yield "|---" * 7 + "|"
    for recipe, (number, heading) in product(RECIPES, NUMBERS.items()):
        both = [[run[number] for run in runs[recipe, precision]] for precision in PRECISIONS]
        if min(map(len, both)) < 2:
            continue
        steps = runs[recipe, "fp32"][0]["steps"]
        apart = mean(both[1]) - mean(both[0])
        spread = mean(stdev(values) ** 2 for values in both) ** 0.5
        listed = (", ".join(map(figure, values)) for values in both)
        cells = [f"`{recipe}`", f"{steps:,}", heading, *listed, figure(apart), figure(spread)]
        yield "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
