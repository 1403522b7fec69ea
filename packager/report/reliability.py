"""The part of a full card about reliability: diagrams of chances and of quantiles, bundle beside teacher."""

from collections.abc import Iterator, Mapping
from typing import Any

from packager.report.diagrams import Dot, Series, reliability_diagram
from packager.report.markup import Markup, section, tag
from packager.report.reading import mapping, number

# The teacher first: the bundle lies on top of it.
KINDS = {"teacher": "other", "this bundle": "own"}
CHANCES = (
    "Chances: across, the probability that was said, in ten bins; up, how often it happened; below the "
    "diagonal it was said too often. The area of a dot is the share of hours."
)
QUANTILES = (
    "Quantiles: across, the level; up, the share of hours that were at or below the quantile; "
    "below the diagonal the quantile is too low."
)
LEGEND = (
    "On the diagonal words and weather agree. Filled: this bundle. Open: its "
    "teacher. At stations that no training saw, all leads."
)


def reliability_section(found: Mapping[str, Any]) -> Markup:
    """Diagrams of everything that was measured.

    Args:
        found: by source and event or variable, as `packager.verify.reliability` gives it.
    """
    chances: list[Markup] = []
    quantiles: list[Markup] = []
    for name in dict.fromkeys(name for source in KINDS for name in mapping(found.get(source))):
        data = {source: mapping(mapping(found.get(source)).get(name)) for source in KINDS}
        drawn = reliability_diagram(name.replace("_", " "), _series(data))
        (chances if any("bins" in own for own in data.values()) else quantiles).append(drawn)
    return section(
        "Reliability",
        tag("p", LEGEND) if chances or quantiles else None,
        _row(CHANCES, chances),
        _row(QUANTILES, quantiles),
    )


def _row(words: str, diagrams: list[Markup]) -> Markup:
    return Markup(tag("p", words) + tag("div", *diagrams, _class="multiples")) if diagrams else Markup()


def _series(data: Mapping[str, Mapping[str, Any]]) -> Iterator[Series]:
    for source, own in data.items():
        yield Series(source, KINDS[source], list(_dots(own)))


def _dots(own: Mapping[str, Any]) -> Iterator[Dot]:
    if "bins" in own:
        for held in own["bins"]:
            yield Dot(held["forecast"], held["observed"], held["hours"])
        return
    hours = int(number(own.get("hours")) or 0)
    for level, share in zip(own.get("levels", ()), own.get("observed", ()), strict=True):
        yield Dot(level, share, hours)
