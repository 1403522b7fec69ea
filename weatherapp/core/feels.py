"""What the air does to people and plants: apparent temperature and the deficit of vapour. Pure."""

import numpy as np
import numpy.typing as npt

from weatherapp.core.arrays import FloatArray
from weatherapp.core.thermo import saturation_vapour_pressure


def apparent_temperature(
    temperature: npt.ArrayLike, dew_point: npt.ArrayLike, wind_speed: npt.ArrayLike
) -> FloatArray:
    """Temperature that it feels like to a walking adult in the shade.

    Args:
        temperature: at 2 m, °C.
        dew_point: °C.
        wind_speed: at 10 m, m/s. All three broadcast.

    Returns:
        °C.

    Source: Steadman (1994), Norms of apparent temperature in Australia, Australian Meteorological Magazine
    43, 1–16, in the form without radiation that the Bureau of Meteorology uses.
    """
    celsius = np.asarray(temperature, dtype=np.float64)
    vapour = saturation_vapour_pressure(dew_point)
    return np.asarray(celsius + 0.33 * vapour - 0.70 * np.asarray(wind_speed, dtype=np.float64) - 4.0)


def vapour_pressure_deficit(temperature: npt.ArrayLike, dew_point: npt.ArrayLike) -> FloatArray:
    """How much more vapour the air could hold.

    Args:
        temperature: °C.
        dew_point: °C, broadcasts with temperature.

    Returns:
        kPa, not below 0.
    """
    held = saturation_vapour_pressure(temperature) - saturation_vapour_pressure(dew_point)
    return np.asarray(np.maximum(held, 0.0) / 10)
