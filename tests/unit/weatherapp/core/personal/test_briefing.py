import json
import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weatherapp.core import units as core_units
from weatherapp.core.personal import localtime, wording
from weatherapp.core.personal.activities import ACTIVITIES, BestWindow, best_window, score
from weatherapp.core.personal.briefing import UnitChoice, brief, chance_of_any
from weatherapp.core.personal.errors import RequestInvalid
from weatherapp.core.personal.hours import HOUR, from_hours

from .conftest import CHICAGO, START, make_public

ZONE = "America/Chicago"
NUMBER = re.compile(r"(?<![\d:])-?\d+(?:\.\d+)?(?![\d:])")
CLOCK = re.compile(r"\d\d:\d\d")
DRY = {"en": "No rain or snow expected.", "zh": "预计无雨雪。"}
CHANCE = {"en": "Chance of", "zh": "可能性为"}


def told(hours, *, now=START, language="en", units=UnitChoice(), zone=ZONE, **more):  # noqa: B008 a constant
    return brief(hours, now=now, language=language, zone=zone, units=units, **more)


def wet(chances):
    chances = np.asarray(chances, float)
    return np.stack([1 - chances, chances, 0 * chances, 0 * chances], axis=1)


def numbers_of(briefing):
    """How every number and clock time of the facts is written, as text and facts must have the same."""
    zone = ZoneInfo(ZONE)
    written, clocks = [], []
    for facts in briefing.periods:
        written += [facts.low] if facts.low == facts.high else [facts.low, facts.high]
        written += [facts.likely_low, facts.likely_high]
        if facts.rain_time is not None:
            written += sorted(set(facts.chance))
            clocks.append(localtime.clock(facts.rain_time, zone))
            if facts.amount is not None and not facts.trace:
                written.append(facts.amount)
        if facts.wind_from:
            written.append(facts.wind)
            if facts.wind_likely > facts.wind:
                written.append(facts.wind_likely)
    for window in briefing.windows:
        clocks += [window.start, window.end]
    return [float(number) for number in written], clocks


def parsed(text):
    clocks = CLOCK.findall(text)
    rest = CLOCK.sub(" ", text).replace("–", " ")
    return [float(number) for number in NUMBER.findall(rest)], clocks


def test_a_dry_day_in_english(make_hours):
    briefing = told(make_hours(), place="Home")
    assert briefing.text == (
        "Home – Today: mostly clear, around 18 °C (likely within 16 to 20). No rain or snow expected. "
        "Wind from the east up to 9 km/h, possibly 13. "
        "Tonight: mostly clear, around 18 °C (likely within 16 to 20). No rain or snow expected. "
        "Wind from the east up to 9 km/h, possibly 13. "
        "Tomorrow: mostly clear, around 18 °C (likely within 16 to 20). No rain or snow expected. "
        "Wind from the east up to 9 km/h, possibly 13."
    )


def test_a_wet_day_in_both_languages(make_hours):
    temperature = np.linspace(4, 14, 48)[:, None] + np.linspace(-3, 3, 7)
    chances = [0.1] * 8 + [0.5, 0.6] + [0.02] * 38
    hours = make_hours(temperature=temperature, dew_point=3.0, precipitation_type=wet(chances))
    english, chinese = (told(hours, language=language).text for language in ("en", "zh"))
    assert english.startswith(
        "Today: mostly clear, 4 to 7 °C (likely within 2 to 9). Chance of rain 60–70 %, most likely around "
        "15:00; about 3.4 mm if it comes. Wind from the east"
    )
    assert chinese.startswith(
        "今天白天：晴间少云，气温 4 到 7 °C（很可能在 2 到 9 °C 之间）。"
        "降雨的可能性为 60–70%，15:00 前后最有可能，若出现则雨量约 3.4 毫米。"
        "东风，最大 9 公里/小时，可能达到 13 公里/小时。今晚："
    )


def test_the_parts_of_the_day_follow_the_clock(make_hours):
    hours = make_hours()
    names = {
        hour: [period.name for period in told(hours, now=START + hour * HOUR).periods]
        for hour in (0, 12, 13, 16, 19)
    }
    assert names == {
        0: ["today", "tonight", "tomorrow"],
        12: ["today", "tonight", "tomorrow"],
        13: ["tonight", "tomorrow", "tomorrow_night"],  # 19:00: what is left of the day is not worth a word
        16: ["tonight", "tomorrow", "tomorrow_night"],
        19: ["rest_of_night", "today", "tonight"],
    }


def test_periods_keep_to_the_clock_when_it_changes(make_hours):
    """The night to 1 November 2026 has an hour more in Chicago."""
    now = int(datetime.fromisoformat("2026-10-31T12:00:00-05:00").timestamp())
    periods = told(make_hours(start=now), now=now).periods
    assert (periods[1].end - periods[1].start) / HOUR == 11
    assert localtime.clock(periods[2].start, ZoneInfo(ZONE)) == "06:00"


def test_units_are_those_of_the_reader(make_hours):
    hours = make_hours(precipitation_type=[0.4, 0.6, 0, 0])
    text = told(hours, units=UnitChoice("fahrenheit", "mph", "inch")).text
    assert "around 64 °F (likely within 61 to 68)" in text
    assert "mph" in text
    assert " in if it comes" in text
    text = told(hours, units=UnitChoice("celsius", "ms", "mm"), language="zh").text
    assert "米/秒" in text
    assert "毫米" in text


def test_feels_like_stands_in_the_headline_when_asked(make_hours):
    hours = make_hours().with_feels_like(make_hours().quantiles["temperature"] - 6)
    assert "feels like around 12 °C" in told(hours, headline="feels_like").text
    assert "体感 12 °C 左右" in told(hours, headline="feels_like", language="zh").text
    assert "feels" not in told(hours).text


def test_where_the_index_ends_the_temperature_is_told(make_hours):
    felt = make_hours().quantiles["temperature"].copy()
    felt[3] = np.nan
    periods = told(make_hours().with_feels_like(felt), headline="feels_like").periods
    assert [period.headline for period in periods] == ["temperature", "feels_like", "feels_like"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"precipitation_type": [0.3, 0, 0.7, 0]}, "Chance of snow"),
        ({"precipitation_type": [0.3, 0.4, 0.3, 0]}, "Chance of rain or snow"),
        ({"precipitation_type": [0.3, 0.1, 0, 0.6], "temperature": np.linspace(-3, -1, 7)}, "freezing rain"),
        ({"precipitation": [0.0] * 7, "precipitation_type": [0.3, 0.7, 0, 0]}, "about 1.4 mm"),
        ({"wind_speed": np.linspace(0, 0.4, 7), "wind": [0.0, 0.0]}, "Hardly any wind."),
        ({"cloud_cover": [1.0] * 7}, "Today: cloudy"),
        ({"cloud_cover": [0.0] * 7}, "Today: clear"),
        ({"cloud_base": [1.0, 0, 0, 0, 0, 0], "dew_point": 1.0}, "Today: foggy"),
    ],
)
def test_each_thing_has_its_word(make_hours, change, words):
    cold = {"temperature": np.linspace(0.8, 1.4, 7), "dew_point": -1.0}
    assert words in told(make_hours(**{**cold, **change})).text


def test_the_best_windows_are_mentioned(make_hours):
    hours = make_hours(precipitation_type=wet([0.3] * 9 + [0.0] * 39))
    windows = [("cycling", one) for one in best_window(score("cycling", hours), hours.times, ZONE)]
    briefing = told(hours, windows=windows)
    assert "Best time for cycling: today 15:00–17:00, very good." in briefing.text
    assert (
        "适合骑行的最佳时段：今天 15:00–17:00，条件很好。" in told(hours, windows=windows, language="zh").text
    )
    assert briefing.facts["windows"][0]["score"] == 100


def test_windows_that_are_over_or_too_far_off_are_left_out(make_hours):
    days = [date(2026, 7, 4), date(2026, 7, 6)]
    windows = [
        ("running", BestWindow(day, START + n, START + n + HOUR, 55.0, "heat")) for n, day in enumerate(days)
    ]
    assert "running" not in told(make_hours(), now=START + 2 * HOUR, windows=windows).text
    text = told(make_hours(), windows=windows).text
    assert text.count("Best time for running: today 06:00–07:00, fair; what limits it: heat.") == 1
    assert text.count("running") == 1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_a_forecast_it_says_so(make_hours, language):
    late = told(make_hours(), now=START + 60 * HOUR, language=language)
    assert late.periods == ()
    assert (
        late.text
        == {"en": "There is no forecast for the coming hours.", "zh": "未来几小时暂无预报。"}[language]
    )


def test_hours_without_a_forecast_are_left_out(make_hours):
    temperature = np.full((48, 7), 18.0)
    temperature[:20] = np.nan
    assert [period.name for period in told(make_hours(temperature=temperature)).periods] == [
        "tonight",
        "tomorrow",
    ]


def test_facts_are_json_and_the_same_every_time(make_hours):
    hours = make_hours(precipitation_type=[0.4, 0.6, 0, 0])
    first, second = told(hours), told(hours)
    assert first == second
    assert json.loads(json.dumps(first.facts))["periods"][0]["name"] == "today"


def test_bounds_of_a_chance():
    assert chance_of_any(np.array([0.4])) == pytest.approx((0.4, 0.4))
    # Three hours are one spell; six are two.
    assert chance_of_any(np.array([0.4, 0.2, 0.4])) == pytest.approx((0.4, 0.4))
    assert chance_of_any(np.array([0.4] * 6)) == pytest.approx((0.4, 0.64))
    assert chance_of_any(np.array([0, 0, 0.4, 0.4, 0, 0])) == pytest.approx((0.4, 0.4))
    assert chance_of_any(np.zeros(6)) == (0, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"language": "fr"}, "not one of en, zh"),
        ({"zone": "Mars"}, "no time zone"),
        ({"headline": "luck"}, "neither temperature nor feels_like"),
        ({"headline": "feels_like"}, "no feels_like"),
    ],
)
def test_bad_requests_are_refused(make_hours, change, message):
    with pytest.raises(RequestInvalid, match=message):
        told(make_hours(), **change)


@pytest.mark.parametrize(
    "change", [{"temperature": "kelvin"}, {"wind_speed": "bft"}, {"precipitation": "cup"}]
)
def test_unknown_units_are_refused(change):
    with pytest.raises(RequestInvalid, match="not one of"):
        UnitChoice(**change)


@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_the_text_says_what_the_numbers_say(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    language = data.draw(st.sampled_from(["en", "zh"]))
    units = UnitChoice(
        data.draw(st.sampled_from(list(core_units.TEMPERATURE))),
        data.draw(st.sampled_from(list(core_units.SPEED))),
        data.draw(st.sampled_from(list(core_units.WATER))),
    )
    hours = random_hours(rng, wetness=data.draw(st.sampled_from([0.0, 0.05, 0.3, 1.0])))
    now = START + data.draw(st.integers(0, 50 * HOUR))
    windows = [
        (name, one)
        for name in ("running", "stargazing")
        for one in best_window(score(name, hours), hours.times, ZONE)
    ]
    briefing = told(hours, now=now, language=language, units=units, windows=windows)
    # Every number of the text is one of the facts, in order, and the other way round.
    assert parsed(briefing.text) == numbers_of(briefing)
    # Dry is said as often as facts say so, and only where nothing is called wet.
    dry = [facts for facts in briefing.periods if facts.rain_time is None]
    assert briefing.text.count(DRY[language]) == len(dry)
    assert briefing.text.count(CHANCE[language]) == len(briefing.periods) - len(dry)
    for facts in briefing.periods:
        check_period(facts, hours, units)


def random_hours(rng, *, wetness):
    chances = rng.dirichlet([6, 1 + 2 * wetness, wetness + 0.01, 0.2 * wetness + 0.01], 48)
    chances[:, 0] += (1 - wetness) * (1 - chances[:, 0])
    chances[:, 1:] *= wetness
    public = make_public(
        temperature=np.sort(rng.normal(rng.uniform(-15, 30), 6, (48, 1)) + rng.normal(0, 3, (48, 7)), axis=1),
        wind_speed=np.sort(rng.gamma(1.5, 3, (48, 7)), axis=1),
        wind=rng.normal(0, 4, (48, 2)),
        cloud_cover=np.sort(rng.uniform(0, 1, (48, 7)), axis=1),
        precipitation=np.sort(rng.gamma(0.5, 2, (48, 7)), axis=1),
        precipitation_type=chances,
    )
    return from_hours(public, START + HOUR * np.arange(1, 49), *CHICAGO)


def check_period(facts, hours, units):
    """The facts of a part of the day are those of its hours, rounded as they are shown."""
    part = hours.between(facts.start + 1, facts.end)
    temperature, speed = core_units.TEMPERATURE[units.temperature], core_units.SPEED[units.wind_speed]
    assert facts.low == round(float(core_units.convert(part.temperature.min(), temperature)))
    assert facts.high == round(float(core_units.convert(part.temperature.max(), temperature)))
    assert facts.likely_low <= facts.low <= facts.high <= facts.likely_high
    assert facts.wind == round(float(core_units.convert(part.wind_speed.max(), speed)))
    assert facts.wind <= facts.wind_likely
    total = part.precipitation.sum()
    assert (facts.amount is not None) == (total > 0)
    if facts.rain_time is None:
        assert total == 0
        assert part.precipitation_probability.max() < 0.1
    else:
        assert facts.kind
        likeliest = part.times[np.argmax(part.precipitation_probability)]
        assert facts.rain_time == likeliest - HOUR
    low, high = facts.chance
    assert 0 < low <= high < 100
    assert abs(low / 100 - np.clip(part.precipitation_probability.max(), 0.05, 0.95)) <= 0.0251


def test_every_activity_factor_and_direction_has_words_in_both_languages():
    factors = {name for activity in ACTIVITIES.values() for name in activity.factors}
    for language, words in (("en", wording._ENGLISH), ("zh", wording._CHINESE)):
        wanted = {f"limit_{name}" for name in factors} | {f"do_{name}" for name in ACTIVITIES}
        wanted |= {*wording.DIRECTIONS, *(unit.label for unit in core_units.SPEED.values())}
        assert wanted <= set(words), language


def test_a_name_of_a_place_may_hold_anything(make_hours):
    assert told(make_hours(), place="{Route} 66 %s").text.startswith("{Route} 66 %s – Today")
