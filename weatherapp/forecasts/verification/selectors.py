"""Questions about scores: means of any group are one sum by another."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet, Sum

from packager.contract import reference_contract
from weatherapp.core.arrays import FloatArray
from weatherapp.core.drift import BEFORE_DAYS, RECENT_DAYS
from weatherapp.forecasts.models import (
    DriftAlarm,
    ForecastRun,
    LeadScore,
    ReliabilityBin,
    StationScore,
    Verification,
)
from weatherapp.forecasts.verification.scoring import BUCKETS, SUMS, Variable, variables_of

# What results can be grouped by, and the column of the sums that it stands in.
GROUPS = {
    "variable": "variable",
    "lead": "lead",
    "lead_bucket": "bucket",
    "day": "day",
    "station": "station__code",
    "release": "release__version",
}
LEAST_PAIRED = 100  # a day with fewer pairs says too little of drift


def known_variables() -> dict[str, Variable]:
    """What is scored, by name."""
    return {variable.name: variable for variable in variables_of(reference_contract())}


@dataclass(frozen=True)
class Question:
    """Which scores, in which groups.

    Attributes:
        since: first day (valid time, UTC).
        until: last day, included.
        variables: names; all where empty.
        stations: codes; all where empty.
        buckets: names of lead buckets; all where empty.
        releases: versions; all where empty.
        group_by: names of `GROUPS`, in the order of the answer.
    """

    since: date
    until: date
    variables: tuple[str, ...] = ()
    stations: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ("variable",)

    @property
    def by_station(self) -> bool:
        """Whether the question needs the sums of single stations, which know buckets and no single leads."""
        return bool(self.stations) or "station" in self.group_by


@dataclass(frozen=True)
class Result:
    """The means of one group; `keys` by name of the group. None where nothing can be said."""

    keys: Mapping[str, Any]
    variable: Variable
    n: int
    score: float
    bias: float | None
    mae: float | None
    rmse: float | None
    paired: int
    paired_score: float | None
    reference_score: float | None

    @property
    def skill(self) -> float | None:
        """1 − score ÷ the reference's score, over the pairs that both have."""
        if self.paired_score is None or not self.reference_score:
            return None
        return 1.0 - self.paired_score / self.reference_score


def results(question: Question, *, limit: int | None = None) -> list[Result]:
    """The means of every group with anything in it; one more than `limit` says that there are more."""
    groups = _groups(question)
    columns = [_column(name, question) for name in groups]
    rows = _chosen(question).order_by().values_list(*columns).annotate(**{f"all_{s}": Sum(s) for s in SUMS})
    if "lead_bucket" in groups and not question.by_station:
        return _by_bucket(question, groups, limit)
    rows = rows.order_by(*columns)
    found = [_result(groups, row) for row in (rows if limit is None else rows[: limit + 1])]
    return _in_order(found, groups)


def reliability(question: Question) -> list[dict[str, float]]:
    """Per tenth of the probability of precipitation: its mean, how often it was wet, and how many pairs."""
    chosen = ReliabilityBin.objects.filter(day__gte=question.since, day__lte=question.until)
    if question.releases:
        chosen = chosen.filter(release__version__in=question.releases)
    if question.buckets:
        chosen = chosen.filter(bucket__in=question.buckets)
    rows = chosen.order_by().values_list("tenth").annotate(Sum("n"), Sum("probability"), Sum("occurred"))
    return [
        {"n": n, "probability": probability / n, "frequency": occurred / n}
        for _, n, probability, occurred in rows.order_by("tenth")
    ]


def counts(question: Question) -> dict[str, int]:
    """How many runs the scores come from, and how many of them are replays and hindcasts."""
    first = question.since - timedelta(days=2)
    rows = Verification.objects.filter(
        leads__gt=0, init_time__date__gte=first, init_time__date__lte=question.until
    )
    if question.releases:
        rows = rows.filter(release__version__in=question.releases)
    return rows.aggregate(
        runs=Count("pk"),
        replays=Count("pk", filter=Q(replay=True)),
        hindcasts=Count("pk", filter=Q(hindcast=True)),
    )


def version() -> str:
    """Changes whenever something was counted, forgotten, or an alarm changed."""
    counted = Verification.objects.aggregate(Max("updated"), Count("pk"))
    alarms = DriftAlarm.objects.aggregate(Max("checked"), Count("pk"))
    return f"{sorted(counted.items())} {sorted(alarms.items())}"


def open_alarms() -> QuerySet[DriftAlarm]:
    """Alarms that are open, the newest first."""
    return DriftAlarm.objects.filter(closed=None)


def counted_leads(runs: Sequence[ForecastRun]) -> dict[int, int]:
    """How many leads of each run are counted, by the run's key."""
    if not runs:
        return {}
    rows = Verification.objects.filter(init_time__gte=runs[0].init_time, init_time__lte=runs[-1].init_time)
    done = {(row.release_id, row.init_time): row.leads for row in rows}
    return {run.pk: done.get((run.release_id, run.init_time), 0) for run in runs}


def last_whole_day(now: datetime) -> date:
    """The last day of which every hour's reports are in."""
    return (now - timedelta(hours=settings.VERIFICATION_DELAY_HOURS)).date() - timedelta(days=1)


def daily_ratios(*, last: date) -> dict[str, FloatArray]:
    """Per variable and day the score divided by the reference's; what the drift test looks at.

    Args:
        last: the last day.

    Returns:
        (day,) by variable, oldest first; NaN where a day has too few pairs. Hindcasts count like forecasts.
    """
    days = RECENT_DAYS + BEFORE_DAYS
    first = last - timedelta(days=days - 1)
    rows = (
        LeadScore.objects.filter(day__gte=first, day__lte=last)
        .order_by()
        .values_list("variable", "day")
        .annotate(Sum("paired"), Sum("paired_score"), Sum("reference_score"))
    )
    series: dict[str, FloatArray] = {}
    for variable, day, paired, score, reference in rows:
        if paired >= LEAST_PAIRED and reference > 0 and score > 0:
            values = series.setdefault(variable, np.full(days, np.nan))
            values[(day - first).days] = score / reference
    return series


def _groups(question: Question) -> tuple[str, ...]:
    """The groups of the answer; means over several variables would mix units."""
    return question.group_by if "variable" in question.group_by else ("variable", *question.group_by)


def _column(name: str, question: Question) -> str:
    return "lead" if name == "lead_bucket" and not question.by_station else GROUPS[name]


def _chosen(question: Question) -> QuerySet[Any]:
    table: QuerySet[Any] = StationScore.objects.all() if question.by_station else LeadScore.objects.all()
    rows = table.filter(day__gte=question.since, day__lte=question.until)
    if question.variables:
        rows = rows.filter(variable__in=question.variables)
    if question.releases:
        rows = rows.filter(release__version__in=question.releases)
    if question.stations:
        rows = rows.filter(station__code__in=question.stations)
    if question.buckets and question.by_station:
        rows = rows.filter(bucket__in=question.buckets)
    elif question.buckets:
        spans = (Q(lead__gte=BUCKETS[name][0], lead__lte=BUCKETS[name][1]) for name in question.buckets)
        rows = rows.filter(_any(spans))
    return rows


def _any(conditions: Iterable[Q]) -> Q:
    either = Q()
    for condition in conditions:
        either |= condition
    return either


def _by_bucket(question: Question, groups: tuple[str, ...], limit: int | None) -> list[Result]:
    """Sums of single leads, added up to buckets here: the table has no column for them."""
    found: list[Result] = []
    others = tuple(name for name in groups if name != "lead_bucket")
    position = groups.index("lead_bucket")
    for bucket, (first, last) in BUCKETS.items():
        if question.buckets and bucket not in question.buckets:
            continue
        columns = [GROUPS[name] for name in others]
        rows = (
            _chosen(question)
            .filter(lead__gte=first, lead__lte=last)
            .order_by()
            .values_list(*columns)
            .annotate(**{f"all_{name}": Sum(name) for name in SUMS})
            .order_by(*columns)
        )
        for row in rows if limit is None else rows[: limit + 1]:
            keys = [*row[: len(others)]]
            keys.insert(position, bucket)
            found.append(_result(groups, (*keys, *row[len(others) :])))
    return _in_order(found, groups)


def _in_order(found: list[Result], groups: tuple[str, ...]) -> list[Result]:
    """By the groups from left to right: variables as in the contract, buckets by their leads."""
    places = {name: index for index, name in enumerate((*known_variables(), *BUCKETS))}

    def place(result: Result) -> list[tuple[int, Any]]:
        return [(places.get(result.keys[name], len(places)), result.keys[name]) for name in groups]

    return sorted(found, key=place)


def _result(groups: tuple[str, ...], row: tuple[Any, ...]) -> Result:
    keys = dict(zip(groups, row, strict=False))
    sums = dict(zip(SUMS, row[len(groups) :], strict=True))
    n, paired = sums["n"], sums["paired"]
    variable = known_variables().get(keys["variable"]) or Variable(keys["variable"], "", "score")
    amounts = not variable.metric.startswith(("RPS", "Brier")) or variable.name == "precipitation_probability"
    directed = amounts and variable.metric != "vector error"
    return Result(
        keys=keys,
        variable=variable,
        n=n,
        score=sums["score"] / n,
        bias=sums["error"] / n if directed else None,
        mae=sums["abs_error"] / n if amounts else None,
        rmse=float(np.sqrt(sums["squared_error"] / n)) if amounts else None,
        paired=paired,
        paired_score=sums["paired_score"] / paired if paired else None,
        reference_score=sums["reference_score"] / paired if paired else None,
    )
