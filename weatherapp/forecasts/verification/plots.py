"""Scores as drawings: SVG without a script or a style sheet, in the page's own text colour. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from weatherapp.core.svg import nice_step, text

# Colour and dashes: a line is known without its colour, too.
STROKES = {
    "score": 'stroke="#2563eb" stroke-width="1.8"',
    "error": 'stroke="#0d9488" stroke-width="1.8" stroke-dasharray="1 3" stroke-linecap="round"',
    "reference": 'stroke="#a16207" stroke-width="1.8" stroke-dasharray="5 3"',
}
DOT = "#2563eb"
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 22, 34
TICKS = 4
LETTER = 5.1  # mean width of one, at the size that labels have
MOST_X_LABELS = 8


@dataclass(frozen=True)
class Line:
    """A series over the x positions of a chart; None where there is no figure; `kind` is of `STROKES`."""

    name: str
    values: Sequence[float | None]
    kind: str = "score"


def line_chart(
    title: str, labels: Sequence[str], lines: Sequence[Line], *, width: int = 360, height: int = 210
) -> str:
    """Lines over labelled positions; the y axis begins at 0.

    Args:
        title: said above the chart and to screen readers.
        labels: one per position; as many as fit are written.
        lines: each with a value or None per position.
        width: of the drawing's own units.
        height: likewise.
    """
    known = [value for line in lines for value in line.values if value is not None]
    step = nice_step(max(known, default=1.0), TICKS)
    top = step * max(1, int(np.ceil(max(known, default=1.0) / step - 1e-9)))
    plot = _Plot(width, height, max(len(labels), 1), top)
    parts = [_open(title, width, height), *plot.grid(step), *plot.x_labels(labels)]
    for line in lines:
        parts += plot.line(line)
    return "\n".join([*parts, *_legend(lines, height), "</svg>"])


def reliability_chart(title: str, tenths: Sequence[dict[str, float]], *, size: int = 300) -> str:
    """How often it was wet against the forecast probability; a dot's area grows with its pairs."""
    plot = _Plot(size, size, 1, 1.0)
    most = max((tenth["n"] for tenth in tenths), default=1.0)
    parts = [_open(title, size, size), *plot.grid(0.25)]
    below = size - BOTTOM + 14
    parts += [text(plot.share(share / 4), below, f"{share / 4:.0%}", "middle") for share in range(5)]
    corners = f'x1="{plot.share(0):.1f}" y1="{plot.y(0):.1f}" x2="{plot.share(1):.1f}" y2="{plot.y(1):.1f}"'
    parts.append(f"<line {corners} {STROKES['reference']}/>")
    parts.append(text(size / 2, size - 4, "forecast probability", "middle"))
    for tenth in tenths:
        radius = 2.5 + 7.5 * float(np.sqrt(tenth["n"] / most))
        where = f'cx="{plot.share(tenth["probability"]):.1f}" cy="{plot.y(tenth["frequency"]):.1f}"'
        said = f"{tenth['probability']:.0%} forecast, {tenth['frequency']:.0%} wet, {tenth['n']:.0f} hours"
        parts.append(
            f'<circle {where} r="{radius:.1f}" fill="{DOT}" fill-opacity="0.7">'
            f"<title>{escape(said)}</title></circle>"
        )
    return "\n".join([*parts, "</svg>"])


@dataclass(frozen=True)
class _Plot:
    width: int
    height: int
    positions: int
    top: float

    def x(self, position: float) -> float:
        return LEFT + (position + 0.5) * (self.width - LEFT - RIGHT) / self.positions

    def share(self, value: float) -> float:
        return LEFT + value * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return self.height - BOTTOM - value / self.top * (self.height - TOP - BOTTOM)

    def grid(self, step: float) -> list[str]:
        parts = []
        for tick in np.arange(0.0, self.top + step / 2, step):
            y = self.y(float(tick))
            ends = f'x1="{LEFT}" x2="{self.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
            parts.append(f'<line {ends} stroke="currentColor" stroke-opacity="0.15"/>')
            parts.append(text(LEFT - 6, y + 3.5, f"{tick:g}" if step < 1e4 else f"{tick:.0e}", "end"))
        return parts

    def x_labels(self, labels: Sequence[str]) -> list[str]:
        every = max(1, -(-len(labels) // MOST_X_LABELS))
        y = self.height - BOTTOM + 14
        return [text(self.x(i), y, label, "middle") for i, label in enumerate(labels) if i % every == 0]

    def line(self, line: Line) -> list[str]:
        parts = []
        for run in _unbroken(line.values):
            points = [f"{self.x(index):.1f},{self.y(value):.1f}" for index, value in run]
            if len(run) == 1:  # a lone day is a dot
                x, y = points[0].split(",")
                parts.append(f'<circle cx="{x}" cy="{y}" r="2" {STROKES[line.kind]}/>')
            else:
                parts.append(f'<polyline points="{" ".join(points)}" {STROKES[line.kind]}/>')
        return parts


def _unbroken(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Stretches of positions that have values."""
    runs: list[list[tuple[int, float]]] = []
    for index, value in enumerate(values):
        if value is None:
            continue
        if runs and runs[-1][-1][0] == index - 1:
            runs[-1].append((index, value))
        else:
            runs.append([(index, value)])
    return runs


def _open(title: str, width: int, height: int) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="100%" role="img" fill="none">'
        f"<title>{escape(title)}</title>{text(LEFT, 13, title, 'start', size=12)}"
    )


def _legend(lines: Sequence[Line], height: int) -> list[str]:
    x, y = float(LEFT), height - 6
    parts = []
    for line in lines:
        ends = f'x1="{x:.1f}" x2="{x + 18:.1f}" y1="{y - 3}" y2="{y - 3}"'
        parts.append(f"<line {ends} {STROKES[line.kind]}/>")
        parts.append(text(x + 22, y, line.name, "start"))
        x += 32 + LETTER * len(line.name)
    return parts
