"""What the runs say about a device's places: the public values, and the same with what was learned there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.core.errors import NothingNear
from weatherapp.core.hourly import Hours
from weatherapp.core.personal import bias, comfort
from weatherapp.core.personal.hours import HOUR, PersonalHours, from_hours
from weatherapp.forecasts import replies, selectors, store
from weatherapp.forecasts.models import ForecastRun
from weatherapp.forecasts.query import Place as Point
from weatherapp.forecasts.store import StoredRun
from weatherapp.personal.errors import NoForecastThere
from weatherapp.personal.models import Device, Place
from weatherapp.personal.reasons import unavailable
from weatherapp.personal.sentences import ENGLISH

# What a report or vote may need of a moment: the name in PersonalHours.
MOMENT = ("temperature", "dew_point", "pressure_msl", "wind_speed", "cloud_cover")


@dataclass(frozen=True)
class Learned:
    """A variable's filter at a place, and what it does to each hour of a forecast.

    `amounts` is (hour,): °C or hPa to add, or the factor of the wind speed.
    """

    state: bias.BiasState
    amounts: FloatArray


@dataclass(frozen=True)
class PlaceWeather:
    """A place's hours from the current one on.

    Attributes:
        public: as anybody gets them; feels-like is that of an average person.
        personal: with everything learned at the place and about the person.
        learned: by variable, the filters that have learned something.
        feels_spread: (hour,) K, what is not known about the person yet.
        elevation: metres that the values are for.
    """

    public: PersonalHours
    personal: PersonalHours
    learned: Mapping[str, Learned]
    feels_spread: FloatArray
    elevation: float


def current() -> tuple[ForecastRun, StoredRun]:
    """The newest run and its arrays. One query.

    Raises:
        NoCurrentRun: there is none.
    """
    run = selectors.current_run()
    return run, store.open_run(str(run.folder))


def comfort_of(device: Device) -> comfort.ComfortState:
    """What a device's votes taught; an average person before the first."""
    return comfort.ComfortState.from_dict(device.comfort) if device.comfort else comfort.start()


def personal_hours(
    stored: StoredRun, place: Place, *, states: Iterable[bias.BiasState], now: datetime
) -> PersonalHours:
    """A place's hours from the current one on, corrected, without what they feel like: that is dear.

    Raises:
        NothingNear: no station within reach.
    """
    hours, times, _ = _hours(stored, place)
    amounts = {state.variable: _learned(state, times, now).amounts for state in states if state.reports}
    corrected = from_hours(bias.correct_hours(hours, amounts), times, place.latitude, place.longitude)
    return corrected.between(int(now.replace(minute=0, second=0, microsecond=0).timestamp()), int(times[-1]))


def place_weather(
    stored: StoredRun,
    place: Place,
    *,
    states: Iterable[bias.BiasState],
    person: comfort.ComfortState,
    now: datetime,
) -> PlaceWeather:
    """Work out a place's hours.

    Args:
        stored: an open run.
        place: of the device.
        states: of the place's filters.
        person: what the device's votes taught.
        now: aware; corrections fade from here on, and hours before its full hour are left out.

    Raises:
        NothingNear: no station within reach.
    """
    hours, times, elevation = _hours(stored, place)
    start = int(now.replace(minute=0, second=0, microsecond=0).timestamp())
    learned = {state.variable: _learned(state, times, now) for state in states if state.reports}
    corrected = bias.correct_hours(hours, {name: one.amounts for name, one in learned.items()})
    public = from_hours(hours, times, place.latitude, place.longitude).between(start, int(times[-1]))
    personal = from_hours(corrected, times, place.latitude, place.longitude).between(start, int(times[-1]))
    keep = times >= start
    index = comfort.hours_utci(personal)
    felt = comfort.feels_like(person, index)
    return PlaceWeather(
        public=public.with_feels_like(comfort.hours_utci(public)),
        personal=personal.with_feels_like(felt.value),
        learned={name: Learned(one.state, one.amounts[keep]) for name, one in learned.items()},
        feels_spread=felt.spread[:, felt.spread.shape[1] // 2],
        elevation=elevation,
    )


def public_at(place: Place, time: datetime) -> dict[str, float]:
    """What the public forecast said for a place and a moment, between the two hours around it.

    The newest run that began at least an hour before is asked: what it said was a forecast then.

    Returns:
        °C, hPa, m/s and 0–1 by name of MOMENT; `elevation` in metres, and `cos_zenith`.

    Raises:
        NoForecastThere: no stored run covers the time, or no station is near.
        NoCurrentRun: there is no run at all, or its files are gone.
    """
    run = (
        selectors.run_ending(time - timedelta(hours=1))
        or selectors.run_ending(time)
        or selectors.current_run()
    )
    stored = store.open_run(str(run.folder))
    try:
        hours, times, elevation = _hours(stored, place)
    except NothingNear as error:
        raise NoForecastThere(f"place: {unavailable(ENGLISH, place)}") from error
    stamp = time.timestamp()
    # Just after the first run of all, the hour after it speaks for the moments before.
    if not times[0] - HOUR <= stamp <= times[-1]:
        raise NoForecastThere(
            f"time: no stored forecast covers {time:%Y-%m-%dT%H:%M}Z. Send reports within an hour or so."
        )
    personal = from_hours(hours, times, place.latitude, place.longitude)
    found = {name: float(np.interp(stamp, times, getattr(personal, name))) for name in MOMENT}
    if not all(np.isfinite(value) for value in found.values()):
        raise NoForecastThere(f"time: the forecast for {time:%Y-%m-%dT%H:%M}Z has gaps. Try again next hour.")
    sun = float(np.interp(stamp, times, personal.cos_zenith))
    return {**found, "elevation": elevation, "cos_zenith": sun}


def _hours(stored: StoredRun, place: Place) -> tuple[Hours, IntArray, float]:
    point = Point(place.latitude, place.longitude, place.elevation, "UTC")
    try:
        blend = replies.place_blend(stored, point)
    except NothingNear as error:
        raise NothingNear(unavailable(ENGLISH, place)) from error
    hours = replies.place_hours(stored, blend)
    first = int(stored.init_time.timestamp()) + HOUR
    times = first + HOUR * np.arange(len(hours.temperature))
    return hours, times, blend.elevation


def _learned(state: bias.BiasState, times: IntArray, now: datetime) -> Learned:
    stamp = now.timestamp()
    age = max(0.0, stamp - (state.updated or stamp)) / HOUR
    return Learned(state, bias.correction(state, lead_hours=(times - stamp) / HOUR, age_hours=age))
