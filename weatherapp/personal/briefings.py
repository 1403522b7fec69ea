"""Briefings of a device's places: a few sentences with the numbers that they are made of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from weatherapp.core.personal import activities
from weatherapp.core.personal.briefing import UnitChoice, brief
from weatherapp.personal import forecast, sentences, shapes, weather
from weatherapp.personal.models import Device, Place
from weatherapp.personal.weather import PlaceWeather


def briefing_body(device: Device, places: Sequence[Place], *, language: str, now: datetime) -> dict[str, Any]:
    """Brief about some of a device's places, with everything applied.

    Raises:
        NoCurrentRun: there is no run.
    """
    run, stored = weather.current()
    found = forecast.place_weathers(device, places, stored, language, now)
    return {
        "run": run.folder,
        "replay": run.replay,
        "language": language,
        "places": [_briefed(device, place, found[place.pk], language, now) for place in places],
    }


def _briefed(
    device: Device, place: Place, found: PlaceWeather | str, language: str, now: datetime
) -> dict[str, Any]:
    body: dict[str, Any] = {"place": shapes.place_body(place)}
    if isinstance(found, str):
        return {**body, "unavailable": found}
    hours = found.personal
    windows = [
        (name, window)
        for name in device.activities
        for window in activities.best_window(activities.score(name, hours), hours.times, device.time_zone)
    ]
    briefing = brief(
        hours,
        now=int(now.timestamp()),
        language=language,
        zone=device.time_zone,
        units=UnitChoice(device.temperature_unit, device.wind_speed_unit, device.precipitation_unit),
        headline=device.headline,
        place=place.label or sentences.KINDS[language][place.kind],
        windows=windows,
    )
    return {**body, "text": briefing.text, "facts": briefing.facts}
