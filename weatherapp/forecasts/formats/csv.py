"""Answers as CSV: a table of places, then a table per section, a blank line between them."""

import math
from collections.abc import Iterator, Sequence

from weatherapp.core.arrays import FloatArray
from weatherapp.forecasts.formats.labels import TIME_UNITS, UNKNOWN, event_labels, local_labels
from weatherapp.forecasts.reply import Column, PlaceReply, Section

CONTENT_TYPE = "text/csv; charset=utf-8"
PLACE = "latitude,longitude,elevation,utc_offset_seconds,timezone,timezone_abbreviation"


def write_csv(replies: Sequence[PlaceReply]) -> bytes:
    """Write answers as Open-Meteo does.

    Args:
        replies: one per place, all with the same sections and columns. With several places every row begins
            with the place's `location_id`, and a section's table holds the rows of all places.

    Returns:
        UTF-8, lines end with a line feed, `NaN` where a value is unknown.
    """
    several = len(replies) > 1
    lines = [f"location_id,{PLACE}" if several else PLACE]
    lines += [_led(_place(reply), reply, several=several) for reply in replies]
    for position, section in enumerate(replies[0].sections):
        header = ",".join(["time", *(f"{column.name} ({column.unit.label})" for column in section.columns)])
        lines += ["", f"location_id,{header}" if several else header]
        for reply in replies:
            rows = _rows(reply, reply.sections[position])
            lines += (_led(row, reply, several=True) for row in rows) if several else rows
    return ("\n".join(lines) + "\n").encode()


def _led(row: str, reply: PlaceReply, *, several: bool) -> str:
    return f"{reply.location_id},{row}" if several else row


def _place(reply: PlaceReply) -> str:
    elevation = UNKNOWN if reply.elevation is None else reply.elevation
    where = (reply.latitude, reply.longitude, elevation, reply.utc_offset_seconds)
    return ",".join([*map(str, where), reply.timezone, reply.timezone_abbreviation])


def _rows(reply: PlaceReply, section: Section) -> Iterator[str]:
    times: Sequence[str] = (
        list(map(str, section.times.tolist()))
        if reply.unixtime
        else local_labels(section.times, reply.timezone, days=section.name == "daily")
    )
    return map(",".join, zip(times, *(_texts(column, reply) for column in section.columns), strict=True))


def _texts(column: Column, reply: PlaceReply) -> list[str]:
    if column.unit.label in TIME_UNITS:
        return _numbers(column.values, 0) if reply.unixtime else event_labels(column.values, reply.timezone)
    return _numbers(column.values, column.unit.decimals)


def _numbers(values: FloatArray, decimals: int) -> list[str]:
    pattern = f"%.{decimals}f"
    # Adding zero turns −0.0 into 0.0.
    return [UNKNOWN if math.isnan(value) else pattern % (value + 0.0) for value in values.tolist()]
