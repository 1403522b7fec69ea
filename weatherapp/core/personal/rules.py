"""Rules such as "rain more likely than 40 % on my way to work", checked against a forecast."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any, Self

import numpy as np

from weatherapp.core.arrays import FloatArray
from weatherapp.core.personal import localtime
from weatherapp.core.personal.errors import RequestInvalid, RuleInvalid
from weatherapp.core.personal.hours import HOUR, PersonalHours
from weatherapp.core.personal.probability import OVER_THE_HOUR, VARIABLES, exceedance

ABOVE, BELOW = "above", "below"
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True)
class Window:
    """When a rule counts: from one clock time to another on some days of the week.

    A window that ends at or before its start ends on the next day and belongs to the day on which it starts.
    On a day when the clocks change, a time that is skipped is moved past the change; a start that would so
    pass its end is the change itself. A start that comes twice is the first, an end that comes twice the
    second.

    Attributes:
        days: 0 Monday … 6 Sunday, each once.
        start: "HH:MM", local.
        end: "HH:MM", local; the same as start for a whole day.
        zone: IANA name.
    """

    days: tuple[int, ...]
    start: str
    end: str
    zone: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", tuple(sorted(self.days)))
        if not self.days or len(set(self.days)) != len(self.days) or not set(self.days) <= set(range(7)):
            raise RuleInvalid(f"Days {list(self.days)} must name some of 0 (Monday) … 6 (Sunday), each once.")
        for name in ("start", "end"):
            if not _CLOCK.fullmatch(getattr(self, name)):
                raise RuleInvalid(f"{name} {getattr(self, name)!r} is not a clock time HH:MM, 00:00 … 23:59.")
        try:
            localtime.zone_info(self.zone)
        except RequestInvalid as error:
            raise RuleInvalid(str(error)) from error

    def occasions(self, first: int, last: int) -> Iterator[tuple[date, int, int]]:
        """The day, start and end (Unix s) of every time that the window comes between two Unix times."""
        zone = localtime.zone_info(self.zone)
        begin, finish = time.fromisoformat(self.start), time.fromisoformat(self.end)
        for day in localtime.days(first - 24 * HOUR, last, zone):
            if day.weekday() in self.days:
                end_day = day if finish > begin else day + timedelta(days=1)
                start = localtime.unix(day, begin, zone)
                end = localtime.unix(end_day, finish, zone, last=True)
                if start >= end:
                    # Its start was skipped, and moved past its end: what there is of it begins at the change.
                    start = localtime.change(day, begin, zone)
                if start < end and end > first and start <= last:
                    yield day, start, end


@dataclass(frozen=True)
class Rule:
    """Tell me when a variable is likely enough above or below a threshold in a window.

    Attributes:
        variable: one of `probability.VARIABLES`.
        comparison: "above" (more than the threshold) or "below" (the threshold or less).
        threshold: in the variable's unit.
        probability: 0–1, below 1: the chance must be higher than this.
        window: when it counts.
    """

    variable: str
    comparison: str
    threshold: float
    probability: float
    window: Window

    def __post_init__(self) -> None:
        if self.variable not in VARIABLES:
            raise RuleInvalid(f"{self.variable!r} is not a variable; choose one of {', '.join(VARIABLES)}.")
        if self.comparison not in {ABOVE, BELOW}:
            raise RuleInvalid(f"Comparison {self.comparison!r} is neither above nor below.")
        if not np.isfinite(self.threshold):
            raise RuleInvalid(
                f"The threshold {self.threshold} is not a number of {VARIABLES[self.variable]}."
            )
        if not 0 <= self.probability < 1:
            raise RuleInvalid(f"Probability {self.probability} is not from 0 up to, but below, 1.")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-safe copy that `from_dict` reads."""
        window = {
            "days": list(self.window.days),
            "start": self.window.start,
            "end": self.window.end,
            "zone": self.window.zone,
        }
        return {
            "variable": self.variable,
            "comparison": self.comparison,
            "threshold": self.threshold,
            "probability": self.probability,
            "window": window,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            RuleInvalid: a rule or window that makes no sense.
        """
        try:
            window = data["window"]
            return cls(
                variable=str(data["variable"]),
                comparison=str(data["comparison"]),
                threshold=float(data["threshold"]),
                probability=float(data["probability"]),
                window=Window(
                    days=tuple(int(day) for day in window["days"]),
                    start=str(window["start"]),
                    end=str(window["end"]),
                    zone=str(window["zone"]),
                ),
            )
        except RuleInvalid:
            raise
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RuleInvalid(f"This is not a rule: {type(error).__name__}: {error}.") from error


@dataclass(frozen=True)
class Finding:
    """A rule that is met.

    Attributes:
        rule: which.
        occasion: the local day that the window starts on.
        time: Unix s of the first hour whose chance is high enough.
        chance: of that hour, 0–1.
        highest: the highest chance of one hour left in the window. The chance that any hour of it is met is
            at least this.
        at_most: the chance that any hour is met is at most this: the sum of the hours' chances, no more than
            1.
        text: key of the sentence to show: variable and comparison.
        key: the same for the same rule and occasion in every run, so that nobody is told twice.
    """

    rule: Rule
    occasion: date
    time: int
    chance: float
    highest: float
    at_most: float
    text: str
    key: str


def evaluate(rule: Rule, hours: PersonalHours, now: int) -> Finding | None:
    """Find the first occasion on which a rule is met.

    An hour counts if any of it is inside the window and not over yet: amounts fall in the hour before the
    valid time, all else is true from half an hour before it to half an hour after.

    Args:
        rule: to check.
        hours: of the place; hours without a forecast meet nothing.
        now: Unix s.

    Returns:
        The finding, or None.

    Raises:
        RequestInvalid: the rule is about feels-like and these hours have none.
    """
    if not len(hours):
        return None
    above = exceedance(hours, rule.variable, rule.threshold)
    chances = above if rule.comparison == ABOVE else 1.0 - above
    starts = hours.times - (HOUR if rule.variable in OVER_THE_HOUR else HOUR // 2)
    ends = starts + HOUR
    for day, start, end in rule.window.occasions(int(starts[0]), int(ends[-1])):
        inside = (starts < end) & (ends > max(start, now)) & np.isfinite(chances)
        met = np.flatnonzero(inside & (chances > rule.probability))
        if len(met):
            return _finding(rule, day, int(hours.times[met[0]]), float(chances[met[0]]), chances[inside])
    return None


def dedup_key(rule: Rule, occasion: date) -> str:
    """32 hexadecimal digits that stand for a rule on an occasion."""
    told = json.dumps([rule.to_dict(), occasion.isoformat()], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _finding(rule: Rule, day: date, at: int, chance: float, chances: FloatArray) -> Finding:
    return Finding(
        rule=rule,
        occasion=day,
        time=at,
        chance=chance,
        highest=float(chances.max()),
        at_most=float(min(chances.sum(), 1.0)),
        text=f"rule.{rule.variable}.{rule.comparison}",
        key=dedup_key(rule, day),
    )
