"""The answer of `/v1/forecast` for a place from stored runs. Pure but for the runs' memory-mapped arrays."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from time import perf_counter

import numpy as np

from weatherapp.core import units
from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.core.blend import Blend, blend_outputs
from weatherapp.core.hourly import Hours
from weatherapp.forecasts.daily import Days, DayVariable, resolve_daily
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.moments import HOUR, Moments
from weatherapp.forecasts.query import Place, Query
from weatherapp.forecasts.reply import Column, PlaceReply, Section, SectionName
from weatherapp.forecasts.series import Series, place_blend, place_series, wrap
from weatherapp.forecasts.store import StoredRun
from weatherapp.forecasts.timeline import (
    DAY,
    QUARTER,
    Clock,
    Span,
    day_bounds,
    hourly_span,
    minutely_span,
    place_clock,
)
from weatherapp.forecasts.variables import Variable, resolve_hourly

__all__ = ["Answer", "ModelRuns", "Plan", "answer", "place_blend", "place_hours", "plan"]

MOST_VALUES = 4_000_000
# The legacy block's names, which are none of the lists'.
LEGACY = {
    "temperature": "temperature_2m",
    "windspeed": "wind_speed_10m",
    "winddirection": "wind_direction_10m",
    "is_day": "is_day",
    "weathercode": "weather_code",
}


@dataclass(frozen=True)
class ModelRuns:
    """A model's runs: the one that answers, then earlier ones for the hours before it, newest first."""

    model: str
    runs: tuple[StoredRun, ...]


@dataclass(frozen=True)
class Answer:
    """A place's answer, and the blend of the first model that it came from."""

    reply: PlaceReply
    blend: Blend


@dataclass(frozen=True)
class Plan:
    """What is asked of a place, and when.

    Attributes:
        query: the checked request.
        index: position of the place in the request.
        clock: of the place.
        hourly: the hours asked for.
        minutely: the quarters of an hour asked for.
        days: bounds of the days asked for, and the index of today, from `timeline.day_bounds`.
        first: hours since 1970 of the first hour that the answer is made of.
        count: of those hours.
    """

    query: Query
    index: int
    clock: Clock
    hourly: Span | None
    minutely: Span | None
    days: tuple[IntArray, int] | None
    first: int
    count: int

    @property
    def place(self) -> Place:
        """The place."""
        return self.query.places[self.index]

    @property
    def values(self) -> int:
        """How many values a model's answer has."""
        query = self.query
        days = len(self.days[0]) - 1 if self.days else 0
        hours, quarters = (span.count if span else 0 for span in (self.hourly, self.minutely))
        return hours * len(query.hourly) + quarters * len(query.minutely_15) + days * len(query.daily)


def place_hours(run: StoredRun, blend: Blend) -> Hours:
    """The run's leads for a place."""
    return wrap(blend_outputs(run.outputs, blend), run.contract)


def plan(query: Query, now: datetime) -> list[Plan]:
    """Which points in time every place's answer has.

    Args:
        query: the checked request.
        now: aware; decides what today is.

    Raises:
        QueryInvalid: dates further away than are served, or more values than one answer may have.
    """
    plans = [_plan(query, index, now) for index in range(len(query.places))]
    values = sum(one.values for one in plans) * len(query.models)
    if values > MOST_VALUES:
        raise QueryInvalid(
            f"The answer would have {values} values; at most {MOST_VALUES} are allowed in one request. "
            "Ask for fewer places, variables or days."
        )
    return plans


def answer(models: Sequence[ModelRuns], asked: Plan, *, replay: bool) -> Answer:
    """Build one place's answer.

    Args:
        models: the runs of every model that was asked for.
        asked: what is asked of the place.
        replay: whether a run was made from replayed observations.

    Raises:
        NothingNear: no station within reach of the place.
    """
    began = perf_counter()
    place, needs = asked.place, _needs(asked.query)
    sections: dict[SectionName, list[Section]] = {}
    blends = [place_blend(model.runs[0], place) for model in models]
    for model, blend in zip(models, blends, strict=True):
        series = place_series(model.runs, blend, place, needs=needs, first=asked.first, count=asked.count)
        for section in _sections(asked, series, model.model, several=len(models) > 1):
            sections.setdefault(section.name, []).append(section)
    elevation = blends[0].elevation
    reply = PlaceReply(
        latitude=place.latitude,
        longitude=place.longitude,
        elevation=None if np.isnan(elevation) else round(elevation, 1),
        generationtime_ms=(perf_counter() - began) * 1000,
        utc_offset_seconds=asked.clock.offset,
        timezone=asked.clock.zone,
        timezone_abbreviation=asked.clock.abbreviation,
        location_id=asked.index,
        unixtime=asked.query.unixtime,
        sections=tuple(map(_merged, sections.values())),
        extra={"replay": True} if replay else {},
    )
    return Answer(reply, blends[0])


def _plan(query: Query, index: int, now: datetime) -> Plan:
    clock = place_clock(query.places[index], now)
    hourly = hourly_span(query, clock, index) if query.hourly else None
    minutely = minutely_span(query, clock, index) if query.minutely_15 else None
    days = day_bounds(query, clock, index) if query.daily else None
    edges: list[int] = []
    for span in (hourly, minutely):
        if span is not None and span.count:
            # A moment between two hours needs the one behind it, too.
            edges += [span.start // HOUR, (span.start + (span.count - 1) * span.step - 1) // HOUR + 2]
    if query.current or query.current_weather:
        edges += [clock.current // HOUR, clock.current // HOUR + 2]
    if days is not None:
        edges += [int(days[0][0]) // HOUR, int(days[0][-1]) // HOUR + 1]
    first = min(edges, default=clock.now // HOUR)
    return Plan(query, index, clock, hourly, minutely, days, first, max(edges, default=first) - first)


def _needs(query: Query) -> frozenset[str]:
    legacy = tuple(LEGACY.values()) if query.current_weather else ()
    return _needed((*query.hourly, *query.current, *query.minutely_15, *legacy), query.daily)


@lru_cache(maxsize=512)
def _needed(hourly: tuple[str, ...], daily: tuple[str, ...]) -> frozenset[str]:
    of_hours = [resolve_hourly(name).needs for name in hourly]
    return frozenset().union(*of_hours, *(resolve_daily(name).needs for name in daily))


def _sections(asked: Plan, series: Series, model: str, *, several: bool) -> Iterable[Section]:
    query, clock = asked.query, asked.clock
    writer = _Writer(query.unit, model, several)
    if query.current or query.current_weather:
        moments = series.between(np.array([clock.current], dtype=np.int64), QUARTER)
        if query.current:
            yield writer.section("current", moments, _same(query.current))
        if query.current_weather:
            yield writer.section("current_weather", moments, LEGACY)
    if asked.minutely is not None:
        moments = series.between(asked.minutely.times, QUARTER)
        yield writer.section("minutely_15", moments, _same(query.minutely_15))
    if asked.hourly is None and asked.days is None:
        return
    moments = series.hourly(clock.floor(HOUR) % HOUR)
    if asked.hourly is not None:
        low = asked.hourly.start // HOUR - series.first
        rows = slice(low, low + asked.hourly.count)
        yield writer.section("hourly", moments, _same(query.hourly), rows, asked.hourly.times)
    if asked.days is not None:
        yield writer.days(Days(moments, *asked.days), query.daily)


def _same(names: Sequence[str]) -> dict[str, str]:
    return {name: name for name in names}


@dataclass(frozen=True)
class _Writer:
    """Turns values into columns: rounded, in the chosen units, named as asked."""

    unit: Mapping[str, units.Unit]
    model: str
    several: bool

    def section(
        self,
        name: SectionName,
        moments: Moments,
        names: Mapping[str, str],
        rows: slice = slice(None),
        times: IntArray | None = None,
    ) -> Section:
        """Columns of moments; `names` are from the name that is written to the variable's."""
        when = moments.times if times is None else times
        columns = (
            self._column(shown, resolve_hourly(wanted), lambda give: give(moments)[rows], len(when))
            for shown, wanted in names.items()
        )
        return Section(name, when, moments.step, tuple(columns))

    def days(self, days: Days, names: Sequence[str]) -> Section:
        """Columns of days."""
        times = days.bounds[:-1]
        columns = (
            self._column(name, resolve_daily(name), lambda give: give(days), len(times)) for name in names
        )
        return Section("daily", times, DAY, tuple(columns))

    def _column(
        self, name: str, variable: Variable | DayVariable, give: Callable[..., FloatArray], count: int
    ) -> Column:
        unit = self.unit[variable.quantity]
        known = variable.values
        values = np.full(count, np.nan) if known is None or not count else units.written(give(known), unit)
        shown = f"{name}_{self.model}" if self.several else name
        return Column(shown, variable.name, self.model, unit, values)


def _merged(parts: Sequence[Section]) -> Section:
    if len(parts) == 1:
        return parts[0]
    columns = tuple(column for part in parts for column in part.columns)
    return Section(parts[0].name, parts[0].times, parts[0].interval, columns)
