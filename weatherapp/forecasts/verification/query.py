"""Reading the parameters of `/v1/verification`."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta

from mobile_models.models import Release
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.verification.scoring import BUCKETS
from weatherapp.forecasts.verification.selectors import GROUPS, Question, known_variables
from weatherapp.observations.models import Station

PARAMETERS = ("variable", "station", "lead_bucket", "release", "since", "until", "group_by")
DEFAULT_DAYS, MOST_DAYS = 30, 400
MOST_NAMES = 50
FIRST_DAY, LAST_DAY = date(1971, 1, 1), date(2999, 12, 31)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
NAME = re.compile(r"[\w.\-]{1,64}", re.ASCII)


def parse_question(given: Mapping[str, Sequence[str]], *, today: date) -> Question:
    """Check every parameter.

    Args:
        given: by name, values as sent; lists may be separated by commas, repeated, or both.
        today: UTC; the last day where none is asked for.

    Raises:
        QueryInvalid: names the parameter, what was given and what is allowed.
    """
    unknown = sorted(set(given) - set(PARAMETERS))
    if unknown:
        raise QueryInvalid(f"{_short(unknown[0])} is no parameter; allowed: {', '.join(PARAMETERS)}.")
    until = _day(given, "until", today)
    since = _day(given, "since", until - timedelta(days=DEFAULT_DAYS - 1))
    if not since <= until < since + timedelta(days=MOST_DAYS):
        raise QueryInvalid(
            f"'since' is {since} and 'until' is {until}; allowed: 'until' not before 'since', and at most "
            f"{MOST_DAYS} days."
        )
    question = Question(
        since=since,
        until=until,
        variables=_names(given, "variable", tuple(known_variables())),
        stations=_known(given, "station"),
        buckets=_names(given, "lead_bucket", tuple(BUCKETS)),
        releases=_known(given, "release"),
        group_by=_names(given, "group_by", tuple(GROUPS)) or ("variable",),
    )
    if question.by_station and "lead" in question.group_by:
        raise QueryInvalid(
            "'group_by' has 'lead', and single stations are asked for; their scores are kept by lead_bucket. "
            "Group by lead_bucket, or leave the stations out."
        )
    if {"lead", "lead_bucket"} <= set(question.group_by):
        raise QueryInvalid("'group_by' has 'lead' and 'lead_bucket'; allowed: one of the two.")
    return question


def _names(given: Mapping[str, Sequence[str]], name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    values = _list(given, name)
    for value in values:
        if value not in allowed:
            raise QueryInvalid(f"'{name}' has {_short(value)}; allowed: {', '.join(allowed)}.")
    return values


def _known(given: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    """Names that a row must have."""
    values = _list(given, name)
    for value in values:
        if not NAME.fullmatch(value):
            raise QueryInvalid(f"'{name}' has {_short(value)}; allowed: letters, digits, '.', '-' and '_'.")
    if not values:
        return ()
    if name == "station":
        found = set(Station.objects.filter(code__in=values).values_list("code", flat=True))
    else:
        found = set(Release.objects.filter(version__in=values).values_list("version", flat=True))
    missing = [value for value in values if value not in found]
    if missing:
        raise QueryInvalid(f"'{name}' has {_short(missing[0])}; there is no such {name}.")
    return values


def _list(given: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    parts = [part.strip() for value in given.get(name, ()) for part in value.split(",")]
    values = tuple(dict.fromkeys(part for part in parts if part))
    if len(values) > MOST_NAMES:
        raise QueryInvalid(f"'{name}' has {len(values)} values; allowed: at most {MOST_NAMES}.")
    return values


def _day(given: Mapping[str, Sequence[str]], name: str, default: date) -> date:
    values = _list(given, name)
    if not values:
        return default
    day = None
    if len(values) == 1 and DAY.fullmatch(values[0]):
        with suppress(ValueError):  # such as the 30th of February
            day = date.fromisoformat(values[0])
    if day is None or not FIRST_DAY <= day <= LAST_DAY:
        raise QueryInvalid(
            f"'{name}' is {_short(','.join(values))}; allowed: one day, YYYY-MM-DD, from {FIRST_DAY} on."
        )
    return day


def _short(value: str) -> str:
    return repr(value[:60])
