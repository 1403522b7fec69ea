"""The page of a sensitivity analysis: a heat map of layers and levels for each kind, and what it chooses."""

import math
from collections.abc import Iterator, Mapping

from packager.compress.sensitivity import CLUSTERED, PRUNED, ROUNDED, Row, Sensitivity
from packager.report.markup import Markup, section, table, tag
from packager.report.page import page

TITLES = {
    PRUNED: "One layer pruned: share of its weights that became zero",
    CLUSTERED: "One layer clustered: how many values its weights share",
    ROUNDED: "One layer rounded: bits of its weights, one scale per output",
}
CHOICES = (
    "The strongest level of every layer for which all layers together lose no more than the limit. Losses "
    "are added, and each percent is spent where it saves most bytes. A dash means that the layer stays whole."
)
# Losses, in percent, for which choices are listed.
LIMITS = (0.5, 1.0, 2.0)
NAME_WIDTH, CELL_WIDTH, CELL_HEIGHT = 190, 84, 20
# Percent from which a cell is coloured, and at which it is darkest.
PALE, DARK = 0.01, 100.0
WHITE, BLUE = (255, 255, 255), (16, 62, 118)
# From here on white figures have more contrast than dark ones.
LIGHT_FROM = 0.68
STYLE = """
.heat { max-width: 100%; height: auto; font-size: 12px; print-color-adjust: exact; }
.heat text { fill: #1a1a1a; } .heat .light { fill: #fff; } .heat rect { stroke: #d0d0d0; }
"""


def sensitivity_page(found: Sensitivity, *, subject: str) -> bytes:
    """Draw an analysis.

    Args:
        found: the table.
        subject: which student, for the title.

    Returns:
        One HTML document, UTF-8; equal tables give equal bytes.
    """
    note = (
        f"By how many percent the loss of the whole student rises on {found.cases:,} early-stopping cases "
        f"when one layer alone is compressed, without any fine-tuning; untouched its loss is "
        f"{found.loss:.4f}. Below 0 is chance. Darker is worse, on a logarithmic scale."
    )
    return page(
        f"Sensitivity by layer: {subject}",
        tag("p", note),
        *(section(TITLES[kind], heat_map(found, kind)) for kind in TITLES),
        section("What each layer bears", tag("p", CHOICES), *_choices(found)),
        section("Bytes saved", _bytes(found)),
        style=STYLE,
    )


def heat_map(found: Sensitivity, kind: str) -> Markup:
    """One kind as a grid of layers (down) and levels (across), with figures; empty without rows."""
    rows = {(row.layer, row.level): row for row in found.of(kind)}
    levels = list(dict.fromkeys(level for _, level in rows))
    if not rows:
        return Markup()
    width = NAME_WIDTH + CELL_WIDTH * len(levels)
    height = CELL_HEIGHT * (len(found.layers) + 1)
    heads = [
        _text(_level(kind, level), NAME_WIDTH + CELL_WIDTH * (i + 0.5), 0) for i, level in enumerate(levels)
    ]
    names = [_text(name, 0, line, anchor="start") for line, name in enumerate(found.layers, start=1)]
    cells = [
        _cell(rows[name, level], NAME_WIDTH + CELL_WIDTH * column, line)
        for line, name in enumerate(found.layers, start=1)
        for column, level in enumerate(levels)
        if (name, level) in rows
    ]
    return tag(
        "svg", tag("title", TITLES[kind]), *heads, *names, *cells, role="img", _class="heat",
        viewBox=f"0 0 {width} {height}", width=width, height=height,
    )  # fmt: skip


def _cell(row: Row, left: float, line: int) -> Markup:
    strength = _strength(row.loss_percent)
    rect = tag(
        "rect", x=left, y=CELL_HEIGHT * line, width=CELL_WIDTH, height=CELL_HEIGHT, fill=_colour(strength)
    )
    figure = f"{round(row.loss_percent, 2) + 0.0:+.2f} %"
    said = tag(
        "title", f"{row.layer}, {_level(row.kind, row.level)}: {figure}, {row.bytes_saved:,} bytes saved"
    )
    return tag("g", said, rect, _text(figure, left + CELL_WIDTH / 2, line, light=strength > LIGHT_FROM))


def _text(words: str, x: float, line: int, *, anchor: str = "middle", light: bool = False) -> Markup:
    y = CELL_HEIGHT * (line + 0.7)
    shade = {"_class": "light"} if light else {}
    return tag("text", words, x=round(x, 1), y=round(y, 1), **{"text-anchor": anchor}, **shade)


def _strength(loss_percent: float) -> float:
    """0 for no loss to 1 for `DARK` and more, by its logarithm."""
    if loss_percent <= PALE:
        return 0.0
    return min(1.0, math.log(loss_percent / PALE) / math.log(DARK / PALE))


def _colour(strength: float) -> str:
    mixed = (round(w + (b - w) * strength) for w, b in zip(WHITE, BLUE, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _level(kind: str, level: float) -> str:
    if kind == PRUNED:
        return f"{level:.0%}"
    return f"{level:g} values" if kind == CLUSTERED else f"{level:g} bits"


def _choices(found: Sensitivity) -> Iterator[Markup]:
    for limit in LIMITS:
        chosen: Mapping[str, Mapping[str, float]] = {
            PRUNED: found.sparsities(limit), CLUSTERED: found.clusters(limit), ROUNDED: found.bits(limit)
        }  # fmt: skip
        rows = [
            [name, *(_level(kind, own[name]) if name in own else "–" for kind, own in chosen.items())]
            for name in found.layers
        ]
        yield table(f"At most {limit:g} % in all", ("Layer", "Zeros", "Shared values", "Bits"), rows)


def _bytes(found: Sensitivity) -> Markup:
    """Bytes of float32 kernels that each level saves, before the archive's entropy coding."""
    levels = list(dict.fromkeys((row.kind, row.level) for row in found.rows))
    saved = {(row.layer, row.kind, row.level): row.bytes_saved for row in found.rows}
    rows = [[name, *(f"{saved[name, kind, level]:,}" for kind, level in levels)] for name in found.layers]
    heads = ["Layer", *(_level(kind, level) for kind, level in levels)]
    return table("Of each layer's float32 kernel, before the archive is compressed", heads, rows)
