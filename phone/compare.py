"""Compare the device's forecast with the server's for the same place.

For trying the system out: an app leaves this out, because it tells the server the exact place.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from phone.bundle import MISSHAPEN
from phone.errors import ServerRefused
from phone.forecast import SHOWN, Forecast
from phone.transport import Deadline, Server
from weatherapp.core.arrays import FloatArray

UNITS = {"wind_speed_unit": "ms", "timeformat": "unixtime", "timezone": "GMT", "forecast_days": 4}


def compare(
    server: Server,
    made: Forecast,
    latitude: float,
    longitude: float,
    elevation: float | None,
    deadline: Deadline,
) -> dict[str, Any]:
    """Mean absolute difference per variable over the hours that both have a value for.

    Wind direction is compared around the circle; weather codes by the share of hours in which they differ.

    Returns:
        `run` of the server, whether it is the phone's, and per variable `hours` and `mean_abs_difference`.

    Raises:
        ServerRefused: the server's forecast cannot be read.
    """
    query: dict[str, Any] = {"latitude": latitude, "longitude": longitude, "hourly": ",".join(SHOWN), **UNITS}
    if elevation is not None:
        query["elevation"] = elevation
    answer = server.document("v1/forecast", deadline, query)
    run = answer.headers.get("X-Skyfold-Run")
    try:
        variables = _differences(answer.document["hourly"], made)
    except MISSHAPEN as error:
        raise ServerRefused(
            f"The server's forecast cannot be read: {type(error).__name__}: {error}."
        ) from error
    return {"run": run, "same_run": run == made.run, "variables": variables}


def _differences(hourly: Mapping[str, Any], made: Forecast) -> dict[str, Any]:
    position = {time: index for index, time in enumerate(hourly["time"])}
    pairs = [(lead, position.get(int(time.timestamp()))) for lead, time in enumerate(made.times)]
    shared = [(lead, index) for lead, index in pairs if index is not None]
    rows, columns = [lead for lead, _ in shared], [index for _, index in shared]
    return {
        name: _difference(name, made.values[name][rows], _column(hourly[name], columns)) for name in SHOWN
    }


def _column(values: list[float | None], columns: list[int]) -> FloatArray:
    return np.array([values[index] for index in columns], dtype=np.float64)


def _difference(name: str, mine: FloatArray, theirs: FloatArray) -> dict[str, Any]:
    both = np.isfinite(mine) & np.isfinite(theirs)
    apart = np.abs(mine - theirs)[both]
    if name == "wind_direction_10m":
        apart = np.minimum(apart, 360 - apart)
    if name == "weather_code":
        apart = (apart > 0).astype(np.float64)
    mean = round(float(apart.mean()), 4) if apart.size else None
    return {"hours": int(both.sum()), "mean_abs_difference": mean}
