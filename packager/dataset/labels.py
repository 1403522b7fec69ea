"""What fell: precipitation type from a weather code where there is one, else from wet-bulb temperature."""

import numpy as np

from packager.dataset.records import TYPE_FROM_CODE, TYPE_FROM_WET_BULB
from weatherapp.core.arrays import FloatArray
from weatherapp.core.thermo import relative_humidity, wet_bulb_stull

NONE, RAIN, SNOW, MIXED = range(4)

# WMO code table 4677. 20 to 27 fell in the preceding hour, which is the hour that an amount belongs to. Hail
# counts as rain: it falls from summer thunderstorms.
_RAIN = {20, 21, 25, 27, *range(50, 56), *range(58, 66), *range(80, 83), *range(87, 93), 95, 96, 97, 99}
_SNOW = {22, 26, *range(70, 79), 85, 86, 93, 94}
_MIXED = {23, 24, 56, 57, 66, 67, 68, 69, 79, 83, 84}


def type_of_code(code: int) -> int:
    """Precipitation class of a WMO 4677 present-weather code; codes without precipitation give NONE."""
    if code in _RAIN:
        return RAIN
    if code in _SNOW:
        return SNOW
    return MIXED if code in _MIXED else NONE


def type_of_wet_bulb(temperature: FloatArray, dew_point: FloatArray, elevation: FloatArray) -> FloatArray:
    """Precipitation class of a wet hour.

    Rain above one wet-bulb temperature, snow below another, mixed between. Both limits depend on
    humidity and elevation. Freezing rain cannot be told from surface air and counts as snow here.

    Args:
        temperature: °C.
        dew_point: °C.
        elevation: metres.

    Returns:
        Class index 1..3; NaN where temperature or dew point is.

    Source: Ding et al. (2014), doi:10.1016/j.jhydrol.2014.03.038, equations 7 to 9, 13 and 14.
    """
    humidity = relative_humidity(temperature, dew_point)
    wet_bulb = wet_bulb_stull(temperature, humidity)
    height = np.asarray(elevation) / 1000
    middle = -5.87 - 0.1042 * height + 0.0885 * height**2 + 16.06 * humidity - 9.614 * humidity**2
    spread = 0.215 - 0.099 * humidity + 1.018 * humidity**2
    steepness = 2.374 - 1.634 * humidity
    ratio = spread / steepness
    # The paper has a mixed band only where the ratio exceeds ln 2: in dry air rain turns to snow at once.
    safe = np.maximum(ratio, np.log(2) + 1e-9)
    half_band = np.where(ratio > np.log(2), steepness * np.log(np.exp(safe) - 2 * np.exp(-safe)), 0.0)
    snow, rain = wet_bulb <= middle - half_band, wet_bulb >= middle + half_band
    kinds = np.where(snow, SNOW, np.where(rain, RAIN, MIXED)).astype(np.float64)
    return np.where(np.isfinite(wet_bulb), kinds, np.nan)


def label(
    weather: FloatArray,
    precipitation: FloatArray,
    temperature: FloatArray,
    dew_point: FloatArray,
    elevation: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Precipitation class of every row, and where it came from.

    A code that names precipitation decides. A measured amount decides next, with wet-bulb temperature, also
    beside a code that names none: codes describe the moment, amounts the hour. A code without precipitation
    and an amount of zero are both "none".

    Args:
        weather: (row,) WMO 4677 code, NaN without one.
        precipitation: (row,) mm in the hour.
        temperature: (row,) °C.
        dew_point: (row,) °C.
        elevation: (row,) metres.

    Returns:
        Class index and `TYPE_FROM_CODE` or `TYPE_FROM_WET_BULB`, each (row,), NaN where unknown.
    """
    coded = np.asarray([np.nan if np.isnan(code) else type_of_code(int(code)) for code in weather])
    kind = coded.copy()
    origin = np.where(np.isnan(coded), np.nan, float(TYPE_FROM_CODE))
    measured = np.isfinite(precipitation) & ~(coded > NONE)
    wet = measured & (precipitation > 0)
    kind[wet] = type_of_wet_bulb(temperature[wet], dew_point[wet], elevation[wet])
    kind[measured & ~wet & np.isnan(coded)] = NONE
    origin[wet | (measured & np.isnan(coded))] = TYPE_FROM_WET_BULB
    origin[np.isnan(kind)] = np.nan
    return kind, origin
