"""A comparison as one HTML file that asks for nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import cycle
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from vidgan_core import __version__
from vidgan_evaluation.comparison import Comparison, figure, floor
from vidgan_evaluation.plots import COLOURS, bars_chart, curves_chart
from vidgan_evaluation.sample_clips import ClipSample

CELL = 88  # pixels of a clip, whatever its own size
COLUMNS = 3
MOST_CURVES = 6  # the others are in the table
LOSSES = ("discriminator/loss", "generator/loss")
ARROWS = {"lower": "↓", "higher": "↑"}
FIGURE = '<b class="figure"></b>'  # the style sheet counts them


def render(comparison: Comparison, films: Sequence[ClipSample], command: str) -> str:
    """Return the page."""
    template = Path(__file__).parent / "templates" / "compare.html"
    labels = [entry.label for entry in comparison.entries]
    sections = [_numbers(comparison), _samples(films), *_charts(comparison), _configs(comparison)]
    return Template(template.read_text("utf-8")).substitute(
        title=f"{len(labels)} runs compared" if len(labels) > 1 else "A run",
        lead=escape(_lead(comparison)),
        sections="\n".join(filter(None, sections)),
        version=__version__,
        command=escape(command),
    )


def _lead(comparison: Comparison) -> str:
    tables = (t for entry in comparison.entries for t in entry.config.networks.values())
    names = sorted({table.name for table in tables})
    data = sorted({entry.config.data.name for entry in comparison.entries})
    return f"Networks: {', '.join(names)}. Data: {', '.join(data)}."


def _numbers(comparison: Comparison) -> str:
    if not comparison.numbers:
        return _section(
            "Numbers", "<p>None of the runs was evaluated: <code>vidgan eval RUN</code>.</p>"
        )
    heading = "".join(
        f"<th>{_dot(shade)}{escape(entry.label)}</th>"
        for entry, shade in zip(comparison.entries, cycle(COLOURS), strict=False)
    )
    facts = {
        "training steps": [f"{entry.step:,}" for entry in comparison.entries],
        "minutes": [f"{entry.seconds / 60:.1f}" for entry in comparison.entries],
    }
    rows = [_row(escape(name), map(_cell, cells)) for name, cells in facts.items()]
    rows += [_number_row(comparison, name) for name in comparison.numbers]
    caption = (
        "<b>Table 1.</b> Value ± standard error at the latest evaluated step; the best is bold, "
        "arrows say which way is better. The floor is what held-out real clips score in the place "
        "of generated ones, at the same number of clips."
    )
    table = (
        f'<div class="scroll"><table><caption>{caption}</caption><thead><tr><th></th>{heading}'
        f"<th>floor</th><th>protocol</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    return _section("Numbers", table + _shared(comparison))


def _number_row(comparison: Comparison, name: str) -> str:
    of_runs = comparison.numbers[name]
    one = next(iter(of_runs.values()))
    best = comparison.best(name)
    cells = [
        _cell(figure(of_runs[entry.label]), best == entry.label)
        if entry.label in of_runs
        else _cell("-")
        for entry in comparison.entries
    ]
    cells += [_cell(floor(of_runs)), f'<td class="small">{escape(one.protocol)}</td>']
    return _row(f"{escape(name)}&nbsp;{ARROWS[one.better]}", cells)


def _row(title: str, cells: Iterable[str]) -> str:
    return f"<tr><th>{title}</th>{''.join(cells)}</tr>"


def _cell(text: str, best: bool = False) -> str:
    return f"<td{' class=best' if best else ''}>{escape(text)}</td>"


def _shared(comparison: Comparison) -> str:
    """Say what the protocols of all numbers share beside what the table says."""
    numbers = [next(iter(of_runs.values())) for of_runs in comparison.numbers.values()]
    hashes = sorted({(n.name.rpartition("-")[2], n.features[:12]) for n in numbers if n.features})
    first = numbers[0]
    features = "".join(f"features {escape(name)} {hash_}; " for name, hash_ in hashes)
    return (
        f'<p class="small">{features}data {first.data[:12]}, {first.split} split; '
        f"vidgan {escape(first.version)}.</p>"
    )


def _samples(films: Sequence[ClipSample]) -> str:
    if not films:
        return ""
    shown = "".join(
        f'<figure><img src="{_webp(film)}" alt="clips of {escape(film.label)}">'
        f"<figcaption><b>{_dot(shade) if film.mark else ''}{escape(film.label)}</b>"
        f"{escape(film.note)}</figcaption></figure>"
        for film, shade in zip(films, _shades(films), strict=False)
    )
    caption = f"{FIGURE} The first clips of the seed, not chosen by eye, at equal size."
    grid = f'<div class="clips" style="--columns:{min(len(films), 5)}">{shown}</div>'
    return _section("Samples", f"<figcaption>{caption}</figcaption>{grid}")


def _shades(films: Sequence[ClipSample]) -> Iterator[str]:
    """Return the colour of each run as in the charts; the real clips have none."""
    colours = cycle(COLOURS)
    return (next(colours) if film.mark else "" for film in films)


def _webp(film: ClipSample) -> str:
    """Return clips (B, T, H, W, 3) as a grid that plays, in a data URL."""
    images = [Image.fromarray(frame) for frame in _grid(film)]
    file = io.BytesIO()
    images[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / film.fps),
        loop=0,
        quality=82,
        method=4,
    )
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _grid(film: ClipSample) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Lay clips out in rows of `COLUMNS`, each frame scaled to `CELL` pixels, with thin gaps."""
    count, length = film.clips.shape[:2]
    rows = -(-count // COLUMNS)
    step = CELL + 2
    sheet = np.full((length, rows * step - 2, COLUMNS * step - 2, 3), 255, np.uint8)
    for number, clip in enumerate(film.clips):
        top, left = (place * step for place in divmod(number, COLUMNS))
        for time, frame in enumerate(clip):
            scaled = Image.fromarray(frame).resize((CELL, CELL), Image.Resampling.BICUBIC)
            sheet[time, top : top + CELL, left : left + CELL] = np.asarray(scaled)
    return sheet


def _charts(comparison: Comparison) -> Iterator[str]:
    measured = [name for name in comparison.curves if _moves(comparison, name)][:MOST_CURVES]
    if measured:
        caption = (
            f"{FIGURE} Evaluations of the averaged generator along steps, real clips seen "
            "and time of training, with standard errors; dotted: the floor. "
            f"By protocols {escape(', '.join(_curve_protocols(comparison, measured)))}."
        )
        yield _section("Learning curves", _chart(curves_chart(comparison, measured), caption))
    caption = f"{FIGURE} Losses. Different objectives have different scales."
    title = "" if measured else "Learning curves"
    yield _section(title, _chart(curves_chart(comparison, LOSSES), caption))
    if comparison.numbers:
        caption = f"{FIGURE} The numbers of table 1 with standard errors; dotted: the floor."
        yield _section("Numbers side by side", _chart(bars_chart(comparison), caption))


def _curve_protocols(comparison: Comparison, names: Sequence[str]) -> Iterator[str]:
    """Yield by which protocol each curve is."""
    for name in names:
        yield next(n.protocol for of in comparison.curves[name].values() for n in of.values())


def _moves(comparison: Comparison, name: str) -> bool:
    """Has a number changed while a run was trained?"""
    of_runs = comparison.curves[name].values()
    return any(len({number.value for number in curve.values()}) > 1 for curve in of_runs)


def _chart(svg: str, caption: str) -> str:
    data = base64.b64encode(svg.encode()).decode()
    image = f'<img class="chart" src="data:image/svg+xml;base64,{data}" alt="chart">'
    return f"<figure><figcaption>{caption}</figcaption>{image}</figure>"


def _configs(comparison: Comparison) -> str:
    rows = comparison.config_differences()
    heading = "".join(f"<th>{escape(entry.label)}</th>" for entry in comparison.entries)
    body = "".join(
        f"<tr><th>{escape(key)}</th>{''.join(f'<td>{escape(v)}</td>' for v in values)}</tr>"
        for key, values in rows.items()
    )
    caption = "<b>Table 2.</b> Where the configurations differ; everything else is the same."
    table = (
        f'<div class="scroll"><table class="config"><caption>{caption}</caption><thead><tr>'
        f"<th>key</th>{heading}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    return _section("Configurations", table if rows else "<p>They are the same.</p>")


def _dot(shade: str) -> str:
    return f'<span class="dot" style="background:{shade}"></span>'


def _section(title: str, content: str) -> str:
    heading = f"<h2>{title}</h2>" if title else ""
    return f"<section>{heading}\n{content}\n</section>"
