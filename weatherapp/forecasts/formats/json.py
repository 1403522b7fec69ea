"""Answers as JSON: an object for one place, a list of them for several."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from weatherapp.forecasts.formats.labels import TIME_UNITS, event_labels, local_labels
from weatherapp.forecasts.reply import Column, PlaceReply, Section

CONTENT_TYPE = "application/json; charset=utf-8"
NOW = frozenset({"current", "current_weather"})


def write_json(replies: Sequence[PlaceReply]) -> bytes:
    """Write answers as Open-Meteo does.

    Args:
        replies: one per place.

    Returns:
        UTF-8; `null` where a value is unknown; whole numbers where the unit has no decimals.
    """
    bodies = [_body(reply) for reply in replies]
    return orjson.dumps(bodies[0] if len(bodies) == 1 else bodies, option=orjson.OPT_SERIALIZE_NUMPY)


def _body(reply: PlaceReply) -> dict[str, Any]:
    body: dict[str, Any] = {
        "latitude": reply.latitude,
        "longitude": reply.longitude,
        "generationtime_ms": reply.generationtime_ms,
        "utc_offset_seconds": reply.utc_offset_seconds,
        "timezone": reply.timezone,
        "timezone_abbreviation": reply.timezone_abbreviation,
    }
    if reply.elevation is not None:
        body["elevation"] = reply.elevation
    if reply.location_id:
        body["location_id"] = reply.location_id
    for section in reply.sections:
        single = section.name in NOW
        body[f"{section.name}_units"] = _units(section, reply, single=single)
        body[section.name] = _values(section, reply, single=single)
    body.update(reply.extra)
    return body


def _units(section: Section, reply: PlaceReply, *, single: bool) -> dict[str, str]:
    shown = {"time": "unixtime" if reply.unixtime else "iso8601"}
    if single:
        shown["interval"] = "seconds"
    for column in section.columns:
        shown[column.name] = column.unit.label
    return shown


def _values(section: Section, reply: PlaceReply, *, single: bool) -> dict[str, Any]:
    times: Any = section.times
    if not reply.unixtime:
        times = local_labels(section.times, reply.timezone, days=section.name == "daily")
    if single:
        first = int(times[0]) if reply.unixtime else times[0]
        now = {column.name: _column(column, reply)[0] for column in section.columns}
        return {"time": first, "interval": section.interval, **now}
    return {"time": times, **{column.name: _column(column, reply) for column in section.columns}}


def _column(column: Column, reply: PlaceReply) -> Any:
    values = column.values
    if column.unit.label in TIME_UNITS and not reply.unixtime:
        known = iter(event_labels(values[np.isfinite(values)], reply.timezone))
        return [next(known) if there else None for there in np.isfinite(values).tolist()]
    if column.unit.decimals:
        return values  # NaN is written as null
    if np.isfinite(values).all():
        return values.astype(np.int64)
    return [int(value) if value == value else None for value in values.tolist()]  # noqa: PLR0124  (NaN)
