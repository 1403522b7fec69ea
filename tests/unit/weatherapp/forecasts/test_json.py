import numpy as np
import orjson

from weatherapp.core import units
from weatherapp.forecasts.formats.json import write_json
from weatherapp.forecasts.reply import Column, PlaceReply, Section

TIMES = np.array([1_783_123_200, 1_783_126_800, 1_783_130_400])  # 4 July 2026, 00:00 UTC and on


def reply(*sections, unixtime=False, **changes):
    given = {
        "latitude": 41.9, "longitude": -87.6, "elevation": 181.0, "generationtime_ms": 1.5,
        "utc_offset_seconds": -18000, "timezone": "America/Chicago", "timezone_abbreviation": "GMT-5",
        "location_id": 0,
    }  # fmt: skip
    return PlaceReply(**given | changes, unixtime=unixtime, sections=sections)


def column(unit, values, name="x"):
    return Column(name, name, "best_match", unit, np.array(values, dtype=np.float64))


def written(*replies):
    return orjson.loads(write_json(replies))


def test_unknown_values_are_null_and_whole_ones_have_no_point():
    section = Section(
        "hourly",
        TIMES,
        3600,
        (
            column(units.PERCENT["percent"], [3.0, np.nan, 5.0], "some"),
            column(units.PERCENT["percent"], [3.0, 4.0, 5.0], "all"),
            column(units.TEMPERATURE["celsius"], [3.0, np.nan, 5.5], "degrees"),
        ),
    )
    text = write_json([reply(section)]).decode()
    assert '"some":[3,null,5]' in text
    assert '"all":[3,4,5]' in text
    assert '"degrees":[3.0,null,5.5]' in text
    assert '"time":["2026-07-03T19:00","2026-07-03T20:00","2026-07-03T21:00"]' in text


def test_points_in_time_are_labels_or_seconds():
    values = [1_783_150_000.0, np.nan, 1_783_150_060.0]
    for unixtime, unit in ((False, "iso8601"), (True, "unixtime")):
        section = Section("daily", TIMES, 86400, (column(units.TIME[unit], values, "sunrise"),))
        shown = written(reply(section, unixtime=unixtime))["daily"]["sunrise"]
        assert shown[1] is None
        assert shown[0] == (1_783_150_000 if unixtime else "2026-07-04T02:26")


def test_one_moment_is_no_list():
    section = Section("current", TIMES[:1], 900, (column(units.PERCENT["percent"], [np.nan]),))
    assert written(reply(section))["current"] == {"time": "2026-07-03T19:00", "interval": 900, "x": None}


def test_several_places_are_a_list_and_each_but_the_first_has_its_number():
    bodies = written(reply(elevation=None), reply(location_id=1, extra={"replay": True}))
    assert [body.get("location_id") for body in bodies] == [None, 1]
    assert "elevation" not in bodies[0]
    assert bodies[1]["replay"] is True
