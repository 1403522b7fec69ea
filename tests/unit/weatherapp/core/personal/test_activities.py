from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from weatherapp.core.personal.activities import ACTIVITIES, best_window, drying_power, score
from weatherapp.core.personal.errors import RequestInvalid
from weatherapp.core.personal.hours import HOUR

ZONE = "America/Chicago"


def noon(scored):
    """Score and limiting factor of the sixth hour: 11 to 12 in Chicago."""
    return scored.score[5], scored.limiting[5]


def midnight(scored):
    return scored.score[18], scored.limiting[18]


def test_a_mild_dry_day_is_good_for_all_but_stars(make_hours):
    hours = make_hours()
    for activity in ("running", "cycling", "laundry", "commuting"):
        assert noon(score(activity, hours))[0] > 75, activity
    assert noon(score("stargazing", hours)) == (0, "dark")


@pytest.mark.parametrize(
    ("activity", "change", "limiting"),
    [
        ("running", {"precipitation_type": [0.3, 0.7, 0, 0]}, "rain"),
        ("running", {"temperature": 33 + np.linspace(-3, 3, 7), "dew_point": 15.0}, "heat"),
        ("running", {"temperature": -9 + np.linspace(-3, 3, 7), "dew_point": -15.0}, "cold"),
        ("cycling", {"wind_speed": np.linspace(8, 14, 7)}, "wind"),
        (
            "cycling",
            {"temperature": np.linspace(0.2, 1, 7), "dew_point": 0.0, "precipitation_type": [0.7, 0, 0.3, 0]},
            "ice",
        ),
        ("laundry", {"dew_point": 17.8}, "drying"),
        ("laundry", {"precipitation_type": [0.7, 0.3, 0, 0]}, "rain"),
        (
            "commuting",
            {"dew_point": 17.9, "cloud_base": [0.9, 0.1, 0, 0, 0, 0]},
            "fog",
        ),
    ],
)
def test_the_factor_in_the_way_is_named(make_hours, activity, change, limiting):
    value, named = noon(score(activity, make_hours(**change)))
    assert named == limiting
    assert value < noon(score(activity, make_hours()))[0]


@pytest.mark.parametrize(
    ("change", "limiting"),
    [({}, "cloud"), ({"cloud_cover": [0.0] * 7, "dew_point": 17.0}, "dew")],
)
def test_stars_need_a_dark_clear_dry_sky(make_hours, change, limiting):
    assert midnight(score("stargazing", make_hours(**change)))[1] == limiting
    clear = midnight(score("stargazing", make_hours(cloud_cover=[0.0] * 7)))
    assert clear == (100, "")


def test_there_is_no_night_for_stars_near_the_pole_in_summer(make_hours):
    hours = make_hours(place=(69.6, 18.9), cloud_cover=[0.0] * 7)
    scored = score("stargazing", hours)
    assert (scored.score == 0).all()
    assert best_window(scored, hours.times, "Europe/Oslo") == []


def test_doubt_costs_points(make_hours):
    sure = make_hours(wind_speed=[9.0] * 7)
    unsure = make_hours(wind_speed=[3.0, 4, 6, 9, 12, 14, 15])
    lowest = [noon(score("running", hours))[0] for hours in (sure, unsure)]
    assert lowest[0] > lowest[1]


def test_feels_like_takes_the_place_of_temperature_where_it_is_known(make_hours):
    hours = make_hours()
    felt = hours.quantiles["temperature"] + 14
    felt[20] = np.nan
    hot = score("running", hours.with_feels_like(felt))
    assert noon(hot)[1] == "heat"
    assert np.isfinite(hot.score[20])


def test_unknown_hours_have_no_score(make_hours):
    temperature = np.full((48, 7), 18.0)
    temperature[5] = np.nan
    scored = score("running", make_hours(temperature=temperature))
    assert np.isnan(scored.score[5])
    assert scored.limiting[5] == ""
    assert np.isfinite(scored.score[6])


def test_every_score_is_a_share_of_a_hundred(make_hours):
    rng = np.random.default_rng(7)
    chances = rng.dirichlet([1, 1, 1, 1], 48)
    hours = make_hours(
        temperature=np.sort(rng.normal(8, 18, (48, 7)), axis=1),
        wind_speed=np.sort(rng.gamma(2, 4, (48, 7)), axis=1),
        cloud_cover=np.sort(rng.uniform(0, 1, (48, 7)), axis=1),
        precipitation_type=chances,
    )
    for activity, asked in ACTIVITIES.items():
        scored = score(activity, hours)
        assert ((scored.score >= 0) & (scored.score <= 100)).all(), activity
        assert set(scored.limiting) <= {*asked.factors, ""}


def test_dry_air_and_wind_dry(make_hours):
    calm, windy = make_hours(wind_speed=[0.5] * 7), make_hours(wind_speed=[6.0] * 7)
    damp = make_hours(dew_point=17.9)
    assert drying_power(damp)[0] < drying_power(calm)[0] < drying_power(windy)[0]
    # Penman's aerodynamic term at 18 °C, dew point 8 °C, 2.5 m/s.
    assert drying_power(make_hours())[0] * 24 == pytest.approx(0.26 * 2.35 * (20.6 - 10.7), rel=0.02)


def test_the_best_window_of_each_day_is_found(make_hours, start):
    wet = np.full(48, 0.6)
    wet[9:11] = 0.0  # 15 to 17 in Chicago
    wet[33:35] = 0.0
    chances = np.stack([1 - wet, wet, 0 * wet, 0 * wet], axis=1)
    hours = make_hours(precipitation_type=chances)
    windows = best_window(score("cycling", hours), hours.times, ZONE)
    assert [window.day for window in windows] == [date(2026, 7, 4), date(2026, 7, 5)]
    assert windows[0].start == start + 9 * HOUR
    assert windows[0].end == start + 11 * HOUR
    assert windows[0].score > 60


def test_days_that_are_not_worth_it_have_no_window(make_hours):
    hours = make_hours(precipitation_type=[0.1, 0.9, 0, 0])
    assert best_window(score("cycling", hours), hours.times, ZONE) == []
    assert best_window(score("cycling", hours.between(0, 1)), hours.times[:0], ZONE) == []


def test_a_night_belongs_to_the_day_on_which_it_starts(make_hours):
    hours = make_hours(cloud_cover=[0.0] * 7)
    windows = best_window(score("stargazing", hours), hours.times, ZONE)
    assert [window.day for window in windows] == [date(2026, 7, 4), date(2026, 7, 5)]
    for window in windows:
        begins = datetime.fromtimestamp(window.start, ZoneInfo(ZONE))
        assert begins.hour >= 22 or begins.hour <= 3
        assert window.end - window.start == 2 * HOUR


def test_a_window_does_not_reach_over_missing_hours(make_hours):
    temperature = np.full((48, 7), 18.0)
    temperature[::2] = np.nan
    hours = make_hours(temperature=temperature)
    assert best_window(score("cycling", hours), hours.times, ZONE) == []
    known = hours.take(hours.known)
    assert best_window(score("cycling", known), known.times, ZONE) == []


def test_windows_keep_to_clock_times_when_the_clocks_change(make_hours):
    """On 1 November 2026 Chicago goes back to standard time: 06:00 is at 12 UTC then, no longer at 11."""
    before = int(datetime.fromisoformat("2026-10-31T06:00:00-05:00").timestamp())
    wet = np.full(48, 0.55)
    wet[25] = 0.0  # 06:00 to 07:00 on the first, in standard time
    chances = np.stack([1 - wet, wet, 0 * wet, 0 * wet], axis=1)
    hours = make_hours(start=before, precipitation_type=chances)
    first = best_window(score("running", hours), hours.times, ZONE)[-1]
    assert first.day == date(2026, 11, 1)
    assert datetime.fromtimestamp(first.start, ZoneInfo(ZONE)).isoformat() == "2026-11-01T06:00:00-06:00"


def test_unknown_names_are_refused(make_hours):
    hours = make_hours()
    with pytest.raises(RequestInvalid, match="choose one of running"):
        score("chess", hours)
    with pytest.raises(RequestInvalid, match="no time zone"):
        best_window(score("running", hours), hours.times, "Mars/Olympus")


def test_the_hour_of_dawn_is_rated_by_its_middle(make_hours):
    """On 4 July the sun rises at 05:21 in Chicago: of the hour to 05:00 the middle is still dark."""
    begin = int(datetime.fromisoformat("2026-07-04T03:00:00-05:00").timestamp())
    scored = score("running", make_hours(4, start=begin))
    assert scored.score[1] == 0  # to 05:00: at 04:30 the sun stands 8 degrees below the horizon
    assert scored.limiting[1] == "daylight"
    assert scored.score[2] > 50
