import json
from datetime import date, datetime

import numpy as np
import pytest

from weatherapp.core.personal.errors import RequestInvalid, RuleInvalid
from weatherapp.core.personal.hours import HOUR
from weatherapp.core.personal.rules import Rule, Window, dedup_key, evaluate

EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
CHICAGO, BERLIN = "America/Chicago", "Europe/Berlin"


def at(text):
    return int(datetime.fromisoformat(text).timestamp())


def window(begin="07:30", end="08:30", *, days=EVERY_DAY, zone=CHICAGO):
    return Window(days=days, start=begin, end=end, zone=zone)


def rain(when=None, *, probability=0.4, threshold=0.0):
    return Rule("rain", "above", threshold, probability, when or window())


def wet_hours(make_hours, chances, **more):
    """Hours whose chance of rain is given from the first on, then 0."""
    wet = np.zeros(48)
    wet[: len(chances)] = chances
    return make_hours(precipitation_type=np.stack([1 - wet, wet, 0 * wet, 0 * wet], axis=1), **more)


def test_rain_on_the_way_to_work_is_found(make_hours, start):
    """The first hour is 06:00 to 07:00 in Chicago: 07:30 to 08:30 touches the second and the third."""
    hours = wet_hours(make_hours, [0.9, 0.3, 0.6, 0.9])
    found = evaluate(rain(), hours, start)
    assert found.time == start + 3 * HOUR
    assert found.chance == pytest.approx(0.6)
    assert found.highest == pytest.approx(0.6)
    assert found.at_most == pytest.approx(0.9)
    assert found.occasion == date(2026, 7, 4)
    assert found.text == "rule.rain.above"


def test_the_chance_must_be_higher_than_asked(make_hours, start):
    hours = wet_hours(make_hours, [0, 0.5, 0.5])
    assert evaluate(rain(probability=0.5), hours, start) is None
    assert evaluate(rain(probability=0.49), hours, start) is not None


def test_the_first_hour_of_the_first_occasion_is_told(make_hours, start):
    wet = [0.0] * 25 + [0.7, 0.9]  # only the second day
    found = evaluate(rain(), wet_hours(make_hours, wet), start)
    assert found.occasion == date(2026, 7, 5)
    assert found.time == start + 26 * HOUR
    assert (found.chance, found.highest) == pytest.approx((0.7, 0.9))
    assert found.at_most == 1.0


def test_hours_that_are_over_do_not_count(make_hours, start):
    hours = wet_hours(make_hours, [0, 0.9, 0.9])
    assert evaluate(rain(), hours, start + 2 * HOUR).time == start + 3 * HOUR
    assert evaluate(rain(), hours, start + 3 * HOUR) is None


def test_only_the_days_of_the_window_count(make_hours, start):
    hours = wet_hours(make_hours, [0.9] * 48)
    saturday, sunday = 5, 6
    assert evaluate(rain(window(days=(sunday,))), hours, start).occasion == date(2026, 7, 5)
    assert evaluate(rain(window(days=(saturday, sunday))), hours, start).occasion == date(2026, 7, 4)
    assert evaluate(rain(window(days=(2,))), hours, start) is None


def test_a_short_window_between_two_hours_still_sees_one(make_hours, start):
    hot = make_hours(temperature=30 + np.linspace(-1, 1, 7))
    found = evaluate(Rule("temperature", "above", 25.0, 0.9, window("08:10", "08:25")), hot, start)
    assert found.time == start + 2 * HOUR  # 08:00 stands for 07:30 to 08:30


def test_below_is_the_rest_of_above(make_hours, start):
    cold = make_hours(temperature=np.linspace(-3, 3, 7))
    found = evaluate(Rule("temperature", "below", 0.0, 0.3, window()), cold, start)
    assert found.chance == pytest.approx(0.5)
    assert evaluate(Rule("temperature", "below", 0.0, 0.5, window()), cold, start) is None


def test_a_night_window_belongs_to_the_day_on_which_it_starts(make_hours, start):
    hours = wet_hours(make_hours, [0.0] * 20 + [0.9])  # 01:00 to 02:00 on the fifth
    night = rain(window("22:00", "06:00"))
    assert evaluate(night, hours, start).occasion == date(2026, 7, 4)
    assert evaluate(rain(window("22:00", "06:00", days=(6,))), hours, start) is None


def test_a_night_that_began_before_the_first_hour_counts(make_hours):
    begin = at("2026-07-04T02:00:00-05:00")
    hours = wet_hours(make_hours, [0.9], start=begin)
    found = evaluate(rain(window("22:00", "06:00", days=(4,))), hours, begin)
    assert found.occasion == date(2026, 7, 3)


def test_the_same_start_and_end_is_a_whole_day(make_hours, start):
    days = list(window("00:00", "00:00").occasions(start, start))
    assert days == [(date(2026, 7, 4), at("2026-07-04T00:00:00-05:00"), at("2026-07-05T00:00:00-05:00"))]


@pytest.mark.parametrize(
    ("day", "begin", "end", "hours"),
    [
        ("2026-03-28", "01:00", "05:00", 4),
        ("2026-03-29", "01:00", "05:00", 3),  # 02:00 to 03:00 does not exist
        ("2026-03-29", "02:30", "04:00", 0.5),  # begins at 03:30, moved by as much as the clocks
        ("2026-03-29", "02:30", "03:15", 0.25),  # 03:30 would be past the end: what there is begins at 03:00
        ("2026-03-28", "22:00", "06:00", 7),  # the short night
        ("2026-10-25", "01:00", "05:00", 5),
        ("2026-10-25", "02:15", "02:45", 1.5),  # from the first 02:15 to the second 02:45
        ("2026-10-24", "22:00", "06:00", 9),
    ],
)
def test_windows_on_days_when_the_clocks_change(day, begin, end, hours):
    noon = at(f"{day}T12:00:00+01:00")
    found = [
        (start, finish)
        for one, start, finish in window(begin, end, zone=BERLIN).occasions(noon - 86400, noon + 86400)
        if one == date.fromisoformat(day)
    ]
    assert [(finish - start) / HOUR for start, finish in found] == [hours]


def test_a_window_that_a_change_swallows_does_not_come():
    """Nothing between 02:30 and 03:00 exists."""
    noon = at("2026-03-29T12:00:00+02:00")
    days = [day for day, _, _ in window("02:30", "03:00", zone=BERLIN).occasions(noon - 2 * 86400, noon)]
    assert days == [date(2026, 3, 28)]


def test_hours_without_a_forecast_meet_nothing(make_hours, start):
    unknown = make_hours(temperature=np.full((48, 7), np.nan))
    assert evaluate(Rule("temperature", "below", 40.0, 0.0, window()), unknown, start) is None
    assert evaluate(rain(), unknown.between(0, 1), start) is None


def test_the_key_is_the_same_in_every_run_and_another_for_another_rule_or_day(make_hours, start):
    first = evaluate(rain(), wet_hours(make_hours, [0, 0.9, 0.9]), start)
    later = evaluate(rain(), wet_hours(make_hours, [0, 0, 0.7]), start + HOUR)
    assert first.key == later.key == dedup_key(rain(), date(2026, 7, 4))
    others = {
        dedup_key(rain(), date(2026, 7, 5)),
        dedup_key(rain(probability=0.5), date(2026, 7, 4)),
        dedup_key(rain(window("07:30", "08:31")), date(2026, 7, 4)),
    }
    assert len(others | {first.key}) == 4


def test_the_order_of_the_days_makes_no_other_rule():
    assert rain(window(days=(4, 0))) == rain(window(days=(0, 4)))


def test_a_rule_survives_json():
    rule = rain(window("22:00", "06:00", days=(0, 4)))
    assert Rule.from_dict(json.loads(json.dumps(rule.to_dict()))) == rule


def test_feels_like_needs_hours_that_know_it(make_hours, start):
    rule = Rule("feels_like", "above", 0.0, 0.1, window())
    hours = make_hours()
    with pytest.raises(RequestInvalid, match="feels_like"):
        evaluate(rule, hours, start)
    assert evaluate(rule, hours.with_feels_like(hours.quantiles["temperature"]), start).chance > 0.99


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variable": "luck"}, "not a variable"),
        ({"comparison": "near"}, "neither above nor below"),
        ({"threshold": float("nan")}, "not a number"),
        ({"threshold": "much"}, "ValueError"),
        ({"probability": 1.0}, "below, 1"),
        ({"probability": -0.1}, "below, 1"),
        ({"probability": float("nan")}, "below, 1"),
        ({"window": {"days": [], "start": "07:00", "end": "08:00", "zone": "UTC"}}, "each once"),
        ({"window": {"days": [7], "start": "07:00", "end": "08:00", "zone": "UTC"}}, "each once"),
        ({"window": {"days": [1, 1], "start": "07:00", "end": "08:00", "zone": "UTC"}}, "each once"),
        ({"window": {"days": [1], "start": "7:00", "end": "08:00", "zone": "UTC"}}, "HH:MM"),
        ({"window": {"days": [1], "start": "07:00", "end": "24:00", "zone": "UTC"}}, "HH:MM"),
        ({"window": {"days": [1], "start": "07:00", "end": "08:00", "zone": "Mars"}}, "no time zone"),
        ({"window": {"days": [1], "start": "07:00", "end": "08:00", "zone": "../etc"}}, "no time zone"),
        ({"window": None}, "TypeError"),
    ],
)
def test_rules_that_make_no_sense_are_refused(change, message):
    with pytest.raises(RuleInvalid, match=message):
        Rule.from_dict({**rain().to_dict(), **change})


def test_half_a_rule_is_none():
    with pytest.raises(RuleInvalid, match="KeyError"):
        Rule.from_dict({})


def test_an_end_that_is_skipped_is_moved_past_the_change():
    noon = at("2026-03-29T12:00:00+02:00")
    found = [
        finish
        for day, _, finish in window("01:00", "02:30", zone=BERLIN).occasions(noon - 86400, noon)
        if day == date(2026, 3, 29)
    ]
    assert found == [at("2026-03-29T03:30:00+02:00")]
