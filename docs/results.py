"""Train every recipe of a data set for the same time and tabulate the results.

    python docs/results.py                  # hours: a row takes --minutes and an evaluation

Each row is a run in `--out`, evaluated when its time is up. Its numbers, and the clips of its first
seed, are stored in docs/results. Existing rows are kept, so the same command continues after an
interruption; delete the files of a row to train it again. Then docs/results-DATA.md and
docs/results-DATA.gif are written from the existing rows. Nothing else should run on the machine
during that time.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import vidgan_core
from vidgan_core.media.frames import Frames
from vidgan_core.media.pictures import contact_sheet, to_frames
from vidgan_core.media.write import write_png
from vidgan_core.plugins.recipes import recipes
from vidgan_core.plugins.registry import Registry

HERE = Path(__file__).parent
KEPT = HERE / "results"
ENDLESS = 10_000_000  # steps: the time is what ends a row
METRICS = "fd,kd,prdc,acd,efficiency"
COLUMNS = {  # number: heading
    "fd-lite0": "fd, lite0",
    "fd-motion": "fd, motion",
    "kd-lite0": "kd, lite0",
    "kd-motion": "kd, motion",
    "coverage-lite0": "coverage, lite0",
    "acd": "acd",
    "clips-per-second": "clips/s",
    "parameters": "weights",
}
SHOWN = 8  # clips of each row in the GIF
LETTERS = "abcdefghijklmnopqrstuvwxyz"  # of machines, where rows were made on several
PLATE = 96  # pixels for a row's name
Numbers = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """One recipe with one seed."""

    recipe: str
    seed: int
    folder: Path

    @property
    def architecture(self) -> str:
        """The recipe's name without that of the data."""
        return self.recipe.rpartition("-")[0]

    @property
    def file(self) -> Path:
        """The file with its numbers."""
        return KEPT / f"{self.folder.name}.json"

    @property
    def strips(self) -> Path:
        """The picture of its clips: one per row, all frames from left to right."""
        return self.file.with_suffix(".png")

    def kept(self) -> dict[str, Any]:
        """Return the stored record: minutes of training, and the evaluation."""
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def numbers(self) -> Numbers:
        """Return its numbers by name."""
        return {n["name"]: n for n in self.kept()["evaluation"]["numbers"]}

    def steps(self, machines: list[str]) -> str:
        """Return its number of steps, and the machine's letter if there are several."""
        kept = self.kept()
        which = f" ({LETTERS[machines.index(kept['machine'])]})" if len(machines) > 1 else ""
        return f"{kept['evaluation']['step']:,}{which}"


def main() -> None:
    """Train the missing rows, then write the pages."""
    options = parsed()
    options.out.mkdir(exist_ok=True)
    KEPT.mkdir(exist_ok=True)
    for data in options.data:
        rows = [
            Row(name, seed, options.out / f"{name}-seed{seed}")
            for name in names(data)
            for seed in range(options.seeds)
        ]
        for row in rows:
            if not row.file.exists() and options.only in ("", row.architecture):
                make(row, options.minutes, options.clips)
        done = [row for row in rows if row.file.exists()]
        if done:
            write_gif(done, HERE / f"results-{data}.gif")
            (HERE / f"results-{data}.md").write_text("\n".join(page(data, done)) + "\n")


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--minutes", type=float, default=5.0, help="of training, each row")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--clips", type=int, default=1000, help="on each side of the evaluation")
    parser.add_argument("--data", nargs="+", default=["shapes", "digits"])
    parser.add_argument("--only", default="", help="train the rows of this architecture only")
    return parser.parse_args()


def names(data: str) -> list[str]:
    """Return the recipes of a data set."""
    return [r.name for r in recipes(Registry.discover()) if r.name.endswith(f"-{data}")]


def make(row: Row, minutes: float, clips: int) -> None:
    """Train and evaluate; an interrupted run is resumed."""
    print(row.folder.name, file=sys.stderr)
    long = ("--steps", ENDLESS, "--minutes", minutes, "--set", "checkpoint.every=500")
    where = ("--out", row.folder, "--resume", "auto")
    vidgan("run", "-c", f"recipe:{row.recipe}", "--seed", row.seed, *long, *where)
    found = vidgan("eval", row.folder, "-n", clips, "--metrics", METRICS, "--json")
    if row.seed == 0:
        frames = to_frames(vidgan_core.load(row.folder).sample(SHOWN, seed=0))
        write_png(row.strips, contact_sheet(frames, columns=frames.shape[1], longest=0))
    (evaluation,) = json.loads(found)
    kept = {
        "minutes": minutes,
        "clips": clips,
        "machine": machine(),
        "evaluation": evaluation,
    }
    row.file.write_text(json.dumps(kept, indent=1))


def machine() -> str:
    """Return the number of threads and the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    threads = torch.get_num_threads()
    processor = named[1] if named else platform.machine()
    return f"{threads} thread{'s' if threads > 1 else ''} of {processor}"


def vidgan(*arguments: object) -> str:
    """Run a command and return what it prints on stdout; end if it fails."""
    command = [sys.executable, "-m", "vidgan_core", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout


def write_gif(rows: Iterable[Row], path: Path) -> None:
    """Write a looping GIF: the clips of the first seeds, one architecture per row of the table."""
    bands = [band(row) for row in ordered(rows) if row.seed == 0]
    pictures = [Image.fromarray(np.concatenate(at)) for at in zip(*bands, strict=True)]
    first, *others = [picture.quantize(64) for picture in pictures]
    first.save(path, save_all=True, append_images=others, duration=120, loop=0)


def band(row: Row) -> Frames:
    """Return a row's name and clips, twice as large: (T, height, width, 3)."""
    sheet = np.asarray(Image.open(row.strips).convert("RGB"))
    side = len(sheet) // SHOWN
    # (clips*H, T*W, 3) -> (T, H, clips*W, 3)
    cells = sheet.reshape(SHOWN, side, -1, side, 3).transpose(2, 1, 0, 3, 4)
    clips = cells.reshape(len(cells), side, SHOWN * side, 3).repeat(2, 1).repeat(2, 2)
    plate = Image.new("RGB", (PLATE, 2 * side), "white")
    font = ImageFont.load_default(14)
    ImageDraw.Draw(plate).text((6, side), row.architecture, "black", font, anchor="lm")
    return np.concatenate([np.stack([np.asarray(plate)] * len(clips)), clips], axis=2)


def ordered(rows: Iterable[Row]) -> list[Row]:
    """Sort by the first column, the best first, all seeds of an architecture together."""
    first = next(iter(COLUMNS))
    groups = grouped(rows)
    groups.sort(key=lambda group: mean(row.numbers()[first]["value"] for row in group))
    return [row for group in groups for row in group]


def grouped(rows: Iterable[Row]) -> list[list[Row]]:
    """Return the rows of each architecture."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.architecture, []).append(row)
    return list(groups.values())


def page(data: str, rows: list[Row]) -> Iterator[str]:
    """Return the page's lines."""
    numbers = rows[0].numbers()
    kinds = {(row.kept()["minutes"], row.kept()["clips"]) for row in rows}
    if len(kinds) > 1:
        raise SystemExit(f"rows of different (minutes, clips): {sorted(kinds)}")
    minutes, clips = kinds.pop()
    shown = {name: heading for name, heading in COLUMNS.items() if name in numbers}
    machines = sorted({row.kept()["machine"] for row in rows})
    yield f"# Results on `{data}`"
    yield ""
    yield (
        f"`python docs/results.py`: every recipe for {minutes:g} minutes on {named(machines)}, "
        f"{clips} clips on each side. "
        "A cell is the mean over the seeds +- its standard error (in brackets the largest error of "
        "one seed). The first line is the floor, the score of other real clips. Steps are listed "
        "per seed."
    )
    yield ""
    yield "| architecture | steps | " + " | ".join(shown.values()) + " |"
    yield "|---" * (len(shown) + 2) + "|"
    floors = [numbers[name]["floor"] for name in shown]
    yield "| *real clips* | | " + " | ".join("" if f is None else figure(f) for f in floors) + " |"
    for group in grouped(ordered(rows)):
        steps = ", ".join(row.steps(machines) for row in group)
        cells = [cell([row.numbers()[name] for row in group]) for name in shown]
        yield f"| `{group[0].architecture}` | {steps} | " + " | ".join(cells) + " |"
    yield ""
    yield f"![{SHOWN} clips of each, in the table's order](results-{data}.gif)"


def named(machines: list[str]) -> str:
    """Return the machines' names, with letters if there are several."""
    if len(machines) == 1:
        return machines[0]
    return " or ".join(f"{name} ({LETTERS[at]})" for at, name in enumerate(machines))


def cell(found: list[dict[str, Any]]) -> str:
    """Return the mean over seeds and its standard error."""
    values = [n["value"] for n in found]
    varies = len(set(values)) > 1
    spread = f" +- {figure(stdev(values) / len(values) ** 0.5)}" if varies else ""
    errors = [n["error"] for n in found if n["error"] is not None]
    return figure(mean(values)) + spread + (f" ({figure(max(errors))})" if errors else "")


def figure(value: float) -> str:
    """Return a number with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main()
