"""The answers of `/v1/forecast` from stored runs. Pure but for the runs' memory-mapped arrays.

Places whose answers have the same hours are worked out together: a hundred of them cost little more than ten.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
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
    check_spans,
    day_bounds,
    hourly_span,
    minutely_span,
    place_clock,
)
from weatherapp.forecasts.variables import Variable, resolve_hourly

__all__ = ["Answer", "ModelRuns", "Plan", "answer", "place_blend", "place_hours", "plan"]

MOST_VALUES = 4_000_000
TOGETHER = 128  # places: more would only take memory
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
    def timing(self) -> Hashable:
        """Equal for places whose answers have the same points in time."""
        days = self.days and (self.days[0].tobytes(), self.days[1])
        return self.hourly, self.minutely, days, self.first, self.count, self.clock.current, self.phase

    @property
    def phase(self) -> int:
        """Seconds after a full hour at which the hours of the place begin."""
        return self.clock.floor(HOUR) % HOUR

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


def answer(models: Sequence[ModelRuns], plans: Sequence[Plan], *, replay: bool) -> list[Answer]:
    """Build the answer of every place.

    Args:
        models: the runs of every model that was asked for.
        plans: what is asked of each place.
        replay: whether a run was made from replayed observations.

    Raises:
        NothingNear: no station within reach of a place.
    """
    alike: dict[Hashable, list[Plan]] = {}
    for asked in plans:
        alike.setdefault(asked.timing, []).append(asked)
    answers: list[Answer] = []
    for group in alike.values():
        for start in range(0, len(group), TOGETHER):
            answers += _together(models, group[start : start + TOGETHER], replay=replay)
    return sorted(answers, key=lambda one: one.reply.location_id)


def _together(models: Sequence[ModelRuns], plans: Sequence[Plan], *, replay: bool) -> list[Answer]:
    began = perf_counter()
    asked, places, needs = plans[0], [one.place for one in plans], _needs(plans[0].query)
    sections: dict[SectionName, list[list[Section]]] = {}
    blends = [[place_blend(model.runs[0], place) for place in places] for model in models]
    for model, blend in zip(models, blends, strict=True):
        series = place_series(model.runs, blend, places, needs=needs, first=asked.first, count=asked.count)
        for made in _sections(asked, series, model.model, several=len(models) > 1):
            sections.setdefault(made[0].name, []).append(made)
    spent = (perf_counter() - began) * 1000 / len(plans)
    return [
        Answer(
            _reply(plan, blend, [_merged(parts, position) for parts in sections.values()], spent, replay),
            blend,
        )
        for position, (plan, blend) in enumerate(zip(plans, blends[0], strict=True))
    ]


def _reply(asked: Plan, blend: Blend, sections: Sequence[Section], spent: float, replay: bool) -> PlaceReply:
    return PlaceReply(
        latitude=asked.place.latitude,
        longitude=asked.place.longitude,
        elevation=None if np.isnan(blend.elevation) else round(blend.elevation, 1),
        generationtime_ms=spent,
        utc_offset_seconds=asked.clock.offset,
        timezone=asked.clock.zone,
        timezone_abbreviation=asked.clock.abbreviation,
        location_id=asked.index,
        unixtime=asked.query.unixtime,
        sections=tuple(sections),
        extra={"replay": True} if replay else {},
    )


def _plan(query: Query, index: int, now: datetime) -> Plan:
    clock = place_clock(query.places[index], now)
    check_spans(query, clock, index)
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


def _sections(asked: Plan, series: Series, model: str, *, several: bool) -> Iterable[list[Section]]:
    """Each section of every place."""
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
    moments = series.hourly(asked.phase)
    if asked.hourly is not None:
        yield writer.section("hourly", moments, _same(query.hourly), asked.hourly)
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
        self, name: SectionName, moments: Moments, names: Mapping[str, str], span: Span | None = None
    ) -> list[Section]:
        """Columns of moments, a section per place; `names` are from what is written to the variable's."""
        low = (span.start // HOUR - moments.times[0] // HOUR) if span and len(moments.times) else 0
        times = moments.times if span is None else span.times
        columns = []
        for shown, wanted in names.items():
            variable = resolve_hourly(wanted)
            values = variable.values and moments.by_place(variable.values(moments))
            some = None if values is None else values[:, low : low + len(times)]
            columns.append(self._columns(shown, variable, some))
        return self._by_place(name, times, moments.step, columns, len(moments.latitudes))

    def days(self, days: Days, names: Sequence[str]) -> list[Section]:
        """Columns of days, a section per place."""
        columns = []
        for name in names:
            variable = resolve_daily(name)
            known = variable.values if len(days.bounds) > 1 else None
            columns.append(self._columns(name, variable, known and known(days)))
        return self._by_place("daily", days.bounds[:-1], DAY, columns, len(days.moments.latitudes))

    def _columns(
        self, name: str, variable: Variable | DayVariable, values: FloatArray | None
    ) -> Callable[[int, int], Column]:
        """From a place's position and a number of points in time to its column."""
        unit = self.unit[variable.quantity]
        shown = f"{name}_{self.model}" if self.several else name
        # The writers want the values of a place side by side.
        rounded = None if values is None else np.ascontiguousarray(units.written(values, unit))

        def column(position: int, count: int) -> Column:
            row = np.full(count, np.nan) if rounded is None else rounded[position]
            return Column(shown, variable.name, self.model, unit, row)

        return column

    def _by_place(
        self,
        name: SectionName,
        times: IntArray,
        step: int,
        columns: Sequence[Callable[[int, int], Column]],
        places: int,
    ) -> list[Section]:
        count = len(times)
        return [
            Section(name, times, step, tuple(column(position, count) for column in columns))
            for position in range(places)
        ]


def _merged(parts: Sequence[Sequence[Section]], position: int) -> Section:
    """A place's section with the columns of every model."""
    found = [part[position] for part in parts]
    if len(found) == 1:
        return found[0]
    columns = tuple(column for section in found for column in section.columns)
    return Section(found[0].name, found[0].times, found[0].interval, columns)
