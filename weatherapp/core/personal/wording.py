"""The words of a briefing. Every number comes from the facts; what they say depends on nothing else."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from weatherapp.core.personal import localtime
from weatherapp.core.personal.errors import RequestInvalid

if TYPE_CHECKING:
    from weatherapp.core.personal.briefing import PeriodFacts, WindowFacts

DIRECTIONS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")

Words = Mapping[str, str]


def write(
    periods: "Sequence[PeriodFacts]",
    windows: "Sequence[WindowFacts]",
    *,
    language: str,
    zone: ZoneInfo,
    place: str | None,
) -> str:
    """Put facts into words.

    Args:
        periods: parts of the day, in order.
        windows: what to mention after them.
        language: "en" or "zh".
        zone: of the clock times.
        place: name to start with.

    Raises:
        RequestInvalid: another language.
    """
    if language not in _LANGUAGES:
        raise RequestInvalid(f"Language {language!r} is not one of {', '.join(_LANGUAGES)}.")
    words, period_text, window_text, join = _LANGUAGES[language]
    if not periods:
        lines = [words["nothing"]]
    else:
        lines = [period_text(words, period, zone) for period in periods]
        lines += [window_text(words, window) for window in windows]
    head = words["place"].format(place=place) if place else ""
    return head + join.join(lines)


def _english_period(words: Words, facts: "PeriodFacts", zone: ZoneInfo) -> str:
    felt = "feels like " if facts.headline == "feels_like" else ""
    unit = facts.temperature_unit
    span = f"around {facts.low} {unit}" if facts.low == facts.high else f"{facts.low} to {facts.high} {unit}"
    doubt = f"likely within {facts.likely_low} to {facts.likely_high}"
    first = f"{words[facts.name]}: {words[facts.sky]}, {felt}{span} ({doubt})."
    return " ".join([first, _english_wet(words, facts, zone), _english_wind(words, facts)])


def _english_wet(words: Words, facts: "PeriodFacts", zone: ZoneInfo) -> str:
    if facts.rain_time is None:
        return "No rain or snow expected."
    text = f"Chance of {words[facts.kind]} {_range(facts.chance)} %"
    text += f", most likely around {localtime.clock(facts.rain_time, zone)}"
    if facts.amount is not None:
        water = " of water" if facts.kind in {"snow", "rain_or_snow"} else ""
        amount = f"{facts.amount:g} {words[facts.amount_unit]}{water}"
        text += "; only a trace" if facts.trace else f"; about {amount} if it comes"
    return text + "."


def _english_wind(words: Words, facts: "PeriodFacts") -> str:
    if not facts.wind_from:
        return "Hardly any wind."
    unit = words[facts.wind_unit]
    text = f"Wind from the {words[facts.wind_from]} up to {facts.wind} {unit}"
    return text + (f", possibly {facts.wind_likely}." if facts.wind_likely > facts.wind else ".")


def _english_window(words: Words, facts: "WindowFacts") -> str:
    limit = f"; what limits it: {words['limit_' + facts.limiting]}" if _limited(facts) else ""
    return (
        f"Best time for {words['do_' + facts.name]}: {words[facts.day].lower()} {facts.start}–{facts.end}, "
        f"{words[_grade(facts.score)]}{limit}."
    )


def _chinese_period(words: Words, facts: "PeriodFacts", zone: ZoneInfo) -> str:
    felt = "体感" if facts.headline == "feels_like" else "气温"
    unit = facts.temperature_unit
    span = f"{facts.low} {unit} 左右" if facts.low == facts.high else f"{facts.low} 到 {facts.high} {unit}"
    doubt = f"很可能在 {facts.likely_low} 到 {facts.likely_high} {unit} 之间"
    first = f"{words[facts.name]}：{words[facts.sky]}，{felt} {span}（{doubt}）。"
    return "".join([first, _chinese_wet(words, facts, zone), _chinese_wind(words, facts)])


def _chinese_wet(words: Words, facts: "PeriodFacts", zone: ZoneInfo) -> str:
    if facts.rain_time is None:
        return "预计无雨雪。"
    text = f"{words[facts.kind]}的可能性为 {_range(facts.chance)}%"
    text += f"，{localtime.clock(facts.rain_time, zone)} 前后最有可能"
    if facts.amount is not None:
        water = "折合降水" if facts.kind in {"snow", "rain_or_snow"} else "雨量"
        amount = f"{water}约 {facts.amount:g} {words[facts.amount_unit]}"
        text += "，量极小" if facts.trace else f"，若出现则{amount}"
    return text + "。"


def _chinese_wind(words: Words, facts: "PeriodFacts") -> str:
    if not facts.wind_from:
        return "几乎无风。"
    unit = words[facts.wind_unit]
    text = f"{words[facts.wind_from]}风，最大 {facts.wind} {unit}"
    return text + (f"，可能达到 {facts.wind_likely} {unit}。" if facts.wind_likely > facts.wind else "。")


def _chinese_window(words: Words, facts: "WindowFacts") -> str:
    limit = f"，主要受限于{words['limit_' + facts.limiting]}" if _limited(facts) else ""
    return (
        f"适合{words['do_' + facts.name]}的最佳时段：{words['day_' + facts.day]} {facts.start}–{facts.end}，"
        f"{words[_grade(facts.score)]}{limit}。"
    )


def _range(chance: tuple[int, int]) -> str:
    low, high = chance
    return f"{low}" if low == high else f"{low}–{high}"


def _limited(facts: "WindowFacts") -> bool:
    """Whether what limits a window is worth a word."""
    return bool(facts.limiting) and _grade(facts.score) != "very_good"


def _grade(score: int) -> str:
    return "very_good" if score >= 80 else "good" if score >= 60 else "fair"


_ENGLISH: Words = MappingProxyType(
    {
        "place": "{place} – ",
        "nothing": "There is no forecast for the coming hours.",
        "rest_of_night": "Rest of the night",
        "today": "Today",
        "tonight": "Tonight",
        "tomorrow": "Tomorrow",
        "tomorrow_night": "Tomorrow night",
        "clear": "clear",
        "mostly_clear": "mostly clear",
        "partly_cloudy": "partly cloudy",
        "cloudy": "cloudy",
        "fog": "foggy",
        "rain": "rain",
        "snow": "snow",
        "rain_or_snow": "rain or snow",
        "freezing_rain": "freezing rain",
        "mm": "mm",
        "inch": "in",
        "km/h": "km/h",
        "m/s": "m/s",
        "mp/h": "mph",
        "kn": "kn",
        "N": "north",
        "NE": "northeast",
        "E": "east",
        "SE": "southeast",
        "S": "south",
        "SW": "southwest",
        "W": "west",
        "NW": "northwest",
        "very_good": "very good",
        "good": "good",
        "fair": "fair",
        "do_running": "running",
        "do_cycling": "cycling",
        "do_laundry": "drying laundry",
        "do_commuting": "commuting",
        "do_stargazing": "stargazing",
        "limit_rain": "rain",
        "limit_ice": "snow or ice",
        "limit_cold": "cold",
        "limit_heat": "heat",
        "limit_wind": "wind",
        "limit_daylight": "daylight",
        "limit_drying": "damp air",
        "limit_fog": "fog",
        "limit_dark": "twilight",
        "limit_cloud": "clouds",
        "limit_dew": "dew",
    }
)

_CHINESE: Words = MappingProxyType(
    {
        "place": "{place}：",
        "nothing": "未来几小时暂无预报。",
        "rest_of_night": "今晨",
        "today": "今天白天",
        "tonight": "今晚",
        "tomorrow": "明天白天",
        "tomorrow_night": "明晚",
        "day_today": "今天",
        "day_tomorrow": "明天",
        "clear": "晴",
        "mostly_clear": "晴间少云",
        "partly_cloudy": "多云",
        "cloudy": "阴",
        "fog": "有雾",
        "rain": "降雨",
        "snow": "降雪",
        "rain_or_snow": "降雨或降雪",
        "freezing_rain": "冻雨",
        "mm": "毫米",
        "inch": "英寸",
        "km/h": "公里/小时",
        "m/s": "米/秒",
        "mp/h": "英里/小时",
        "kn": "节",
        "N": "北",
        "NE": "东北",
        "E": "东",
        "SE": "东南",
        "S": "南",
        "SW": "西南",
        "W": "西",
        "NW": "西北",
        "very_good": "条件很好",
        "good": "条件较好",
        "fair": "条件一般",
        "do_running": "跑步",
        "do_cycling": "骑行",
        "do_laundry": "晾晒衣物",
        "do_commuting": "出行通勤",
        "do_stargazing": "观星",
        "limit_rain": "降水",
        "limit_ice": "冰雪",
        "limit_cold": "寒冷",
        "limit_heat": "炎热",
        "limit_wind": "大风",
        "limit_daylight": "日照时段",
        "limit_drying": "空气潮湿",
        "limit_fog": "雾",
        "limit_dark": "天色未暗",
        "limit_cloud": "云量",
        "limit_dew": "露水",
    }
)

_Period = Callable[[Words, "PeriodFacts", ZoneInfo], str]
_Window = Callable[[Words, "WindowFacts"], str]
_LANGUAGES: Mapping[str, tuple[Words, _Period, _Window, str]] = MappingProxyType(
    {
        "en": (_ENGLISH, _english_period, _english_window, " "),
        "zh": (_CHINESE, _chinese_period, _chinese_window, ""),
    }
)
