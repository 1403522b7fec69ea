"""The sun: where it stands, when it rises, and the phases of day and year that models take as input.

Accurate to about two minutes of time: enough for weather, not for astronomy.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weatherapp.core.arrays import BoolArray, FloatArray

HOURS_PER_YEAR = 24 * 365.2425
RISE_ALTITUDE = -0.833  # degrees: refraction at the horizon and half the sun's disc
SAMPLES = 12  # of a period, where the time that the sun is up is counted


def year_angle(hour: npt.ArrayLike) -> FloatArray:
    """Phase of the mean Gregorian year, 0 near the start of January.

    Args:
        hour: hours since 1970-01-01T00Z, fractions allowed.

    Returns:
        Radians 0..2π.
    """
    return np.asarray(2 * np.pi * (np.asarray(hour, dtype=np.float64) % HOURS_PER_YEAR) / HOURS_PER_YEAR)


def declination(hour: npt.ArrayLike) -> FloatArray:
    """Declination of the sun.

    Args:
        hour: hours since 1970-01-01T00Z.

    Returns:
        Radians.

    Source: Spencer (1971), Fourier series representation of the position of the sun, Search 2(5), 172.
    """
    g = year_angle(hour)
    return np.asarray(
        0.006918
        - 0.399912 * np.cos(g)
        + 0.070257 * np.sin(g)
        - 0.006758 * np.cos(2 * g)
        + 0.000907 * np.sin(2 * g)
        - 0.002697 * np.cos(3 * g)
        + 0.00148 * np.sin(3 * g)
    )


def equation_of_time(hour: npt.ArrayLike) -> FloatArray:
    """Apparent minus mean solar time.

    Args:
        hour: hours since 1970-01-01T00Z.

    Returns:
        Radians of hour angle.

    Source: Spencer (1971), as `declination`.
    """
    g = year_angle(hour)
    return np.asarray(
        0.000075
        + 0.001868 * np.cos(g)
        - 0.032077 * np.sin(g)
        - 0.014615 * np.cos(2 * g)
        - 0.040849 * np.sin(2 * g)
    )


def solar_day_angle(hour: npt.ArrayLike, longitude: npt.ArrayLike) -> FloatArray:
    """Phase of the local apparent solar day: 0 at solar midnight, π at solar noon.

    Args:
        hour: hours since 1970-01-01T00Z.
        longitude: degrees east, broadcasts with hour.

    Returns:
        Radians, not wrapped.
    """
    turn = (np.asarray(hour, dtype=np.float64) % 24) / 24 + np.asarray(longitude, dtype=np.float64) / 360
    return np.asarray(2 * np.pi * turn + equation_of_time(hour))


def clock_features(hour: npt.ArrayLike, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> FloatArray:
    """The contract's `clock` input.

    Args:
        hour: hours since 1970-01-01T00Z.
        latitude: degrees north; only its shape matters, the phases are the same at every latitude.
        longitude: degrees east.

    Returns:
        (…, 4) float32: sin and cos of the year, sin and cos of the local apparent solar day.
    """
    shape = np.broadcast_shapes(np.shape(hour), np.shape(latitude), np.shape(longitude))
    year, day = year_angle(hour), solar_day_angle(hour, longitude)
    parts = [np.broadcast_to(part, shape) for part in (np.sin(year), np.cos(year), np.sin(day), np.cos(day))]
    return np.stack(parts, axis=-1).astype(np.float32)


def cos_solar_zenith(hour: npt.ArrayLike, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> FloatArray:
    """Cosine of the angle between the sun and the zenith; negative when the sun is below the horizon.

    Args:
        hour: hours since 1970-01-01T00Z.
        latitude: degrees north.
        longitude: degrees east. All three broadcast.

    Returns:
        −1..1.

    Source: the cosine rule of the astronomical triangle, with Spencer's (1971) declination and equation of
    time.
    """
    phi, delta = np.deg2rad(np.asarray(latitude, dtype=np.float64)), declination(hour)
    hour_angle = solar_day_angle(hour, longitude) - np.pi
    return np.asarray(np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.cos(hour_angle))


def is_day(hour: npt.ArrayLike, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> BoolArray:
    """Whether any of the sun's disc is above the horizon; arguments as `cos_solar_zenith`."""
    return np.asarray(cos_solar_zenith(hour, latitude, longitude) > np.sin(np.deg2rad(RISE_ALTITUDE)))


@dataclass(frozen=True, slots=True)
class SunDays:
    """Solar days. Each array is (day,), in hours since 1970; sunrise and sunset are NaN where there is none.

    `always_up` is true where the sun does not set, and false also where it does not rise.
    """

    noon: FloatArray
    sunrise: FloatArray
    sunset: FloatArray
    always_up: BoolArray


def sun_days(middle: npt.ArrayLike, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> SunDays:
    """Sunrise, solar noon and sunset of the solar days whose noon is nearest to given times.

    Args:
        middle: (day,) hours since 1970-01-01T00Z, such as noon by the clock.
        latitude: degrees north.
        longitude: degrees east. All three broadcast.

    Returns:
        Upper limb on a flat horizon with standard refraction.

    Source: the hour angle at an altitude of −0.833°, with Spencer's (1971) declination and equation of time.
    """
    wanted = np.asarray(middle, dtype=np.float64)
    mean_noon = 12 - np.asarray(longitude, dtype=np.float64) / 15
    mean_noon = mean_noon + 24 * np.round((wanted - mean_noon) / 24)
    noon = mean_noon - equation_of_time(mean_noon) * 12 / np.pi
    phi, delta = np.deg2rad(latitude), declination(noon)
    altitude = np.sin(np.deg2rad(RISE_ALTITUDE)) - np.sin(phi) * np.sin(delta)
    # At a pole cos(phi) is 0: the sign of the numerator alone says whether the sun is up.
    cosine = altitude / np.maximum(np.cos(phi) * np.cos(delta), 1e-12)
    turns = np.abs(cosine) <= 1
    half_day = np.where(turns, np.arccos(np.clip(cosine, -1, 1)) * 12 / np.pi, np.nan)
    return SunDays(noon, noon - half_day, noon + half_day, np.asarray(cosine < -1))


def seconds_above(
    end: npt.ArrayLike, hours: float, latitude: npt.ArrayLike, longitude: npt.ArrayLike, altitude: float
) -> FloatArray:
    """How long the sun stands higher than an altitude.

    Args:
        end: (period,) hours since 1970-01-01T00Z at which each period ends.
        hours: length of a period.
        latitude: degrees north, of all periods or of each.
        longitude: degrees east, likewise.
        altitude: degrees above the horizon.

    Returns:
        (period,) seconds, in steps of a twelfth of the period.
    """
    middles = np.asarray(end, dtype=np.float64)[:, None] - hours * (np.arange(SAMPLES) + 0.5) / SAMPLES
    where = (np.asarray(place)[..., None] for place in (latitude, longitude))
    above = cos_solar_zenith(middles, *where) > np.sin(np.deg2rad(altitude))
    return np.asarray(above.mean(axis=1) * hours * 3600)
