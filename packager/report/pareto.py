"""Bytes on the wire against skill loss of a release's variants, as inline SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from packager.report.markup import Markup, join, tag

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 300, 56, 130, 14, 40
TICKS = 5
CAPTION = (
    "KiB on the wire, on a logarithmic scale, and skill loss against the teacher in percent. The line joins "
    "the variants that no other one beats in both."
)


@dataclass(frozen=True, slots=True)
class Variant:
    """One bundle: its name, the place of its card, KiB on the wire, and its loss in percent."""

    name: str
    anchor: str
    kib: float
    loss: float | None


@dataclass(frozen=True, slots=True)
class _Scale:
    kib: tuple[float, float]
    loss: tuple[float, float]

    @classmethod
    def around(cls, drawn: Sequence[tuple[float, float]]) -> "_Scale":
        sizes, losses = zip(*drawn, strict=True)
        low, high = min(*losses, 0.0), max(*losses, 0.0)
        room = 0.08 * (high - low) or 1.0
        return cls((0.85 * min(sizes), 1.15 * max(sizes)), (low - room, high + room))

    def place(self, kib: float, loss: float) -> tuple[float, float]:
        across = math.log(kib / self.kib[0]) / math.log(self.kib[1] / self.kib[0])
        up = (loss - self.loss[0]) / (self.loss[1] - self.loss[0])
        x = LEFT + across * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1)


def front_of(variants: Sequence[Variant]) -> list[Variant]:
    """Variants that no other one beats in both bytes and loss, by bytes; those without a loss are none."""
    best: list[Variant] = []
    for variant in sorted(variants, key=lambda v: (v.kib, math.inf if v.loss is None else v.loss)):
        if variant.loss is not None and (not best or variant.loss < (best[-1].loss or 0.0)):
            best.append(variant)
    return best


def pareto_figure(variants: Sequence[Variant]) -> Markup:
    """The figure with its caption; each dot leads to its variant's card. Empty below two variants."""
    known = [(variant, variant.loss) for variant in variants if variant.loss is not None and variant.kib > 0]
    if len(known) < 2:
        return Markup()
    scale = _Scale.around([(variant.kib, loss) for variant, loss in known])
    path = "L".join("{} {}".format(*scale.place(v.kib, v.loss or 0.0)) for v in front_of(variants))
    dots = join(_dot(variant, loss, scale) for variant, loss in known)
    drawing = tag(
        "svg", tag("title", "Bytes on the wire against skill loss"), _axes(scale),
        tag("path", d=f"M{path}", _class="front"), dots,
        role="img", _class="pareto", viewBox=f"0 0 {WIDTH} {HEIGHT}", width=WIDTH, height=HEIGHT,
    )  # fmt: skip
    return tag("figure", drawing, tag("figcaption", CAPTION))


def _dot(variant: Variant, loss: float, scale: _Scale) -> Markup:
    x, y = scale.place(variant.kib, loss)
    said = tag("title", f"{variant.name}: {variant.kib:.1f} KiB, {loss:.2f} %")
    name = tag("text", variant.name, x=x + 8, y=y + 4)
    return tag("a", said, tag("circle", cx=x, cy=y, r=4.5, _class="dot own"), name, href=f"#{variant.anchor}")


def _axes(scale: _Scale) -> Markup:
    foot, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    lines = []
    for index in range(TICKS + 1):
        share = index / TICKS
        kib = scale.kib[0] * (scale.kib[1] / scale.kib[0]) ** share
        loss = scale.loss[0] + share * (scale.loss[1] - scale.loss[0])
        x, y = scale.place(kib, loss)
        digits = 0 if kib >= 100 else 1
        lines.append(f'<path d="M{x} {TOP}V{foot}M{LEFT} {y}H{right}" class="grid"/>')
        lines.append(f'<text x="{x}" y="{foot + 16}" text-anchor="middle">{kib:,.{digits}f}</text>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{loss:.2f}</text>')
    lines.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">KiB on the wire</text>'
    )
    return Markup("".join(lines))
