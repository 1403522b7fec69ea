"""Drawings of a comparison as inline SVG; whatever they show stands in the page's table too."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from packager.comparison.goals import KIB, PHONE_KIB, PHONE_LOSS_PERCENT
from packager.comparison.rows import Row, front_of
from packager.report.markup import Markup, join, tag
from packager.verify.breakdown import APART

WIDTH, HEIGHT = 960, 520
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 20, 50
# A recipe that loses many times what the others do would press them into one line: it stands at the top edge.
MOST_TIMES_MIDDLE = 4.0
SMALL_WIDTH, SMALL_HEIGHT = 168, 112


@dataclass(frozen=True)
class Scale:
    """From bytes (by their logarithm) and percent to the drawing."""

    low_bytes: float
    high_bytes: float
    low: float
    high: float

    @classmethod
    def around(cls, rows: Sequence[Row]) -> "Scale":
        """Room for all rows, and for the goal."""
        sizes = [row.point[0] for row in rows if row.point] + [PHONE_KIB * KIB]
        losses = sorted(row.point[1] for row in rows if row.point)
        middle = losses[len(losses) // 2]
        high = min(losses[-1], max(MOST_TIMES_MIDDLE * abs(middle), 2 * PHONE_LOSS_PERCENT))
        return cls(0.8 * min(sizes), 1.25 * max(sizes), min(losses[0], 0.0) - 0.3, 1.1 * high + 0.3)

    def x(self, size: float) -> float:
        """Where so many bytes are."""
        share = math.log(size / self.low_bytes) / math.log(self.high_bytes / self.low_bytes)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, loss: float) -> float:
        """Where so many percent are; at the edge where they are outside."""
        share = (min(max(loss, self.low), self.high) - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def pareto_plot(rows: Sequence[Row]) -> Markup:
    """Bytes on the wire against skill loss: ours as discs, peers as squares, a line along each front.

    Numbers are those of the table. Whiskers are bootstrap intervals; dashed green lines are the goal.
    """
    drawn = [(number, row) for number, row in enumerate(rows, start=1) if row.point]
    if not drawn:
        return tag("p", "Nothing was measured yet.")
    scale = Scale.around(rows)
    ours = [row for _, row in drawn if row.kind == "recipe"]
    peers = [row for _, row in drawn if row.kind == "peer"]
    best = {row.recipe for row in front_of([row for _, row in drawn])}
    return _svg(
        WIDTH,
        HEIGHT,
        "pareto",
        "Bytes on the wire against skill loss",
        f"{len(ours)} recipes and {len(peers)} stock peers. Nothing beats in both bytes and loss: "
        f"{', '.join(sorted(best))}.",
        _axes(scale),
        _front(front_of(ours), scale, "front"),
        _front(front_of(peers), scale, "peers"),
        join(_mark(number, row, scale, named=row.recipe in best) for number, row in drawn),
    )


def lead_multiples(rows: Sequence[Row]) -> Markup:
    """For each recipe its loss in each lead bucket, all to one scale."""
    shown = [row for row in rows if row.buckets]
    if not shown:
        return Markup()
    values = [value for row in shown for value in row.buckets.values()]
    middle = sorted(values)[len(values) // 2]
    high = max(min(max(values), max(MOST_TIMES_MIDDLE * abs(middle), 2 * PHONE_LOSS_PERCENT)), 0.1)
    low = min(*values, 0.0)
    return tag("div", *(_small(row, low, high) for row in shown), _class="multiples")


def _axes(scale: Scale) -> Markup:
    lines = [_line(LEFT, y, WIDTH - RIGHT, y, "grid") for y in map(scale.y, _ticks(scale))]
    lines += [_text(LEFT - 6, scale.y(loss) + 4, f"{loss:g}", "end") for loss in _ticks(scale)]
    for size in _sizes(scale):
        lines += [
            _line(scale.x(size), TOP, scale.x(size), HEIGHT - BOTTOM, "grid"),
            _text(scale.x(size), HEIGHT - BOTTOM + 16, f"{size / KIB:g}", "middle"),
        ]
    goal = scale.x(PHONE_KIB * KIB), scale.y(PHONE_LOSS_PERCENT)
    return join(
        [
            *lines,
            _line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis"),
            _line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, "axis"),
            _line(goal[0], goal[1], goal[0], HEIGHT - BOTTOM, "limit"),
            _line(LEFT, goal[1], goal[0], goal[1], "limit"),
            _text((LEFT + WIDTH) / 2, HEIGHT - 12, "KiB on the wire (logarithmic)", "middle"),
            _text(LEFT, TOP - 6, "skill loss, %", "start"),
        ]
    )


def _ticks(scale: Scale) -> list[float]:
    step = next(s for s in (0.25, 0.5, 1, 2, 5, 10, 20, 50, 1e9) if (scale.high - scale.low) / s <= 10)
    return [step * k for k in range(math.ceil(scale.low / step), math.floor(scale.high / step) + 1)]


def _sizes(scale: Scale) -> list[int]:
    powers = (KIB * 2**k for k in range(24))
    return [size for size in powers if scale.low_bytes <= size <= scale.high_bytes]


def _front(front: Sequence[Row], scale: Scale, name: str) -> Markup:
    points = " ".join(f"{scale.x(row.point[0])},{scale.y(row.point[1])}" for row in front if row.point)
    return tag("polyline", points=points, _class=name)


def _mark(number: int, row: Row, scale: Scale, *, named: bool) -> Markup:
    size, loss = row.point or (1, 0.0)
    x, y = scale.x(size), scale.y(loss)
    name = "peer" if row.kind == "peer" else "own"
    shape = (
        tag("rect", x=x - 4, y=y - 4, width=8, height=8)
        if row.kind == "peer"
        else tag("circle", cx=x, cy=y, r=4)
    )
    said = tag("title", f"{number}. {row.recipe}: {size / KIB:.1f} KiB, {loss:.2f} %")
    label = f"{number} {row.recipe}" if named else str(number)
    if loss > scale.high:
        label += f" ({loss:.0f} %)"
    # At the right edge a label stands on the left of its mark.
    aside = (-7, "end") if x > WIDTH - 160 else (7, "start")
    parts = [said, shape, _text(x + aside[0], y - 5, label, aside[1])]
    if row.skill_loss_low is not None and row.skill_loss_high is not None:
        ends = scale.y(row.skill_loss_low), scale.y(row.skill_loss_high)
        parts.insert(1, _line(x, ends[0], x, ends[1], "whisker"))
    return tag("g", *parts, _class=name)


def _small(row: Row, low: float, high: float) -> Markup:
    room, base = SMALL_HEIGHT - 54, 34
    unit = room / ((high - low) or 1.0)
    zero = base + high * unit
    width = (SMALL_WIDTH - 16) / len(APART)
    bars: list[Markup] = [_text(4, 14, row.recipe[:28], "start")]
    for index, bucket in enumerate(APART):
        if bucket not in row.buckets:
            continue
        loss, x = row.buckets[bucket], 8 + index * width
        height = abs(min(max(loss, low), high)) * unit
        top = zero - height if loss > 0 else zero
        bars += [
            tag(
                "rect", x=round(x + 4, 1), y=round(top, 1), width=round(width - 8, 1), height=round(height, 1)
            ),
            _text(x + width / 2, SMALL_HEIGHT - 4, bucket, "middle"),
            _text(x + width / 2, top - 2 if loss > 0 else zero - 2, f"{loss:.1f}", "middle"),
        ]
    described = ", ".join(f"{bucket} h: {loss:.2f} %" for bucket, loss in row.buckets.items())
    return _svg(
        SMALL_WIDTH,
        SMALL_HEIGHT,
        f"leads-{row.recipe}",
        f"{row.recipe}: skill loss by lead",
        described,
        _line(4, round(zero, 1), SMALL_WIDTH - 4, round(zero, 1), "axis"),
        tag("g", *bars, _class="peer" if row.kind == "peer" else "own"),
    )


def _svg(width: int, height: int, name: str, title: str, description: str, *parts: Markup) -> Markup:
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-desc"),
        *parts,
        **{"aria-labelledby": f"{name}-title {name}-desc"},
        role="img",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
    )


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, _class=name)


def _text(x: float, y: float, words: object, anchor: str) -> Markup:
    attributes: dict[str, object] = {"text-anchor": anchor, "stroke": "none"}
    return tag("text", words, x=round(x, 1), y=round(y, 1), **attributes)
