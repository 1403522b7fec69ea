"""What it feels like: UTCI for anybody, and for one person after a few votes from too cold to too warm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from weatherapp.core.arrays import BoolArray, FloatArray
from weatherapp.core.personal.errors import ReportInvalid, StateInvalid
from weatherapp.core.personal.hours import PersonalHours
from weatherapp.core.personal.radiation import mean_radiant_temperature
from weatherapp.core.personal.universal_index import universal_index
from weatherapp.core.thermo import relative_humidity, saturation_vapour_pressure

# UTCI where an average person, dressed for the weather, votes −3 … 3. Each is the edge of a category of
# thermal stress, where strain begins: slight, moderate and strong on the cold side, moderate, strong and very
# strong on the warm side; 0 is the middle of "no thermal stress". Bröde et al. (2012),
# doi:10.1007/s00484-011-0454-1. That votes sit on these edges is assumed; each person's votes correct it.
VOTES = np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
VOTE_UTCI = np.array([-13.0, 0.0, 9.0, 17.5, 26.0, 32.0, 38.0])

OFFSET_SPREAD = 1.0  # votes: how far people differ in what they find neutral
SLOPE_SPREAD = 0.25  # how far they differ in how fast it gets too much
VOTE_NOISE = 0.7  # votes: one person in the same weather on another day, and rounding
DRIFT = 0.02  # votes per vote: people get used to a season
ROBUST = 2.0  # standard deviations: a vote further off counts less
# Limits of the UTCI polynomial.
TEMPERATURE_LIMITS = (-50.0, 50.0)  # °C
RADIANT_LIMITS = (-30.0, 70.0)  # K above the temperature
WIND_LIMITS = (0.5, 17.0)  # m/s at 10 m
# The limit is 50 hPa by the package's own formula, which differs from ours by up to 1 %.
MOST_VAPOUR = 49.5  # hPa


def utci(
    temperature: FloatArray,
    dew_point: FloatArray,
    wind_speed: FloatArray,
    cloud_cover: FloatArray,
    cos_zenith: FloatArray,
) -> FloatArray:
    """Universal Thermal Climate Index of a person in the open, in sun or shade as the sky has it.

    Args:
        temperature: at 2 m, °C, any shape.
        dew_point: °C.
        wind_speed: at 10 m, m/s; below 0.5 counts as 0.5, as the reference person walks.
        cloud_cover: 0–1.
        cos_zenith: cosine of the sun's zenith angle. All broadcast.

    Returns:
        °C; NaN where something is missing or outside the limits of the index: temperature −50–50 °C, mean
        radiant temperature 30 K below to 70 K above it, wind up to 17 m/s, vapour pressure up to 49.5 hPa.

    Source: pythermalcomfort's `utci`; Bröde et al. (2012), doi:10.1007/s00484-011-0454-1. The mean radiant
    temperature is `radiation.mean_radiant_temperature`.
    """
    celsius, dew, speed, cloud, sun = np.broadcast_arrays(
        *(
            np.asarray(v, dtype=np.float64)
            for v in (temperature, dew_point, wind_speed, cloud_cover, cos_zenith)
        )
    )
    if not celsius.size:
        return np.empty(celsius.shape)
    radiant = mean_radiant_temperature(celsius, dew, cloud, sun)
    wind = np.maximum(speed, WIND_LIMITS[0])
    valid = (
        _within(celsius, TEMPERATURE_LIMITS)
        & _within(radiant - celsius, RADIANT_LIMITS)
        & (speed >= 0)
        & (wind <= WIND_LIMITS[1])
        & (saturation_vapour_pressure(np.minimum(dew, celsius)) <= MOST_VAPOUR)
    )
    # What is outside goes in as NaN: the package warns about every number beyond its limits.
    index = universal_index()(
        tdb=np.where(valid, celsius, np.nan),
        tr=np.where(valid, radiant, np.nan),
        v=np.where(valid, wind, np.nan),
        rh=np.where(valid, relative_humidity(celsius, dew) * 100, np.nan),
        round_output=False,
    )
    return np.asarray(index.utci, dtype=np.float64)


@dataclass(frozen=True)
class FeelsLike:
    """What it feels like for one person.

    Attributes:
        value: °C on the scale of UTCI: the index at which an average person would feel the same.
        spread: K, standard deviation of what is not known about the person yet; not of the forecast.
    """

    value: FloatArray
    spread: FloatArray


@dataclass(frozen=True)
class ComfortState:
    """What is known about one person's votes: offset and slope against an average person's.

    Attributes:
        mean: offset in votes, slope.
        covariance: (2, 2), row by row.
        votes: how many were learned.
    """

    mean: tuple[float, float]
    covariance: tuple[float, float, float, float]
    votes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """A JSON-safe copy that `from_dict` reads."""
        return {"mean": list(self.mean), "covariance": list(self.covariance), "votes": self.votes}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            StateInvalid: anything that voting cannot have led to.
        """
        try:
            offset, slope = (float(value) for value in data["mean"])
            a, b, c, d = (float(value) for value in data["covariance"])
            votes = int(data["votes"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise StateInvalid(f"This is not a comfort state: {type(error).__name__}: {error}.") from error
        if not np.isfinite([offset, slope, a, b, c, d]).all() or a <= 0 or a * d - b * c <= 0 or votes < 0:
            raise StateInvalid("A comfort state has numbers that voting cannot lead to.")
        return cls((offset, slope), (a, b, c, d), votes)


def start() -> ComfortState:
    """An average person, and how far people differ."""
    return ComfortState((0.0, 1.0), (OFFSET_SPREAD**2, 0.0, 0.0, SLOPE_SPREAD**2))


def vote(state: ComfortState, *, utci: float, vote: int) -> ComfortState:
    """Learn from one vote.

    Args:
        state: so far.
        utci: °C when it was cast.
        vote: −3 much too cold … 0 just right … 3 much too warm.

    Raises:
        ReportInvalid: a vote that is none of these, or a UTCI that is not a number from −60 to 60.
    """
    if vote not in range(-3, 4) or not -60 <= utci <= 60:
        raise ReportInvalid(f"Vote {vote} at UTCI {utci} °C: a vote is −3 … 3, at −60 … 60 °C.")
    mean = np.asarray(state.mean)
    covariance = np.asarray(state.covariance).reshape(2, 2) + np.diag([DRIFT**2, 0.0])
    seen = np.array([1.0, float(average_vote(utci))])
    expected = float(seen @ mean)
    # Nobody can vote beyond 3: such a vote says nothing against expecting more.
    innovation = 0.0 if abs(vote) == 3 and expected * vote > 0 and abs(expected) > 3 else vote - expected
    variance = float(seen @ covariance @ seen) + VOTE_NOISE**2
    variance *= max(abs(innovation) / (ROBUST * variance**0.5), 1.0)
    gain = covariance @ seen / variance
    offset, slope = (mean + gain * innovation).tolist()
    a, b, c, d = (covariance - np.outer(gain, seen @ covariance)).ravel().tolist()
    return ComfortState((offset, max(slope, 0.3)), (a, (b + c) / 2, (b + c) / 2, d), state.votes + 1)


def feels_like(state: ComfortState, utci: FloatArray) -> FeelsLike:
    """What an index feels like for one person.

    Args:
        state: of the person.
        utci: °C, any shape.
    """
    average = average_vote(utci)
    offset, slope = state.mean
    a, b, _, d = state.covariance
    value = utci_of_vote(offset + slope * average)
    spread_in_votes = np.sqrt(a + 2 * b * average + d * average**2)
    width = utci_of_vote(offset + slope * average + 0.5) - utci_of_vote(offset + slope * average - 0.5)
    return FeelsLike(value, np.asarray(spread_in_votes * width))


def comfort_temperature(state: ComfortState) -> float:
    """The UTCI, °C, that is just right for the person."""
    offset, slope = state.mean
    return float(utci_of_vote(np.asarray(-offset / slope)))


def average_vote(utci: FloatArray | float) -> FloatArray:
    """What an average person votes at a UTCI in °C: linear between `VOTE_UTCI`, and on beyond them."""
    return _line(np.asarray(utci, dtype=np.float64), VOTE_UTCI, VOTES)


def utci_of_vote(votes: FloatArray) -> FloatArray:
    """The inverse of `average_vote`."""
    return _line(np.asarray(votes, dtype=np.float64), VOTES, VOTE_UTCI)


def hours_utci(hours: PersonalHours, state: ComfortState | None = None) -> FloatArray:
    """(hour, level) °C: the index at each quantile of the temperature, the rest at its median.

    Args:
        hours: of the place.
        state: of the person; None gives anybody's. For `PersonalHours.with_feels_like`.
    """
    index = utci(
        hours.quantiles["temperature"],
        np.minimum(hours.dew_point[:, None], hours.quantiles["temperature"]),
        hours.wind_speed[:, None],
        hours.cloud_cover[:, None],
        hours.cos_zenith[:, None],
    )
    # The index does not rise everywhere with the temperature, by a few hundredths: quantiles must.
    felt = index if state is None else feels_like(state, index).value
    return np.maximum.accumulate(felt, axis=1)


def _within(values: FloatArray, limits: tuple[float, float]) -> BoolArray:
    return np.asarray((values >= limits[0]) & (values <= limits[1]))


def _line(values: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    low = y[0] + (values - x[0]) * (y[1] - y[0]) / (x[1] - x[0])
    high = y[-1] + (values - x[-1]) * (y[-1] - y[-2]) / (x[-1] - x[-2])
    return np.where(values < x[0], low, np.where(values > x[-1], high, np.interp(values, x, y)))
