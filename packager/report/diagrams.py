"""Reliability diagrams as inline SVG: what was said along, what happened up, a diagonal for both alike."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packager.report.markup import Markup, join, tag

SIDE, LEFT, TOP, BOTTOM, RIGHT = 130, 30, 6, 18, 8
WIDTH, HEIGHT = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
SMALLEST, LARGEST = 1.5, 6.0
TICKS = (0.0, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Dot:
    """Forecasts that said about the same: what they said and what happened, 0..1, and how many there were."""

    said: float
    happened: float
    count: int


@dataclass(frozen=True, slots=True)
class Series:
    """One source of forecasts; `kind` is the class that styles it."""

    name: str
    kind: str
    dots: Sequence[Dot]


def reliability_diagram(title: str, series: Iterable[Series]) -> Markup:
    """A figure with its caption; the area of a dot is its share of the source's forecasts.

    Args:
        title: of the event or the variable.
        series: later ones lie on top.
    """
    lines = join(part for own in series for part in _series(own))
    drawing = tag(
        "svg", tag("title", f"Reliability of {title}"), _frame(), lines, role="img", _class="reliability",
        viewBox=f"0 0 {WIDTH} {HEIGHT}", width=WIDTH, height=HEIGHT,
    )  # fmt: skip
    return tag("figure", drawing, tag("figcaption", title))


def _frame() -> Markup:
    foot, right = TOP + SIDE, LEFT + SIDE
    parts = [f'<path d="M{LEFT} {TOP}V{foot}H{right}" class="axis"/>']
    parts.append(f'<path d="M{LEFT} {foot}L{right} {TOP}" class="ideal"/>')
    for tick in TICKS:
        x, y = _place(tick, tick)
        parts.append(f'<text x="{x}" y="{foot + 13}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    return Markup("".join(parts))


def _series(own: Series) -> Iterable[Markup]:
    places = [_place(dot.said, dot.happened) for dot in own.dots]
    if not places:
        return
    path = "L".join(f"{x} {y}" for x, y in places)
    yield tag("path", d=f"M{path}", _class=f"line {own.kind}")
    total = sum(dot.count for dot in own.dots) or 1
    for dot, (x, y) in zip(own.dots, places, strict=True):
        said = f"{own.name}: said {dot.said:.1%}, happened {dot.happened:.1%}, {dot.count:,} hours"
        radius = round(SMALLEST + (LARGEST - SMALLEST) * math.sqrt(dot.count / total), 1)
        yield tag("circle", tag("title", said), cx=x, cy=y, r=radius, _class=f"dot {own.kind}")


def _place(said: float, happened: float) -> tuple[float, float]:
    x, y = (min(max(value, 0.0), 1.0) for value in (said, happened))
    return round(LEFT + x * SIDE, 1), round(TOP + (1.0 - y) * SIDE, 1)
