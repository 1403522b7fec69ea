"""A forecast for a place from the forecasts of the stations around it.

The server and the phone call the same functions, so that both say the same about a place. The weights change
without a jump when a place moves: a station fades out towards the edge of the search radius and towards the
first one left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weatherapp.core.arrays import BoolArray, FloatArray, IntArray
from weatherapp.core.errors import NothingNear

EARTH_RADIUS_KM = 6371.0088
REACH_KM = 150.0
# Of the angle between a place and a station; far more slack than rounding, and less than a metre at the edge.
LEAST_COSINE = math.cos(REACH_KM / EARTH_RADIUS_KM) - 1e-9
STATIONS = 4
NEAR_KM = 2.0  # closer than this a station counts as being at the place
KM_PER_METRE_OF_HEIGHT = 0.1  # a hundred metres up or down is as far as ten kilometres away
LAPSE: Mapping[str, float] = {
    "temperature": -0.0065,  # K/m: ICAO standard atmosphere
    "dew_point": -0.0018,  # K/m: unsaturated lifted air, Lawrence (2005), doi:10.1175/BAMS-86-2-225
}


@dataclass(frozen=True)
class Blend:
    """Which stations speak for a place, and how loud.

    Attributes:
        stations: (station,) indices into the list that was searched, nearest first.
        weights: (station,) sum 1.
        distances: (station,) km.
        elevation: metres that the values are for; NaN where the caller asked for no downscaling.
        lift: (station,) the place's elevation minus the station's, metres; 0 without downscaling.
    """

    stations: IntArray
    weights: FloatArray
    distances: FloatArray
    elevation: float
    lift: FloatArray


def great_circle_km(
    latitude: npt.ArrayLike,
    longitude: npt.ArrayLike,
    other_latitude: npt.ArrayLike,
    other_longitude: npt.ArrayLike,
) -> FloatArray:
    """Distance along the sphere.

    Args:
        latitude: degrees north.
        longitude: degrees east.
        other_latitude: degrees north.
        other_longitude: degrees east. All four broadcast.

    Returns:
        km.

    Source: the haversine formula with the mean radius of the Earth (IUGG).
    """
    phi, other_phi = np.deg2rad(latitude), np.deg2rad(other_latitude)
    half_turn = (np.deg2rad(other_longitude) - np.deg2rad(longitude)) / 2
    root = np.sin((other_phi - phi) / 2) ** 2 + np.cos(phi) * np.cos(other_phi) * np.sin(half_turn) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(root, 0.0, 1.0))))


def unit_vectors(latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> FloatArray:
    """Points on the unit sphere.

    Args:
        latitude: (point,) degrees north.
        longitude: (point,) degrees east.

    Returns:
        (point, 3); the product of two is the cosine of the angle between them.
    """
    phi, turn = np.deg2rad(latitude), np.deg2rad(longitude)
    return np.stack([np.cos(phi) * np.cos(turn), np.cos(phi) * np.sin(turn), np.sin(phi)], axis=-1)


def plan_blend(
    latitude: float,
    longitude: float,
    elevation: float | None,
    *,
    station_latitudes: FloatArray,
    station_longitudes: FloatArray,
    station_elevations: FloatArray,
    station_vectors: FloatArray | None = None,
) -> Blend:
    """Choose and weigh up to four stations within 150 km of a place.

    Args:
        latitude: of the place, degrees north.
        longitude: of the place, degrees east.
        elevation: of the place, metres; None takes the stations' weighted mean; NaN asks for no downscaling.
        station_latitudes: (station,) degrees north.
        station_longitudes: (station,) degrees east.
        station_elevations: (station,) metres.
        station_vectors: (station, 3) from `unit_vectors`: whoever plans many places among many stations makes
            them once.

    Returns:
        The blend; indices point into the given arrays.

    Raises:
        NothingNear: no station within 150 km.

    Source: inverse distance weights that vanish at a radius, after Franke and Nielson (1980),
    doi:10.1002/nme.1620151110.
    """
    if station_vectors is None:
        station_vectors = unit_vectors(station_latitudes, station_longitudes)
    nearest = _nearest(latitude, longitude, station_latitudes, station_longitudes, station_vectors)
    if not nearest:
        raise NothingNear(_too_far(latitude, longitude, station_latitudes, station_longitudes))
    distances, chosen = map(list, zip(*nearest[:STATIONS], strict=True))
    radius = nearest[STATIONS][0] if len(nearest) > STATIONS else REACH_KM
    level = [0.0] * len(chosen)
    weights = _weights(distances, radius, level)
    heights = [float(station_elevations[station]) for station in chosen]
    if elevation is None:
        elevation = sum(weight * height for weight, height in zip(weights, heights, strict=True))
    lift = level if math.isnan(elevation) else [elevation - height for height in heights]
    return Blend(
        stations=np.array(chosen),
        weights=np.array(_weights(distances, radius, lift)),
        distances=np.array(distances),
        elevation=float(elevation),
        lift=np.array(lift),
    )


def blend_outputs(outputs: Mapping[str, FloatArray], blend: Blend) -> dict[str, FloatArray]:
    """Average a model's outputs, or past reports in their form, over the stations of a blend.

    Quantiles are averaged level by level, which keeps them ordered; probabilities and wind components
    linearly, which keeps probabilities summing to 1. Temperature and dew point are moved to the place's
    elevation first; pressure is at mean sea level at both ends and needs nothing. A dew point above the
    median temperature is lowered to it. A station that has no value for an hour does not count in that hour:
    the others share its weight.

    Args:
        outputs: by contract name, (station, hour[, k]), in contract units; NaN where nothing is known.
        blend: which rows of the outputs count, and how much.

    Returns:
        By contract name, (hour[, k]), in contract units; NaN where no station knows anything.
    """
    blended = {name: _average(name, values, blend) for name, values in outputs.items()}
    if "dew_point" in blended and "temperature" in blended:
        temperature = blended["temperature"]
        median = temperature[:, temperature.shape[1] // 2] if temperature.ndim > 1 else temperature
        # An unknown temperature lowers nothing.
        blended["dew_point"] = np.where(median < blended["dew_point"], median, blended["dew_point"])
    return blended


def _average(name: str, values: FloatArray, blend: Blend) -> FloatArray:
    chosen = np.asarray(values[blend.stations], dtype=np.float64)
    flat = chosen.reshape(len(chosen), -1)
    mean = (blend.weights @ flat).reshape(chosen.shape[1:])
    # One sum finds any gap; infinite values are refused when a run is made.
    if np.isnan(mean.sum()):
        return _average_of_known(name, chosen, blend)
    return np.asarray(mean + LAPSE.get(name, 0.0) * float(blend.weights @ blend.lift))


def _average_of_known(name: str, chosen: FloatArray, blend: Blend) -> FloatArray:
    """As `_average` where (station, hour[, k]) has gaps; an hour that lacks one of its numbers lacks all."""
    wide = chosen.reshape(*chosen.shape[:2], -1)
    known: BoolArray = np.asarray(np.isfinite(wide).all(axis=2))
    raw = blend.weights[:, None] * known
    total = raw.sum(axis=0)
    share = raw / np.where(total > 0, total, np.nan)
    mean: FloatArray = (share[..., None] * np.where(known[..., None], wide, 0.0)).sum(axis=0)
    lifted = mean + (LAPSE.get(name, 0.0) * (blend.lift @ share))[:, None]
    return np.asarray(lifted.reshape(chosen.shape[1:]))


def _weights(distances: Sequence[float], radius: float, lift: Sequence[float]) -> list[float]:
    # The floor decides when every chosen station is as far as the first one left out: then they count alike.
    raw = [
        max(1.0 - distance / radius, 1e-9) ** 2
        / (distance**2 + (KM_PER_METRE_OF_HEIGHT * height) ** 2 + NEAR_KM**2)
        for distance, height in zip(distances, lift, strict=True)
    ]
    total = sum(raw)
    return [weight / total for weight in raw]


def _nearest(
    latitude: float,
    longitude: float,
    station_latitudes: FloatArray,
    station_longitudes: FloatArray,
    vectors: FloatArray,
) -> list[tuple[float, int]]:
    """Distance in km and index of the nearest stations in reach, one more than a blend takes.

    One product finds the few that may be in reach, and perhaps some a little beyond; for so few numbers plain
    arithmetic is several times faster than arrays.
    """
    phi, turn = math.radians(latitude), math.radians(longitude)
    place = np.array([math.cos(phi) * math.cos(turn), math.cos(phi) * math.sin(turn), math.sin(phi)])
    around = np.flatnonzero(vectors @ place > LEAST_COSINE)
    found = []
    for station in around.tolist():
        other = math.radians(station_latitudes[station])
        half_turn = (math.radians(station_longitudes[station]) - turn) / 2
        root = math.sin((other - phi) / 2) ** 2 + math.cos(phi) * math.cos(other) * math.sin(half_turn) ** 2
        distance = 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(root, 1.0)))
        if distance < REACH_KM:
            found.append((distance, station))
    found.sort()
    return found[: STATIONS + 1]


def _too_far(
    latitude: float, longitude: float, station_latitudes: FloatArray, station_longitudes: FloatArray
) -> str:
    where = f"{latitude:g}, {longitude:g}"
    if not len(station_latitudes):
        return f"No data is available for this location ({where}): no station has a forecast yet."
    distances = great_circle_km(latitude, longitude, station_latitudes, station_longitudes)
    return (
        f"No data is available for this location ({where}): the nearest station is {distances.min():.0f} km "
        f"away and the limit is {REACH_KM:.0f} km. Ask for a place closer to a station."
    )
