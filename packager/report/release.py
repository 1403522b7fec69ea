"""One card for a release: its variants side by side, then each variant's own card, all in one file."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packager.report.card import card_title
from packager.report.full import FULL_STYLE, full_parts
from packager.report.groups import best_baseline
from packager.report.losses import percent
from packager.report.markup import Markup, bullets, section, table, tag
from packager.report.page import page
from packager.report.pareto import Variant, pareto_figure
from packager.report.reading import mapping, number, shown
from packager.report.skill import SPLITS, score_title

KIB = 1024
BUCKET, SPLIT = "1-48", "unseen_station"
# What is alike for every variant stands once, at the top.
SHARED = ("for", "not_for", "data", "licence")
NOTE = "A phone gets one of these: the best that it can run, of those that its channel offers."


@dataclass(frozen=True)
class Carded:
    """A bundle as a release's card needs it.

    Attributes:
        manifest: of the bundle.
        sha256: of the archive.
        bytes_on_wire: what a phone downloads.
        details: as `full_card` takes them; None where they were not measured.
    """

    manifest: Mapping[str, Any]
    sha256: str
    bytes_on_wire: int
    details: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """The variant's name."""
        return str(self.manifest.get("variant", "variant"))

    @property
    def anchor(self) -> str:
        """Where its card is in the file; variants of one name differ by their digest."""
        return f"{re.sub('[^a-zA-Z0-9]+', '-', self.name)}-{self.sha256[:8]}"

    @property
    def loss(self) -> float | None:
        """Skill loss against the teacher, in percent."""
        return number(mapping(self.manifest.get("scores")).get("skill_loss_percent"))


def release_card(bundles: Sequence[Carded], *, title: str) -> bytes:
    """Write the card of a set of bundles.

    Args:
        bundles: at least one; the order does not matter.
        title: of the release.

    Returns:
        One HTML document, UTF-8; links lead to places in it only.
    """
    ordered = sorted(bundles, key=lambda one: (one.bytes_on_wire, one.name, one.sha256))
    parts = {one.anchor: full_parts(one.manifest, one.details) for one in ordered}
    first = parts[ordered[0].anchor]
    points = [Variant(one.name, one.anchor, one.bytes_on_wire / KIB, one.loss) for one in ordered]
    return page(
        f"Model card: {title}",
        *(first[name] for name in ("for", "not_for")),
        section("Variants", tag("p", NOTE), _variants(ordered), pareto_figure(points)),
        section("Skill of all variants", _skill(ordered)),
        first["data"],
        *(_article(one, parts[one.anchor]) for one in ordered),
        section("Licences", bullets(sorted({str(one.manifest.get("licence")) for one in ordered}))),
        style=FULL_STYLE,
    )


def _article(one: Carded, parts: Mapping[str, Markup]) -> Markup:
    """One variant's card, its headings a level lower than alone."""
    own = Markup("".join(part for name, part in parts.items() if name not in SHARED))
    # Text of a manifest is escaped: these are headings of our own.
    lower = Markup(own.replace("<h2>", "<h3>").replace("</h2>", "</h3>"))
    return tag("article", tag("h2", card_title(one.manifest)), lower, id=one.anchor)


def _variants(ordered: Sequence[Carded]) -> Markup:
    rows = [
        (
            tag("a", one.name, href=f"#{one.anchor}"),
            one.manifest.get("format", "?"),
            mapping(one.manifest.get("quantization")).get("scheme", "–"),
            f"{one.bytes_on_wire / KIB:,.1f}",
            "–" if one.loss is None else f"{one.loss:.2f}",
            _interval(one),
            _needs(one.manifest),
            tag("code", one.sha256[:16]),
        )
        for one in ordered
    ]
    heads = (
        "Variant", "Format", "Numbers", "KiB on the wire", "Skill loss, %", "5 to 95 %", "Needs", "SHA-256",
    )  # fmt: skip
    return tag("div", table("By bytes on the wire", heads, rows), _class="scroll")


def _interval(one: Carded) -> str:
    interval = mapping(mapping(one.manifest.get("scores")).get("loss")).get("interval")
    if not isinstance(interval, list) or len(interval) != 2:
        return "–"
    return f"{percent(interval[0])} to {percent(interval[1])}"


def _needs(manifest: Mapping[str, Any]) -> str:
    engines = mapping(manifest.get("engine_min"))
    return ", ".join(f"{name} {engines[name]}" for name in sorted(engines))


def _skill(ordered: Sequence[Carded]) -> Markup:
    """Every score over all leads: a column for each variant, then the teacher and the best baseline."""
    scores = [_scores(one) for one in ordered]
    names = sorted(set().union(*scores))
    rows = [_skill_row(name, [own.get(name, {}) for own in scores]) for name in names]
    heads = ["Score", *(one.name for one in ordered), "Teacher", "Best baseline"]
    caption = f"{SPLITS[SPLIT]}, leads {BUCKET} h; lower is better"
    return tag("div", table(caption, heads, rows), _class="scroll") if rows else Markup()


def _skill_row(name: str, columns: Sequence[Mapping[str, Any]]) -> list[object]:
    # All variants of a release were scored on the same cases: the first that knows the others speaks for all.
    beside: Mapping[str, Any] = next((column for column in columns if len(column) > 1), {})
    best = best_baseline(beside)
    return [
        score_title(name),
        *(shown(column.get("this bundle")) for column in columns),
        shown(beside.get("teacher")),
        f"{shown(best[1])} ({best[0].replace('_', ' ')})" if best else "–",
    ]


def _scores(one: Carded) -> dict[str, dict[str, Any]]:
    """By score, what the bundle, its teacher and the baselines have over all leads."""
    scores = mapping(one.manifest.get("scores"))
    own = mapping(mapping(scores.get("scores")).get(SPLIT))
    references = mapping(mapping(scores.get("references")).get(SPLIT))
    return {name: dict(_sources(name, own, references)) for name in own}


def _sources(name: str, own: Mapping[str, Any], references: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for source, scores in (("this bundle", own), *references.items()):
        value = number(mapping(mapping(scores).get(name)).get(BUCKET))
        if value is not None:
            yield source, value
