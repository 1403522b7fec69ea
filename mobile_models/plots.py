"""Lines over a measured axis as SVG: no script, no style sheet, the page's own text colour. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape

import numpy as np
from django.utils.safestring import SafeString, mark_safe

from weatherapp.core.svg import nice_step, text

Points = Sequence[tuple[float, float]]

# Colour and dashes: a line is known without its colour, too. Each has 3:1 against white and near-black.
STROKES = (
    'stroke="#7c6bf0" stroke-width="2"',
    'stroke="#b8791b" stroke-width="2" stroke-dasharray="6 3"',
    'stroke="#0f9488" stroke-width="2" stroke-dasharray="1 4" stroke-linecap="round"',
    'stroke="#d1495b" stroke-width="2" stroke-dasharray="8 3 2 3"',
)
MARK = 'stroke="currentColor" stroke-opacity="0.6" stroke-dasharray="2 3"'
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 44, 38
LETTER = 5.4  # mean width of one, at the size that labels have


@dataclass(frozen=True)
class _Plot:
    width: int
    height: int
    left: float
    right: float
    bottom: float
    top: float

    def x(self, value: float) -> float:
        share = (value - self.left) / (self.right - self.left)
        return LEFT + share * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.bottom) / (self.top - self.bottom)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)


def line_plot(
    series: Mapping[str, Points],
    *,
    title: str,
    x_label: str,
    y_label: str,
    width: int = 640,
    height: int = 260,
    marks: Sequence[tuple[float, str]] = (),
) -> SafeString:
    """Lines in one plot; what they show is also said to screen readers.

    Args:
        series: points (x, y) of each line by its name, in the order of x.
        title: said above the plot and to screen readers.
        x_label: what the x axis measures, with its unit.
        y_label: likewise; its axis begins at 0 where no value is negative.
        width: of the drawing's own units; the page scales it.
        height: likewise.
        marks: moments on the x axis with their names, drawn as upright lines.
    """
    plot = _fitted(series, marks, width, height)
    identity = sha256(repr((title, sorted(series.items()))).encode()).hexdigest()[:10]
    labels = f'aria-labelledby="t{identity} d{identity}"'
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="100%" role="img" fill="none" {labels}>',
        f'<title id="t{identity}">{escape(title)}</title>',
        f'<desc id="d{identity}">{escape(_described(series, marks, x_label, y_label))}</desc>',
        text(LEFT, 14, title, "start", size=12),
        *_grid(plot, x_label, y_label),
        *_marks(plot, marks),
    ]
    for index, points in enumerate(series.values()):
        parts += _line(plot, points, STROKES[index % len(STROKES)])
    parts += [*_legend(list(series)), "</svg>"]
    return mark_safe("\n".join(parts))  # noqa: S308 - every word in it was escaped above


def _fitted(
    series: Mapping[str, Points], marks: Sequence[tuple[float, str]], width: int, height: int
) -> _Plot:
    xs = [x for points in series.values() for x, _ in points] + [x for x, _ in marks] or [0.0, 1.0]
    ys = [y for points in series.values() for _, y in points] or [0.0, 1.0]
    left, right = min(xs), max(xs)
    low, high = min(0.0, *ys), max(ys)
    step = nice_step(high - low or 1.0)
    return _Plot(
        width,
        height,
        left,
        right if right > left else left + 1.0,
        step * float(np.floor(low / step + 1e-9)),
        step * max(1.0, float(np.ceil(high / step - 1e-9))),
    )


def _grid(plot: _Plot, x_label: str, y_label: str) -> list[str]:
    parts = []
    across = f'x1="{LEFT}" x2="{plot.width - RIGHT}"'
    for tick in _ticks(plot.bottom, plot.top):
        y = plot.y(tick)
        parts.append(
            f'<line {across} y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" stroke-opacity="0.15"/>'
        )
        parts.append(text(LEFT - 6, y + 3.5, f"{tick:g}", "end"))
    below = plot.height - BOTTOM + 14
    parts += [text(plot.x(tick), below, f"{tick:g}", "middle") for tick in _ticks(plot.left, plot.right)]
    parts.append(text((LEFT + plot.width - RIGHT) / 2, plot.height - 6, x_label, "middle"))
    parts.append(text(plot.width - RIGHT, 14, y_label, "end"))
    return parts


def _ticks(low: float, high: float) -> list[float]:
    step = nice_step(high - low)
    first = int(np.ceil(low / step - 1e-9))
    last = int(np.floor(high / step + 1e-9))
    return [round(position * step, 10) for position in range(first, last + 1)]


def _line(plot: _Plot, points: Points, stroke: str) -> list[str]:
    at = [(f"{plot.x(x):.1f}", f"{plot.y(y):.1f}") for x, y in points]
    if len(at) == 1:
        return [f'<circle cx="{at[0][0]}" cy="{at[0][1]}" r="3" {stroke}/>']
    return [f'<polyline points="{" ".join(f"{x},{y}" for x, y in at)}" {stroke}/>']


def _marks(plot: _Plot, marks: Sequence[tuple[float, str]]) -> list[str]:
    parts = []
    for x, name in marks:
        at = plot.x(x)
        anchor = "end" if at > plot.width * 2 / 3 else "start"
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{plot.height - BOTTOM}" {MARK}/>')
        parts.append(text(at + (-4 if anchor == "end" else 4), TOP + 10, name, anchor))
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    x, parts = float(LEFT), []
    for index, name in enumerate(names):
        stroke = STROKES[index % len(STROKES)]
        parts.append(f'<line x1="{x:.1f}" x2="{x + 22:.1f}" y1="28" y2="28" {stroke}/>')
        parts.append(text(x + 27, 31.5, name, "start"))
        x += 42 + LETTER * len(name)
    return parts


def _described(
    series: Mapping[str, Points], marks: Sequence[tuple[float, str]], x_label: str, y_label: str
) -> str:
    """What a person who cannot see the plot reads: where each line begins and ends, and its highest point."""
    said = [f"{y_label} over {x_label}."]
    for name, points in series.items():
        if not points:
            said.append(f"{name}: nothing yet.")
            continue
        (first, start), (last, end) = points[0], points[-1]
        said.append(f"{name}: {start:.3g} at {first:.3g}, {end:.3g} at {last:.3g}, at most "
                    f"{max(y for _, y in points):.3g}.")  # fmt: skip
    said += [f"{name} at {x:.3g}." for x, name in marks]
    return " ".join(said)
