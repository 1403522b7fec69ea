"""The part of a model card about skill: each score by lead, beside the teacher and the baselines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packager.contract import reference_contract
from packager.report.markup import Markup, bar, section, table, tag
from packager.report.reading import mapping, number, shown
from packager.verify.skill import LEAD_BUCKETS, metric_of

SPLITS = {
    "unseen_station": "At stations that no training saw",
    "unseen_period": "On days that no training saw",
}
# The order in which sources stand beside the bundle; others follow by name.
SOURCES = ("teacher", "ridge", "climatology", "same_hour_yesterday", "persistence", "guidance")
UNITS = {"degC": "°C", "m s-1": "m/s", "1": ""}


def skill_section(scores: Mapping[str, Any]) -> Markup:
    """Every score that the manifest holds, one table per split."""
    own, beside = mapping(scores.get("scores")), mapping(scores.get("references"))
    cases = mapping(scores.get("scored_cases"))
    parts = [
        _split_table(split, mapping(own[split]), mapping(beside.get(split)), number(cases.get(split)))
        for split in [*(name for name in SPLITS if name in own), *sorted(set(own) - set(SPLITS))]
    ]
    if not any(parts):
        return section("Skill", tag("p", "The manifest holds no scores by lead."))
    note = (
        "Lower is better. A bar is the error beside that of the best baseline in the row: shorter is better, "
        "and a full bar is no better than the baseline. A dash means that the source does not forecast it, "
        "or that nothing was reported to score it with."
    )
    return section("Skill", tag("p", note), *parts)


def _split_table(
    split: str, own: Mapping[str, Any], beside: Mapping[str, Any], cases: float | None
) -> Markup:
    sources = sorted(beside, key=lambda name: (name not in SOURCES, _place(name), name))
    heads = ["Score", "Leads, h", "This bundle", *(name.replace("_", " ") for name in sources)]
    if sources:
        heads.append("Beside the best baseline")
    counted = f", {cases:,.0f} cases" if cases else ""
    rows = [row for score in sorted(own) for row in _score_rows(score, mapping(own[score]), beside, sources)]
    return table(f"{SPLITS.get(split, split)}{counted}", heads, rows)


def _place(source: str) -> int:
    return SOURCES.index(source) if source in SOURCES else len(SOURCES)


def _score_rows(
    score: str, buckets: Mapping[str, Any], beside: Mapping[str, Any], sources: Sequence[str]
) -> Iterator[list[object]]:
    known = [bucket for bucket in LEAD_BUCKETS if bucket in buckets]
    for bucket in [*known, *sorted(set(buckets) - set(known))]:
        value = number(buckets[bucket])
        others = [number(mapping(mapping(beside[name]).get(score)).get(bucket)) for name in sources]
        row: list[object] = [score_title(score), bucket, shown(value), *(shown(other) for other in others)]
        if sources:
            row.append(_beside(value, _best(sources, others)))
        yield row


def _best(sources: Sequence[str], values: Sequence[float | None]) -> float | None:
    """The lowest error of the baselines: all sources but the teacher."""
    pairs = zip(sources, values, strict=True)
    return min((v for name, v in pairs if name != "teacher" and v is not None), default=None)


def _beside(value: float | None, best: float | None) -> Markup | str:
    if value is None or not best:
        return "–"
    ratio = value / best
    words = f"{abs(1 - ratio):.0%} {'below' if ratio <= 1 else 'above'}"
    return Markup(bar(ratio, words) + " " + words)


def score_title(score: str) -> str:
    """The score's name with what it measures, for outputs of the reference contract."""
    if score == "precipitation_probability":
        return "precipitation probability, Brier"
    output = score.removesuffix("_mae")
    for spec in reference_contract().outputs:
        if spec.name == output:
            metric = "MAE" if score.endswith("_mae") else metric_of(spec)
            unit = UNITS.get(spec.units, spec.units)
            return f"{output.replace('_', ' ')}, {metric}" + (f" {unit}" if unit else "")
    return score.replace("_", " ")
