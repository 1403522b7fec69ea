"""Weather symbols of MET Norway's Locationforecast from the weather codes of an hour or of several. Pure.

Source: the legends of MET Norway's weather icons, https://api.met.no/weatherapi/weathericon/2.0/documentation.
"""

import numpy as np

from weatherapp.core.arrays import FloatArray
from weatherapp.core.solar import cos_solar_zenith, declination, is_day

# WMO code 4677, as `weatherapp.core.weather_code` gives it.
SYMBOLS = {
    0: "clearsky", 1: "fair", 2: "partlycloudy", 3: "cloudy", 45: "fog", 48: "fog",
    51: "lightrain", 53: "lightrain", 55: "rain", 56: "lightsleet", 57: "sleet",
    61: "lightrain", 63: "rain", 65: "heavyrain", 66: "lightsleet", 67: "heavysleet",
    71: "lightsnow", 73: "snow", 75: "heavysnow",
    80: "lightrainshowers", 81: "rainshowers", 82: "heavyrainshowers",
    85: "lightsnowshowers", 86: "heavysnowshowers",
}  # fmt: skip
SEEN_SKY = ("clearsky", "fair", "partlycloudy")  # these and showers look different by day and by night
FIRST_FALLING = 50  # codes below it are of the sky
FOGS = (45, 48)
CIVIL_TWILIGHT = np.sin(np.deg2rad(-6.0))


def symbol(
    codes: FloatArray, amounts: FloatArray, middle: float, latitude: float, longitude: float
) -> str | None:
    """The symbol of a stretch of hours.

    Args:
        codes: (hour,) WMO codes, NaN where unknown.
        amounts: (hour,) precipitation, mm.
        middle: of the stretch, hours since 1970-01-01T00Z; decides between day and night.
        latitude: degrees north.
        longitude: degrees east.

    Returns:
        The symbol of the wettest hour if any is wet, else of the middle one of the skies, in order of cloud;
        None if an hour is unknown.
    """
    if np.isnan(codes).any():
        return None
    wet = codes >= FIRST_FALLING
    if wet.any():
        code = codes[np.argmax(np.where(wet, amounts, -1.0))]
    else:
        skies = np.sort(codes)
        code = skies[len(skies) // 2]
    name = SYMBOLS[int(code)]
    return (
        name + _light(middle, latitude, longitude) if name in SEEN_SKY or name.endswith("showers") else name
    )


def _light(hour: float, latitude: float, longitude: float) -> str:
    if is_day(hour, latitude, longitude):
        return "_day"
    noon = np.cos(np.deg2rad(latitude) - float(declination(hour)))
    twilight = cos_solar_zenith(hour, latitude, longitude) > CIVIL_TWILIGHT
    return "_polartwilight" if noon < 0 and twilight else "_night"
