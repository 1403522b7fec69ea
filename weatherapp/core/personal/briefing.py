"""A short text about the next day and a half, in English or Chinese, that says no more than the numbers do.

First the facts: what each part of the day brings, already in the reader's units and rounded as shown. Then
the words: templates that take every number from the facts. The same hours give the same text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from weatherapp.core import units
from weatherapp.core.arrays import FloatArray
from weatherapp.core.personal import localtime, wording
from weatherapp.core.personal.activities import BestWindow
from weatherapp.core.personal.errors import RequestInvalid
from weatherapp.core.personal.hours import HOUR, PersonalHours
from weatherapp.core.weather_code import MIXED, RAIN, SNOW

HEADLINES = ("temperature", "feels_like")
MORNING, EVENING = time(6), time(20)
SHORTEST = 2  # hours of a part of the day that are worth a sentence
# Of the 10 and 90 % quantiles: eight days in ten end between them.
LIKELY = (0.1, 0.9)
MENTION = 0.1  # a lower chance of rain in a part of the day is called dry
CHANCE_STEP = 5  # % that chances are rounded to, and the least and the most short of certainty that is told
# Hours of rain come in spells about this long: chances of one spell are not counted twice.
SPELL = 3
CALM = 0.5  # m/s: below it there is no wind to speak of
MIXTURE = 0.3  # share of the rarer of rain and snow from which both are named


@dataclass(frozen=True)
class UnitChoice:
    """The units of a profile, by the names that the forecast API takes."""

    temperature: str = "celsius"
    wind_speed: str = "kmh"
    precipitation: str = "mm"

    def __post_init__(self) -> None:
        groups = {
            "temperature": units.TEMPERATURE,
            "wind_speed": units.SPEED,
            "precipitation": units.WATER,
        }
        for name, group in groups.items():
            if getattr(self, name) not in group:
                raise RequestInvalid(
                    f"Unit {getattr(self, name)!r} of {name} is not one of {', '.join(group)}."
                )


@dataclass(frozen=True)
class PeriodFacts:
    """What one part of a day brings, in the reader's units, rounded as it is shown.

    Attributes:
        name: "rest_of_night", "today", "tonight", "tomorrow" or "tomorrow_night".
        start: Unix s.
        end: Unix s.
        sky: "clear", "mostly_clear", "partly_cloudy", "cloudy" or "fog".
        headline: "temperature" or "feels_like": what `low` and `high` are of.
        low: lowest median.
        high: highest median.
        likely_low: 10 % quantile of the hour of `low`.
        likely_high: 90 % quantile of the hour of `high`.
        temperature_unit: label.
        kind: "rain", "snow", "rain_or_snow" or "freezing_rain", the likeliest of what may fall; "" if dry.
        chance: bounds in % of the chance that anything falls in this part of the day.
        amount: expected in the hours that are called wet; None if none is.
        trace: whether the amount is above 0 but rounds to 0.
        amount_unit: label.
        rain_time: Unix s of the likeliest hour's start; None if dry.
        wind: highest median speed.
        wind_likely: 90 % quantile of that hour.
        wind_from: one of eight directions such as "NW", of that hour; "" if calm.
        wind_unit: label.
    """

    name: str
    start: int
    end: int
    sky: str
    headline: str
    low: int
    high: int
    likely_low: int
    likely_high: int
    temperature_unit: str
    kind: str
    chance: tuple[int, int]
    amount: float | None
    trace: bool
    amount_unit: str
    rain_time: int | None
    wind: int
    wind_likely: int
    wind_from: str
    wind_unit: str


@dataclass(frozen=True)
class WindowFacts:
    """A best window of an activity, or a rule that is met, as it is mentioned.

    Attributes:
        name: the activity.
        day: "today" or "tomorrow".
        start: HH:MM, local.
        end: HH:MM, local.
        score: 0–100, rounded.
        limiting: the factor that keeps it from 100; "" if none does.
    """

    name: str
    day: str
    start: str
    end: str
    score: int
    limiting: str


@dataclass(frozen=True)
class Briefing:
    """A text and the facts that it tells, which hold every number in it."""

    text: str
    language: str
    periods: tuple[PeriodFacts, ...]
    windows: tuple[WindowFacts, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """JSON-safe."""
        return {
            "periods": [{**vars(period), "chance": list(period.chance)} for period in self.periods],
            "windows": [dict(vars(window)) for window in self.windows],
        }


def brief(
    hours: PersonalHours,
    *,
    now: int,
    language: str,
    zone: str,
    units: UnitChoice,
    headline: str = "temperature",
    place: str | None = None,
    windows: Sequence[tuple[str, BestWindow]] = (),
) -> Briefing:
    """Tell what comes: the rest of today, tonight, tomorrow.

    Args:
        hours: of the place, corrected as the reader wants them.
        now: Unix s.
        language: "en" or "zh" (Simplified Chinese).
        zone: IANA name; decides what today is.
        units: of the reader.
        headline: "temperature" or "feels_like"; the latter needs hours that know it.
        place: name that the reader gave the place, to start with.
        windows: best windows to mention, with their activities; those of other days or already over are left
            out.

    Returns:
        The text and its facts. Without any hour left the text says so.

    Raises:
        RequestInvalid: unknown language, headline or zone, or no feels-like in these hours.
    """
    if headline not in HEADLINES:
        raise RequestInvalid(f"Headline {headline!r} is neither {' nor '.join(HEADLINES)}.")
    if headline == "feels_like" and hours.feels_like is None:
        raise RequestInvalid("These hours have no feels_like; work it out first (with_feels_like).")
    info = localtime.zone_info(zone)
    periods = tuple(
        facts
        for name, start, end in parts_of_day(now, info)
        if (facts := _period(hours, name, (start, end), units, headline)) is not None
    )
    mentioned = tuple(_windows(windows, now, info))
    text = wording.write(periods, mentioned, language=language, zone=info, place=place)
    return Briefing(text, language, periods, mentioned)


def parts_of_day(now: int, zone: ZoneInfo) -> list[tuple[str, int, int]]:
    """Name, start and end (Unix s) of the parts of the day from now on: day and night by turns, three in all.

    The day goes from 6 to 20 o'clock. A part that is nearly over is left out.
    """
    today = localtime.local_date(now, zone)
    edges = [
        ("rest_of_night", today - timedelta(days=1), EVENING),
        ("today", today, MORNING),
        ("tonight", today, EVENING),
        ("tomorrow", today + timedelta(days=1), MORNING),
        ("tomorrow_night", today + timedelta(days=1), EVENING),
        ("", today + timedelta(days=2), MORNING),
    ]
    stamps = [localtime.unix(day, at, zone) for _, day, at in edges]
    parts = [
        (name, max(start, now - now % HOUR), end)
        for (name, _, _), start, end in zip(edges[:-1], stamps[:-1], stamps[1:], strict=True)
        if end - now >= SHORTEST * HOUR
    ]
    return parts[:3]


def _period(
    hours: PersonalHours, name: str, span: tuple[int, int], choice: UnitChoice, headline: str
) -> PeriodFacts | None:
    # Amounts fall in the hour before their time: the hour that ends where the part starts is not its own.
    part = hours.between(span[0] + 1, span[1])
    part = part.take(part.known & np.isfinite(part.wind_speed) & np.isfinite(part.cloud_cover))
    if len(part) < SHORTEST:
        return None
    if not np.isfinite(part.quantiles[headline]).all():
        headline = "temperature"  # beyond the limits of the index: the worst hours must not go untold
    return PeriodFacts(
        name=name,
        start=span[0],
        end=span[1],
        sky=_sky(part),
        **_warmth(part, headline, units.TEMPERATURE[choice.temperature]),
        **_wet(part, units.WATER[choice.precipitation]),
        **_wind(part, units.SPEED[choice.wind_speed]),
    )


def _warmth(part: PersonalHours, headline: str, unit: units.Unit) -> dict[str, Any]:
    median = part.quantile(headline, 0.5)
    coldest, warmest = int(np.argmin(median)), int(np.argmax(median))
    low, high = median[coldest], median[warmest]
    likely_low = part.quantile(headline, LIKELY[0])[coldest]
    likely_high = part.quantile(headline, LIKELY[1])[warmest]
    shown = [_whole(value, unit) for value in (low, high, likely_low, likely_high)]
    names = ("low", "high", "likely_low", "likely_high")
    return {"headline": headline, **dict(zip(names, shown, strict=True)), "temperature_unit": unit.label}


def _wet(part: PersonalHours, unit: units.Unit) -> dict[str, Any]:
    chance = chance_of_any(part.precipitation_probability)
    total = float(part.precipitation.sum())
    shown = float(np.round(units.convert(total, unit), 1 if unit.decimals < 3 else 2))
    dry = total == 0 and chance[1] < MENTION
    likeliest = int(np.argmax(part.precipitation_probability))
    return {
        "kind": "" if dry else _kind(part),
        "chance": (_percent(chance[0]), _percent(chance[1])),
        "amount": shown if total > 0 else None,
        "trace": total > 0 and shown == 0,
        "amount_unit": unit.label,
        "rain_time": None if dry else int(part.times[likeliest]) - HOUR,
    }


def chance_of_any(probability: FloatArray) -> tuple[float, float]:
    """Bounds of the chance that anything falls in some hours, from the chance of each hour, 0–1.

    At least the highest hour's chance. At most that of independent spells of three hours, each as likely as
    its likeliest hour: hours of one spell go together, and spells begin where that makes the least of them.
    """
    dry = [
        np.prod([1 - spell.max() for spell in np.split(probability, range(first, len(probability), SPELL))])
        for first in range(1, min(SPELL, len(probability)) + 1)
    ]
    least = float(probability.max())
    # 1 − (1 − 0.1) is a little less than 0.1, and the most is never less than the least.
    return least, max(least, float(1 - max(dry)))


def _wind(part: PersonalHours, unit: units.Unit) -> dict[str, Any]:
    strongest = int(np.argmax(part.wind_speed))
    speed = float(part.wind_speed[strongest])
    degrees = float(part.wind_direction[strongest])
    calm = speed < CALM or not np.isfinite(degrees)
    return {
        "wind": _whole(speed, unit),
        "wind_likely": _whole(part.quantile("wind_speed", LIKELY[1])[strongest], unit),
        "wind_from": "" if calm else wording.DIRECTIONS[round(degrees / 45) % 8],
        "wind_unit": unit.label,
    }


def _sky(part: PersonalHours) -> str:
    codes = part.weather_code
    if np.mean((codes == 45) | (codes == 48)) >= 0.5:
        return "fog"
    cover = float(part.cloud_cover.mean())
    steps = ((0.2, "clear"), (0.45, "mostly_clear"), (0.75, "partly_cloudy"))
    return next((word for limit, word in steps if cover < limit), "cloudy")


def _windows(windows: Sequence[tuple[str, BestWindow]], now: int, zone: ZoneInfo) -> list[WindowFacts]:
    today = localtime.local_date(now, zone)
    return [
        WindowFacts(
            name=activity,
            day=_day(window.day, today),
            start=localtime.clock(window.start, zone),
            end=localtime.clock(window.end, zone),
            score=round(window.score),
            limiting=window.limiting,
        )
        for activity, window in windows
        if window.end > now and _day(window.day, today)
    ]


def _day(day: date, today: date) -> str:
    return {0: "today", 1: "tomorrow"}.get((day - today).days, "")


def _whole(value: float, unit: units.Unit) -> int:
    return round(float(units.convert(value, unit)))


def _percent(chance: float) -> int:
    """To the nearest step, but never 0 or 100: nothing is that sure."""
    steps = 100 // CHANCE_STEP
    return CHANCE_STEP * min(max(round(chance * steps), 1), steps - 1)


def _kind(part: PersonalHours) -> str:
    """What may fall: the likeliest, or both rain and snow where neither is rare."""
    chances = part.type_probability.sum(axis=0)
    liquid, frozen, mixed = float(chances[RAIN]), float(chances[SNOW]), float(chances[MIXED])
    if mixed > max(liquid, frozen):
        return "freezing_rain"
    if min(liquid, frozen) >= MIXTURE * (liquid + frozen) > 0:
        return "rain_or_snow"
    return "snow" if frozen > liquid else "rain"
