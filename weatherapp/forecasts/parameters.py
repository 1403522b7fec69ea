"""Reading one parameter of `/v1/forecast` at a time: what was given, what is allowed. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from weatherapp.forecasts.errors import QueryInvalid

Parameters = Mapping[str, list[str]]

# Of ISO 8601's forms this grammar has these.
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:00)?", re.ASCII)
SHOWN = 60  # characters of a refused value that the reason repeats
SWITCHES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def split_lists(pairs: Iterable[tuple[str, Any]]) -> dict[str, list[str]]:
    """Collect values by name: repeated keys, commas and JSON lists mix freely; empty items vanish."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        values = value if isinstance(value, list) else [value]
        # PHP's and some JavaScript libraries' way to repeat a key.
        items = found.setdefault(name.removesuffix("[]"), [])
        for one in values:
            items.extend(item for part in text(one).split(",") if (item := part.strip()))
    return found


def text(value: Any) -> str:
    """A value of a JSON body as it would stand in a query string."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, dict | list):
        raise QueryInvalid(
            f"A value must be a text, a number or a list of those; {str(value)[:SHOWN]!r} was given."
        )
    return str(value)


def single(parameters: Parameters, name: str, default: str) -> str:
    """The one value of a parameter."""
    values = parameters.get(name)
    if not values:
        return default
    if len(values) > 1:
        raise QueryInvalid(f"Parameter '{name}' takes one value; {len(values)} were given.")
    return values[0]


def choice(parameters: Parameters, name: str, allowed: Iterable[str], alias: str = "") -> str:
    """One of the allowed words, the first unless given; `alias` wins over `name`."""
    given = alias if parameters.get(alias) else name
    values = parameters.get(given)
    choices = list(allowed)
    if not values:
        return choices[0]
    value = single(parameters, given, choices[0])
    if value not in choices:
        raise QueryInvalid(f"Parameter '{given}' is {value[:SHOWN]!r}; allowed: {', '.join(choices)}.")
    return value


def switch(parameters: Parameters, name: str) -> bool:
    """Whether a parameter is switched on."""
    value = single(parameters, name, "false")
    if value.lower() not in SWITCHES:
        raise QueryInvalid(f"Parameter '{name}' is {value[:SHOWN]!r}; allowed: true, false.")
    return SWITCHES[value.lower()]


def integer(parameters: Parameters, name: str, most: int) -> int | None:
    """A whole number from 0 to `most`; None unless given."""
    if not parameters.get(name):
        return None
    value = single(parameters, name, "")
    digits = value.removesuffix(".0")  # a JSON body's 7.0
    if not digits.isascii() or not digits.isdigit() or int(digits[:9]) > most or len(digits) > 9:
        raise QueryInvalid(
            f"Parameter '{name}' is {value[:SHOWN]!r}; allowed: whole numbers from 0 to {most}."
        )
    return int(digits)


def number(name: str, value: str) -> float:
    """A number; `nan` and `inf` are some, too."""
    try:
        # Python reads more as numbers than this grammar does.
        plain = value.isascii() and "_" not in value
        return float(value if plain else "")
    except ValueError as error:
        raise QueryInvalid(f"Parameter '{name}' has {value[:SHOWN]!r}; numbers are allowed.") from error


def day(name: str, value: str) -> date:
    """A date such as 2026-07-04."""
    try:
        return date.fromisoformat(value if DAY.fullmatch(value) else "")
    except ValueError as error:
        raise QueryInvalid(
            f"Parameter '{name}' is {value[:SHOWN]!r}; allowed: dates such as 2026-07-04."
        ) from error


def moment(name: str, value: str, minutes: int) -> datetime:
    """A local time without offset, such as 2026-07-04T18:00, of a whole number of `minutes` in its hour."""
    try:
        found = datetime.fromisoformat(value if MINUTE.fullmatch(value) else "")
    except ValueError:
        found = None
    if found is None or found.minute % minutes:
        raise QueryInvalid(
            f"Parameter '{name}' is {value[:SHOWN]!r}; allowed: local times such as 2026-07-04T18:00, in "
            f"steps of {minutes} minutes."
        )
    return found
