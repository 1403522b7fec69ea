"""Sentences of feed entries, made when they are read, so that they follow the profile."""

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from weatherapp.core import units
from weatherapp.core.personal.localtime import zone_info
from weatherapp.personal.models import Device, FeedEntry
from weatherapp.personal.variables import QUANTITIES, UNITS, inside, unit_of

ENGLISH, CHINESE = "en", "zh"
NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        ENGLISH: {
            "temperature": "Temperature",
            "feels_like": "Feels-like temperature",
            "wind_speed": "Wind",
            "cloud_cover": "Cloud cover",
            "precipitation": "Precipitation",
            "rain": "Rain",
            "snowfall": "Snowfall (as water)",
            "freezing_rain": "Freezing rain",
        },
        CHINESE: {
            "temperature": "气温",
            "feels_like": "体感温度",
            "wind_speed": "风速",
            "cloud_cover": "云量",
            "precipitation": "降水",
            "rain": "降雨",
            "snowfall": "降雪（折合水量）",
            "freezing_rain": "冻雨",
        },
    }
)
FALLING = frozenset({"precipitation", "rain", "snowfall", "freezing_rain"})
COMPARISONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {ENGLISH: {"above": "above", "below": "at most"}, CHINESE: {"above": "高于", "below": "不高于"}}
)
WEEKDAYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        ENGLISH: ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        CHINESE: ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    }
)
KINDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        ENGLISH: {"home": "Home", "work": "Work", "other": "Your place"},
        CHINESE: {"home": "家", "work": "公司", "other": "您的地点"},
    }
)


def language_of(device: Device, accept: str) -> str:
    """The language to speak: the profile's, else what `Accept-Language` likes best, else English."""
    if device.language:
        return str(device.language)
    ranked = []
    for position, part in enumerate(accept.split(",")):
        tag, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight or 1)
        except ValueError:
            quality = 0.0
        primary = tag.strip().lower().split("-")[0]
        if primary in {ENGLISH, CHINESE} and quality > 0:
            ranked.append((-quality, position, primary))
    return min(ranked)[2] if ranked else ENGLISH


def sentence(entry: FeedEntry, device: Device, language: str) -> str:
    """What a rule found, in the device's units and zone."""
    finding: dict[str, Any] = entry.finding
    variable = finding["variable"]
    local = entry.time.astimezone(zone_info(device.time_zone))
    place = entry.place.label or KINDS[language][entry.place.kind]
    name = NAMES[language][variable]
    limit = _limit(finding, unit_of(device, variable))
    compared = COMPARISONS[language][finding["comparison"]]
    chance = round(100 * entry.probability)
    day = WEEKDAYS[language][local.weekday()]
    if finding["comparison"] == "above" and finding["threshold"] == 0 and variable in FALLING:
        # Nobody says "above nothing", nor as what it is measured.
        name = re.split(r" \(|（", name)[0]
        if language == CHINESE:
            return f"{place}：{day}{local:%H:%M}前后出现{name}的概率为{chance}%。"
        return f"{place}: {name} around {local:%H:%M} on {day}, probability {chance} %."
    if language == CHINESE:
        return f"{place}：{day}{local:%H:%M}前后，{name}{compared}{limit}的概率为{chance}%。"
    return f"{place}: {name} {compared} {limit} around {local:%H:%M} on {day}, probability {chance} %."


def utc(moment: datetime) -> str:
    """A time as the API writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _limit(finding: Mapping[str, Any], unit: units.Unit) -> str:
    variable, named = finding["variable"], finding["unit"]
    given = UNITS[QUANTITIES[variable]][named]
    if given == unit:
        # As the person wrote it.
        return f"{finding['threshold']:g} {unit.label}"
    value = float(units.convert(inside(variable, finding["threshold"], named), unit))
    return f"{round(value, unit.decimals):g} {unit.label}"
