"""What the verification page of the admin shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from mobile_models.models import Release
from weatherapp.forecasts.verification import selectors
from weatherapp.forecasts.verification.plots import Line, line_chart, reliability_chart
from weatherapp.forecasts.verification.selectors import Question, Result, known_variables
from weatherapp.observations.models import Station

SPANS = (7, 30, 90, 365)  # days
DEFAULT_SPAN = 30
STATIONS_SHOWN = 50


@dataclass(frozen=True)
class Choice:
    """What the form above the page chooses."""

    variable: str
    days: int
    release: str


def read_choice(given: Mapping[str, str], releases: Sequence[str]) -> Choice:
    """The choice in a query string; what is not on the form counts as not chosen."""
    variables = tuple(known_variables())
    variable, release, days = (given.get(name, "") for name in ("variable", "release", "days"))
    return Choice(
        variable=variable if variable in variables else variables[0],
        days=int(days) if days in {str(span) for span in SPANS} else DEFAULT_SPAN,
        release=release if release in releases else "",
    )


def page(given: Mapping[str, str], *, today: date) -> dict[str, Any]:
    """The context of the template."""
    releases = tuple(
        Release.objects.filter(verifications__leads__gt=0).distinct().values_list("version", flat=True)
    )
    choice = read_choice(given, releases)
    span = Question(
        since=today - timedelta(days=choice.days - 1),
        until=today,
        releases=(choice.release,) if choice.release else (),
    )
    by_lead = selectors.results(_grouped(span, "variable", "lead"))
    return {
        "choice": choice,
        "variables": tuple(known_variables()),
        "releases": releases,
        "spans": SPANS,
        "counts": selectors.counts(span),
        "alarms": list(selectors.open_alarms()),
        "scores": [(result, _unit(result.variable.unit)) for result in selectors.results(span)],
        "lead_charts": [_lead_chart(name, by_lead) for name in known_variables()],
        "day_chart": _day_chart(span, choice.variable),
        "reliability_chart": _safe(
            reliability_chart("Chance of precipitation: forecast and seen", selectors.reliability(span))
        ),
        "stations": _stations(span, choice.variable),
        "stations_shown": STATIONS_SHOWN,
        "metric": known_variables()[choice.variable].metric,
        "unit": _unit(known_variables()[choice.variable].unit),
    }


def _grouped(question: Question, *groups: str, variable: str = "") -> Question:
    return Question(
        since=question.since,
        until=question.until,
        releases=question.releases,
        variables=(variable,) if variable else (),
        group_by=groups,
    )


def _lead_chart(name: str, by_lead: Sequence[Result]) -> SafeString:
    found = {result.keys["lead"]: result for result in by_lead if result.keys["variable"] == name}
    leads = range(1, max(found, default=0) + 1)
    variable = known_variables()[name]
    lines = _lines(variable.metric, [found.get(lead) for lead in leads])
    return _safe(line_chart(_title(name), [str(lead) for lead in leads], lines))


def _day_chart(span: Question, variable: str) -> SafeString:
    found = {
        result.keys["day"]: result for result in selectors.results(_grouped(span, "day", variable=variable))
    }
    first = min(found, default=span.since)
    days = [first + timedelta(days=step) for step in range((span.until - first).days + 1)]
    metric = known_variables()[variable].metric
    return _safe(
        line_chart(
            f"{_title(variable)}, by day",
            [f"{day:%d %b}" for day in days],
            _lines(metric, [found.get(day) for day in days]),
            width=760,
            height=230,
        )
    )


def _lines(metric: str, results: Sequence[Result | None]) -> tuple[Line, ...]:
    forecast = [None if result is None else result.score for result in results]
    reference = [None if result is None else result.reference_score for result in results]
    lines = (Line(metric, forecast), Line("same hour yesterday", reference, "reference"))
    if metric != "CRPS":
        return lines
    # The reference's CRPS is its absolute error: both lines can be held against it.
    return (*lines, Line("absolute error", [result.mae if result else None for result in results], "error"))


def _title(name: str) -> str:
    unit = known_variables()[name].unit
    return name.replace("_", " ") + ("" if unit == "1" else f", {_unit(unit)}")


def _unit(unit: str) -> str:
    """As people write it; nothing for shares and probabilities."""
    return {"degC": "°C", "m s-1": "m/s", "1": ""}.get(unit, unit)


def _stations(span: Question, variable: str) -> list[tuple[str, Result]]:
    """Names with their results, the worst against the reference first."""
    found = selectors.results(_grouped(span, "station", variable=variable))
    found.sort(key=lambda result: (result.skill is None, result.skill or 0.0))
    shown = found[:STATIONS_SHOWN]
    names = dict(
        Station.objects.filter(code__in=[result.keys["station"] for result in shown]).values_list(
            "code", "name"
        )
    )
    return [(names.get(result.keys["station"], ""), result) for result in shown]


def _safe(svg: str) -> SafeString:
    return mark_safe(svg)  # noqa: S308 - the drawing escapes every text in it
