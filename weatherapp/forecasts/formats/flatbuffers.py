"""Answers as FlatBuffers in Open-Meteo's schema: a size-prefixed message per place and model.

Clients find a series by its position or by what the schema says of it. A series that the schema cannot
describe exactly (a 5 % quantile has no word there) says `undefined`, so that nobody takes it for another one.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import flatbuffers
import numpy as np
from openmeteo_sdk.Aggregation import Aggregation
from openmeteo_sdk.Model import Model
from openmeteo_sdk.Unit import Unit
from openmeteo_sdk.Variable import Variable

from weatherapp.forecasts.formats.labels import TIME_UNITS
from weatherapp.forecasts.reply import Column, PlaceReply, Section

CONTENT_TYPE = "application/octet-stream"
AGGREGATIONS = {
    "min": Aggregation.minimum, "max": Aggregation.maximum, "mean": Aggregation.mean, "sum": Aggregation.sum,
    "median": Aggregation.median, "dominant": Aggregation.dominant,
    "p10": Aggregation.p10, "p25": Aggregation.p25, "p50": Aggregation.median,
    "p75": Aggregation.p75, "p90": Aggregation.p90,
}  # fmt: skip
# By the label that JSON shows; what is not here has no word in the schema.
UNITS = {
    "°C": Unit.celsius, "°F": Unit.fahrenheit, "K": Unit.kelvin, "km/h": Unit.kilometres_per_hour,
    "m/s": Unit.metre_per_second, "mp/h": Unit.miles_per_hour, "kn": Unit.knots, "mm": Unit.millimetre,
    "cm": Unit.centimetre, "m": Unit.metre, "inch": Unit.inch, "ft": Unit.feet, "%": Unit.percentage,
    "°": Unit.degree_direction, "wmo code": Unit.wmo_code, "hPa": Unit.hectopascal, "kPa": Unit.kilopascal,
    "Pa": Unit.pascal, "s": Unit.seconds, "seconds": Unit.seconds, "h": Unit.hours, "hours": Unit.hours,
    "": Unit.dimensionless, "W/m²": Unit.watt_per_square_metre, "MJ/m²": Unit.megajoule_per_square_metre,
    "J/kg": Unit.joule_per_kilogram, "kg/m²": Unit.kilogram_per_square_metre,
    "m³/m³": Unit.cubic_metre_per_cubic_metre, "gpm": Unit.geopotential_metre,
    # The values are seconds since 1970 whatever `timeformat` says.
    "iso8601": Unit.unix_time, "unixtime": Unit.unix_time,
}  # fmt: skip
# Fields of a table are known by their position in the schema (the SDK's Python classes only read).
LATITUDE, LONGITUDE, ELEVATION, GENERATION_TIME, LOCATION, MODEL, OFFSET, ZONE, ABBREVIATION = range(9)
SECTIONS = {"current": 9, "current_weather": 9, "daily": 10, "hourly": 11, "minutely_15": 12}
TIME, TIME_END, INTERVAL, VARIABLES = range(4)
VARIABLE, UNIT, VALUE, VALUES, VALUES_INT64 = range(5)
ALTITUDE, AGGREGATION, PRESSURE_LEVEL, DEPTH, DEPTH_TO, _ENSEMBLE_MEMBER, PREVIOUS_DAY = range(5, 12)
REPLY_FIELDS, SECTION_FIELDS, SERIES_FIELDS = 14, 4, 12

_LEVEL = re.compile(r"_(\d+)hPa$")
_HEIGHT = re.compile(r"_(\d+)m$")
_DEPTH = re.compile(r"_(\d+)(?:_to_(\d+))?cm$")
_EARLIER = re.compile(r"_previous_day(\d)$")


@dataclass(frozen=True, slots=True)
class Described:
    """What the schema says of a series: heights in metres, pressure levels in hPa, depths in cm."""

    variable: int = Variable.undefined
    altitude: int = 0
    aggregation: int = Aggregation.none
    pressure_level: int = 0
    depth: int = 0
    depth_to: int = 0
    previous_day: int = 0


def write_flatbuffers(replies: Sequence[PlaceReply]) -> bytes:
    """Write answers as messages.

    Args:
        replies: one per place; a place's columns of several models become a message for each model.

    Returns:
        The messages, one behind the other. Each is a multiple of four bytes long, so that a client may map
        the numbers of every message where they lie. Series keep the order in which they were asked for.
        Unknown numbers are NaN; an unknown moment, such as the sunrise in a polar night, is 0.
    """
    return b"".join(_message(reply, model) for reply in replies for model in _models(reply))


@lru_cache(maxsize=4096)
def describe(variable: str) -> Described:
    """Put a variable's name into the schema's words.

    Args:
        variable: in today's spelling, such as `temperature_2m_max`, `soil_moisture_0_to_1cm`.

    Returns:
        Its description; `Variable.undefined` where there are no exact words for it.
    """
    earlier = _EARLIER.search(variable)
    name = variable[: earlier.start()] if earlier else variable
    base, _, ending = name.rpartition("_")
    aggregation = AGGREGATIONS.get(ending, Aggregation.none)
    if not aggregation:
        base = name
    level, height, depth = _LEVEL.search(base), _HEIGHT.search(base), _DEPTH.search(base)
    place = level or height or depth
    word = _variables().get(base[: place.start()] if place else base)
    if word is None:
        return Described()
    return Described(
        variable=word,
        altitude=int(height[1]) if height else 0,
        aggregation=aggregation,
        pressure_level=int(level[1]) if level else 0,
        depth=int(depth[1]) if depth else 0,
        depth_to=int(depth[2] or 0) if depth else 0,
        previous_day=int(earlier[1]) if earlier else 0,
    )


@cache
def _variables() -> dict[str, int]:
    return {name: number for name, number in vars(Variable).items() if isinstance(number, int)}


def _models(reply: PlaceReply) -> list[str]:
    models = dict.fromkeys(column.model for section in reply.sections for column in section.columns)
    return list(models) or ["best_match"]


def _message(reply: PlaceReply, model: str) -> bytes:
    builder = flatbuffers.Builder(8192)
    zone, abbreviation = (
        builder.CreateString(text) for text in (reply.timezone, reply.timezone_abbreviation)
    )
    # The schema has one place for what is now: where both were asked for, `current` comes last and stays.
    ordered = sorted(reply.sections, key=lambda section: section.name == "current")
    sections = {SECTIONS[section.name]: _section(builder, section, model) for section in ordered}
    builder.StartObject(REPLY_FIELDS)
    builder.PrependFloat32Slot(LATITUDE, reply.latitude, 0.0)
    builder.PrependFloat32Slot(LONGITUDE, reply.longitude, 0.0)
    builder.PrependFloat32Slot(ELEVATION, math.nan if reply.elevation is None else reply.elevation, 0.0)
    builder.PrependFloat32Slot(GENERATION_TIME, reply.generationtime_ms, 0.0)
    builder.PrependInt64Slot(LOCATION, reply.location_id, 0)
    # The enumeration knows best_match and other services' models, not our releases.
    builder.PrependUint8Slot(MODEL, Model.best_match if model == "best_match" else Model.undefined, 0)
    builder.PrependInt32Slot(OFFSET, reply.utc_offset_seconds, 0)
    builder.PrependUOffsetTRelativeSlot(ZONE, zone, 0)
    builder.PrependUOffsetTRelativeSlot(ABBREVIATION, abbreviation, 0)
    for slot, section in sections.items():
        builder.PrependUOffsetTRelativeSlot(slot, section, 0)
    builder.FinishSizePrefixed(builder.EndObject())
    return bytes(builder.Output())


def _section(builder: flatbuffers.Builder, section: Section, model: str) -> int:
    """Where the section was written; 0 where the model has nothing in it."""
    columns = [column for column in section.columns if column.model == model]
    if section.columns and not columns:
        return 0
    single = section.name in {"current", "current_weather"}
    offsets = [_series(builder, column, single=single) for column in columns]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    variables = builder.EndVector()
    start = int(section.times[0]) if len(section.times) else 0
    builder.StartObject(SECTION_FIELDS)
    builder.PrependInt64Slot(TIME, start, 0)
    # Clients work out the times from start, end and interval: as many steps as there are values, also where
    # a day of a change of clocks lasts 23 or 25 hours.
    builder.PrependInt64Slot(TIME_END, start + len(section.times) * section.interval, 0)
    builder.PrependInt32Slot(INTERVAL, section.interval, 0)
    builder.PrependUOffsetTRelativeSlot(VARIABLES, variables, 0)
    return int(builder.EndObject())


def _series(builder: flatbuffers.Builder, column: Column, *, single: bool) -> int:
    moments = column.unit.label in TIME_UNITS
    vector = 0
    if moments:
        vector = builder.CreateNumpyVector(np.nan_to_num(column.values).astype("<i8"))
    elif not single:
        vector = builder.CreateNumpyVector(column.values.astype("<f4"))
    described = describe(column.variable)
    builder.StartObject(SERIES_FIELDS)
    builder.PrependUint8Slot(VARIABLE, described.variable, 0)
    builder.PrependUint8Slot(UNIT, UNITS.get(column.unit.label, Unit.undefined), 0)
    if single and not moments:
        builder.PrependFloat32Slot(VALUE, float(column.values[0]), 0.0)
    builder.PrependUOffsetTRelativeSlot(VALUES_INT64 if moments else VALUES, vector, 0)
    builder.PrependInt16Slot(ALTITUDE, described.altitude, 0)
    builder.PrependUint8Slot(AGGREGATION, described.aggregation, 0)
    builder.PrependInt16Slot(PRESSURE_LEVEL, described.pressure_level, 0)
    builder.PrependInt16Slot(DEPTH, described.depth, 0)
    builder.PrependInt16Slot(DEPTH_TO, described.depth_to, 0)
    builder.PrependInt16Slot(PREVIOUS_DAY, described.previous_day, 0)
    return int(builder.EndObject())
