"""Forecast on the device: the cell's inputs, the model for each station near, the blend for the place."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from phone.bundle import MISSHAPEN, PhoneBundle
from phone.errors import ForecastImpossible
from phone.model import Model, Tensors
from phone.transport import Deadline, Server
from weatherapp.core.arrays import FloatArray
from weatherapp.core.blend import Blend, blend_outputs, plan_blend
from weatherapp.core.errors import NothingNear
from weatherapp.core.hourly import Hours

# What an hour shows, in the units that the server is asked for: °C, m/s, mm, %, m, hPa.
SHOWN = {
    "temperature_2m": "temperature",
    "dew_point_2m": "dew_point",
    "precipitation": "precipitation",
    "precipitation_probability": "precipitation_probability",
    "weather_code": "weather_code",
    "wind_speed_10m": "wind_speed",
    "wind_direction_10m": "wind_direction",
    "cloud_cover": "cloud_cover",
    "cloud_base": "cloud_base",
    "pressure_msl": "pressure_msl",
}


@dataclass(frozen=True)
class Forecast:
    """A forecast for a place.

    `times` are the valid times; `values` are by public variable name, (hour,), NaN where there is nothing to
    say. `stations` are the blended ones, in the order of the blend's weights. `station_temperatures` are the
    medians at each of them, (station, hour), °C: later observations tell how good they were. `milliseconds`
    are what each run of the model took.
    """

    run: str
    replay: bool
    times: Sequence[datetime]
    values: Mapping[str, FloatArray]
    stations: Sequence[Mapping[str, Any]]
    blend: Blend
    station_temperatures: FloatArray
    milliseconds: Sequence[float]


def cell_name(latitude: float, longitude: float) -> str:
    """The cell of one degree that a place lies in, by its south-west corner, such as N41W088."""
    south = min(math.floor(latitude), 89)
    west = (math.floor(longitude) + 180) % 360 - 180
    return f"{'S' if south < 0 else 'N'}{abs(south):02}{'W' if west < 0 else 'E'}{abs(west):03}"


def fetch_inputs(server: Server, latitude: float, longitude: float, deadline: Deadline) -> tuple[Any, int]:
    """The inputs of the place's cell, and their size in bytes; the exact place is not told."""
    answer = server.document(f"v1/cells/{cell_name(latitude, longitude)}/inputs", deadline)
    return answer.document, answer.size


def forecast(
    bundle: PhoneBundle, inputs: Mapping[str, Any], latitude: float, longitude: float, elevation: float | None
) -> Forecast:
    """Run the model for the stations near a place, and blend.

    Args:
        bundle: the installed one.
        inputs: of the place's cell, as the server gives them.
        latitude: degrees north.
        longitude: degrees east.
        elevation: metres; None takes the stations' mean.

    Raises:
        ForecastImpossible: no station near, or the inputs are for another contract than the model.
    """
    promised = bundle.manifest["contract"]["sha256"]
    try:
        if promised not in {inputs["contract"]["sha256"], *inputs.get("fits", ())}:
            raise ForecastImpossible(
                f"The inputs are for contract {inputs['contract']['sha256']}; the installed model takes "
                f"{promised}. Update the model, or the app."
            )
        stations = inputs["stations"]
        blend = _plan(stations, latitude, longitude, elevation)
        near = [stations[index] for index in blend.stations]
        model = Model(bundle.model, bundle.contract)
        outputs = model.run(tensors(near, bundle.contract))
        # The outputs hold only the blended stations, so they are counted anew.
        blended = blend_outputs(outputs, replace(blend, stations=np.arange(len(near))))
        times = _times(inputs["init_time"], bundle.contract["lead_hours"])
        return Forecast(
            run=inputs["run"],
            replay=bool(inputs["replay"]),
            times=times,
            values=_values(blended, bundle.contract),
            stations=[{**one, "id": str(one["id"]), "name": str(one["name"])} for one in near],
            blend=blend,
            station_temperatures=_medians(outputs["temperature"], bundle.contract, "temperature"),
            milliseconds=model.milliseconds,
        )
    except NothingNear as error:
        raise ForecastImpossible(str(error)) from error
    except MISSHAPEN as error:
        raise ForecastImpossible(f"The inputs cannot be read: {type(error).__name__}: {error}.") from error


def tensors(stations: Sequence[Mapping[str, Any]], contract: Mapping[str, Any]) -> Tensors:
    """Model inputs of stations: a missing report (null) is 0 with a mask of 0.

    Raises:
        ForecastImpossible: the contract asks for inputs that this app does not know how to make.

    A contract's guidance is taken from the stations that carry it; where they do not, it is masked.
    """
    history = np.array([station["history"] for station in stations], dtype=np.float32)  # null becomes NaN
    made = {
        "history": np.nan_to_num(history, nan=0.0),
        "history_mask": np.isfinite(history).astype(np.float32),
        "site": np.array(
            [[s["latitude"], s["longitude"], s["elevation"]] for s in stations], dtype=np.float32
        ),
        "clock": np.array([station["clock"] for station in stations], dtype=np.float32),
        **_guidance(stations, contract),
    }
    shapes = {spec["name"]: (len(stations), *spec["shape"][1:]) for spec in contract["inputs"]}
    given = {name: value.shape for name, value in made.items()}
    if not shapes.items() <= given.items():
        raise ForecastImpossible(f"The contract asks for {shapes}; the inputs give {given}. Update the app.")
    return {name: made[name] for name in shapes}


def _guidance(stations: Sequence[Mapping[str, Any]], contract: Mapping[str, Any]) -> Tensors:
    """Guidance and its mask, (station, lead, channel), for a contract that takes them."""
    shapes = [tuple(spec["shape"][1:]) for spec in contract["inputs"] if spec["name"] == "guidance"]
    if not shapes:
        return {}
    unknown = np.full(shapes[0], np.nan).tolist()
    values = np.array([station.get("guidance", unknown) for station in stations], dtype=np.float32)
    return {
        "guidance": np.nan_to_num(values, nan=0.0),
        "guidance_mask": np.isfinite(values).astype(np.float32),
    }


def _plan(
    stations: Sequence[Mapping[str, Any]], latitude: float, longitude: float, elevation: float | None
) -> Blend:
    columns = {
        name: np.array([station[name] for station in stations], dtype=np.float64)
        for name in ("latitude", "longitude", "elevation")
    }
    return plan_blend(
        latitude,
        longitude,
        elevation,
        station_latitudes=columns["latitude"],
        station_longitudes=columns["longitude"],
        station_elevations=columns["elevation"],
    )


def _values(blended: Mapping[str, FloatArray], contract: Mapping[str, Any]) -> dict[str, FloatArray]:
    specs = {out["name"]: out for out in contract["outputs"]}
    hours = Hours(
        blended,
        levels={name: spec["levels"] for name, spec in specs.items() if "levels" in spec},
        ceiling_thresholds=specs["cloud_base"]["thresholds"],
    )
    return {public: getattr(hours, name) for public, name in SHOWN.items()}


def _medians(quantiles: FloatArray, contract: Mapping[str, Any], name: str) -> FloatArray:
    levels = next(out["levels"] for out in contract["outputs"] if out["name"] == name)
    return np.asarray(quantiles[..., levels.index(0.5)], dtype=np.float64)


def _times(init_time: str, leads: int) -> list[datetime]:
    start = datetime.fromisoformat(init_time)
    return [start.astimezone(UTC) + timedelta(hours=lead) for lead in range(1, leads + 1)]
