"""Moist air and pressure. Pure functions over arrays; NaN in, NaN out."""

import numpy as np
import numpy.typing as npt

from weatherapp.core.arrays import FloatArray

KELVIN = 273.15
GRAVITY_OVER_GAS_CONSTANT = 9.80665 / 287.05  # K/m
STANDARD_LAPSE = 0.0065  # K/m


def saturation_vapour_pressure(temperature: npt.ArrayLike) -> FloatArray:
    """Saturation vapour pressure over water.

    Args:
        temperature: °C, any shape.

    Returns:
        hPa, same shape.

    Source: Alduchov and Eskridge (1996), doi:10.1175/1520-0450(1996)035<0601:IMFAOS>2.0.CO;2, equation 21.
    """
    celsius = np.asarray(temperature, dtype=np.float64)
    return 6.1094 * np.exp(17.625 * celsius / (243.04 + celsius))


def relative_humidity(temperature: npt.ArrayLike, dew_point: npt.ArrayLike) -> FloatArray:
    """Relative humidity over water, at most 1.

    Args:
        temperature: °C.
        dew_point: °C, broadcasts with temperature.

    Returns:
        Fraction 0..1.

    Source: as `saturation_vapour_pressure`.
    """
    fraction = saturation_vapour_pressure(dew_point) / saturation_vapour_pressure(temperature)
    return np.minimum(fraction, 1.0)


def wet_bulb_stull(temperature: npt.ArrayLike, humidity: npt.ArrayLike) -> FloatArray:
    """Wet-bulb temperature at sea-level pressure.

    Mean absolute error below 0.3 K for −20..50 °C and 5..99 % relative humidity, away from cold and dry air.

    Args:
        temperature: °C.
        humidity: relative humidity over water, fraction 0..1, broadcasts with temperature.

    Returns:
        °C.

    Source: Stull (2011), doi:10.1175/JAMC-D-11-0143.1, equation 1.
    """
    celsius = np.asarray(temperature, dtype=np.float64)
    percent = np.asarray(humidity, dtype=np.float64) * 100
    return np.asarray(
        celsius * np.arctan(0.151977 * np.sqrt(percent + 8.313659))
        + np.arctan(celsius + percent)
        - np.arctan(percent - 1.676331)
        + 0.00391838 * percent**1.5 * np.arctan(0.023101 * percent)
        - 4.686035
    )


def mean_sea_level_pressure(
    station_pressure: npt.ArrayLike,
    temperature: npt.ArrayLike,
    dew_point: npt.ArrayLike,
    elevation: npt.ArrayLike,
) -> FloatArray:
    """Reduce station pressure to mean sea level with the hypsometric equation.

    The column below the station has the standard lapse rate from the given temperature and the station's own
    humidity. Where the dew point is NaN the air counts as dry: up to 0.5 hPa too high at 500 m in humid air.

    Args:
        station_pressure: hPa.
        temperature: °C; the mean of now and twelve hours ago takes the daily wave out, as stations do.
        dew_point: °C.
        elevation: of the station, metres above mean sea level.

    Returns:
        hPa, broadcast of the arguments.

    Source: WMO-No. 8 (2018), Guide to Instruments and Methods of Observation, volume I, equation 3.2.
    """
    celsius = np.asarray(temperature, dtype=np.float64)
    height = np.asarray(elevation, dtype=np.float64)
    vapour = np.nan_to_num(saturation_vapour_pressure(dew_point), nan=0.0)
    column = celsius + KELVIN + STANDARD_LAPSE * height / 2 + 0.12 * vapour
    return np.asarray(station_pressure, dtype=np.float64) * np.exp(
        GRAVITY_OVER_GAS_CONSTANT * height / column
    )


def station_pressure(
    pressure_msl: npt.ArrayLike,
    elevation: npt.ArrayLike,
    temperature: npt.ArrayLike,
    dew_point: npt.ArrayLike = np.nan,
) -> FloatArray:
    """Pressure at a height from pressure at mean sea level; the inverse of `mean_sea_level_pressure`.

    Args:
        pressure_msl: hPa.
        elevation: metres above mean sea level.
        temperature: at that height, °C.
        dew_point: at that height, °C; where it is NaN the air counts as dry.

    Returns:
        hPa, broadcast of the arguments.

    Source: as `mean_sea_level_pressure`.
    """
    reduction = mean_sea_level_pressure(1.0, temperature, dew_point, elevation)
    return np.asarray(np.asarray(pressure_msl, dtype=np.float64) / reduction)
