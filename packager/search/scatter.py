"""A scatter plot as inline SVG: axes with round figures, limits as lines, every point with its words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from packager.report.markup import Markup, tag

WIDTH, HEIGHT, LEFT, BOTTOM, MARGIN = 640, 360, 64, 44, 14
TICKS = 5


@dataclass(frozen=True, slots=True)
class Point:
    """One trial: where it stands, what its tooltip says, and the class that styles it."""

    x: float
    y: float
    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class Axis:
    """A title and the range that is shown; a limit is drawn as a line."""

    title: str
    low: float
    high: float
    limit: float | None = None

    @classmethod
    def around(cls, title: str, values: Sequence[float], limit: float | None = None) -> "Axis":
        """From the smallest to the largest value and the limit, with room at both ends."""
        known = [*values, *([] if limit is None else [limit])] or [0.0]
        room = 0.06 * (max(known) - min(known)) or 1.0
        return cls(title, min(known) - room, max(known) + room, limit)

    def ticks(self) -> list[float]:
        """Round figures inside the range."""
        rough = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first = math.ceil(self.low / step)
        return [round(index * step, 10) for index in range(first, math.floor(self.high / step) + 1)]

    def share(self, value: float) -> float:
        """Where a value stands in the range, 0..1."""
        return (value - self.low) / (self.high - self.low)


def scatter(title: str, x: Axis, y: Axis, points: Sequence[Point]) -> Markup:
    """The plot; points of the same kind look alike, later ones lie on top."""
    parts = [*_grid(x, y), *_limits(x, y)]
    for point in points:
        left, top = _place(x, y, point.x, point.y)
        parts.append(
            f'<circle cx="{left}" cy="{top}" r="4.5" class="{escape(point.kind)}">'
            f"<title>{escape(point.label)}</title></circle>"
        )
    return tag(
        "svg", tag("title", title), Markup("".join(parts)), role="img", _class="scatter",
        viewBox=f"0 0 {WIDTH} {HEIGHT}", width=WIDTH, height=HEIGHT,
    )  # fmt: skip


def _place(x: Axis, y: Axis, across: float, up: float) -> tuple[float, float]:
    left = LEFT + x.share(across) * (WIDTH - LEFT - MARGIN)
    top = HEIGHT - BOTTOM - y.share(up) * (HEIGHT - BOTTOM - MARGIN)
    return round(left, 1), round(top, 1)


def _grid(x: Axis, y: Axis) -> list[str]:
    foot, right = HEIGHT - BOTTOM, WIDTH - MARGIN
    lines = []
    for value in x.ticks():
        left, _ = _place(x, y, value, y.low)
        lines.append(f'<path d="M{left} {MARGIN}V{foot}" class="grid"/>')
        lines.append(f'<text x="{left}" y="{foot + 16}" text-anchor="middle">{value:,.4g}</text>')
    for value in y.ticks():
        _, top = _place(x, y, x.low, value)
        lines.append(f'<path d="M{LEFT} {top}H{right}" class="grid"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{top + 4}" text-anchor="end">{value:,.4g}</text>')
    middle, half = (LEFT + right) / 2, (MARGIN + foot) / 2
    lines.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x.title)}</text>')
    lines.append(
        f'<text transform="translate(14 {half}) rotate(-90)" text-anchor="middle">{escape(y.title)}</text>'
    )
    return lines


def _limits(x: Axis, y: Axis) -> list[str]:
    lines = []
    if x.limit is not None:
        left, _ = _place(x, y, x.limit, y.low)
        lines.append(f'<path d="M{left} {MARGIN}V{HEIGHT - BOTTOM}" class="limit"/>')
    if y.limit is not None:
        _, top = _place(x, y, x.low, y.limit)
        lines.append(f'<path d="M{LEFT} {top}H{WIDTH - MARGIN}" class="limit"/>')
    return lines
