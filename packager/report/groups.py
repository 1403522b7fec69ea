"""The part of a full card about skill by lead, season and station, beside the teacher and a baseline."""

from collections.abc import Iterator, Mapping
from typing import Any

from packager.report.markup import Markup, join, section, table, tag
from packager.report.reading import mapping, number, shown
from packager.report.skill import SPLITS, score_title

THIS, TEACHER = "this bundle", "teacher"
KINDS = {"lead": "Leads, h", "season": "Season", "station": "Station"}
# Score ÷ the best baseline's up to which a cell is coloured; the stronger the better.
SHADES = ((0.6, "best"), (0.8, "better"), (1.0, "good"))
NOTE = (
    "In each cell: this bundle's error, its teacher's, and that of the best baseline. Lower is better. The "
    "darker a cell, the further below the baseline; ▲ is above it. Differences between small groups are "
    "mostly chance."
)


def groups_section(groups: Mapping[str, Any], stations: Mapping[str, str]) -> Markup:
    """One table for each split and kind of group.

    Args:
        groups: by split, as `packager.details.groups.scores_by_group` gives them.
        stations: names by id.
    """
    tables = [
        _table(split, kind, mapping(mapping(groups[split]).get(kind)), stations)
        for split in sorted(groups, key=lambda split: (split not in SPLITS, split != "unseen_station", split))
        for kind in KINDS
    ]
    return section("Skill by lead, season and station", tag("p", NOTE), *tables) if any(tables) else Markup()


def _table(split: str, kind: str, found: Mapping[str, Any], stations: Mapping[str, str]) -> Markup:
    outputs = _scored(found)
    heads = [KINDS[kind], "Cases", *(score_title(name) for name in outputs)]
    rows = [
        [
            stations.get(name, name),
            shown(group.get("cases")),
            *(_cell(mapping(mapping(group.get("scores")).get(output))) for output in outputs),
        ]
        for name, group in found.items()
    ]
    caption = f"{SPLITS.get(split, split.replace('_', ' '))}, by {kind}"
    return tag("div", table(caption, heads, rows), _class="scroll") if rows else Markup()


def _scored(found: Mapping[str, Any]) -> list[str]:
    """Outputs that the bundle has a score of in some group, in the order of the contract."""
    scores = [mapping(group.get("scores")) for group in found.values()]
    known = [(name, given) for own in scores for name, given in own.items()]
    return list(dict.fromkeys(name for name, given in known if THIS in mapping(given)))


def _cell(scores: Mapping[str, Any]) -> object:
    own = number(scores.get(THIS))
    if own is None:
        return "–"
    best = best_baseline(scores)
    return tag("div", *_lines(own, scores, best), _class=f"cell {_shade(own, best)}".strip())


def _lines(own: float, scores: Mapping[str, Any], best: tuple[str, float] | None) -> Iterator[Markup]:
    above = best is not None and own > best[1]
    yield tag("b", join(["▲ " if above else "", shown(own, 3)]))
    if TEACHER in scores:
        yield tag("small", f"teacher {shown(scores[TEACHER], 3)}")
    if best:
        yield tag("small", f"{best[0].replace('_', ' ')} {shown(best[1], 3)}")


def best_baseline(scores: Mapping[str, Any]) -> tuple[str, float] | None:
    """Name and error of the best source that is neither the bundle nor its teacher; None without one."""
    known = {
        name: value
        for name, given in scores.items()
        if name not in (THIS, TEACHER) and (value := number(given)) is not None
    }
    return min(known.items(), key=lambda item: item[1]) if known else None


def _shade(own: float, best: tuple[str, float] | None) -> str:
    if best is None or best[1] <= 0:
        return ""
    return next((name for limit, name in SHADES if own / best[1] <= limit), "")
