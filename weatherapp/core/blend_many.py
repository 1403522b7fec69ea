"""The blend of many places at once: the same numbers as `blend_outputs` gives for each, in fewer steps."""

from collections.abc import Mapping, Sequence

import numpy as np

from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.core.blend import LAPSE, STATIONS, Blend, blend_outputs


def blend_many(outputs: Mapping[str, FloatArray], blends: Sequence[Blend]) -> dict[str, FloatArray]:
    """Average a model's outputs for every place.

    Args:
        outputs: by contract name, (station, hour[, k]), in contract units; NaN where nothing is known.
        blends: one per place, at least one.

    Returns:
        By contract name, (place, hour[, k]), as `blend_outputs`, but for a dew point above the temperature,
        which the caller sees to.
    """
    stations = np.zeros((len(blends), STATIONS), dtype=np.int64)
    weights = np.zeros((len(blends), 1, STATIONS))
    for place, blend in enumerate(blends):
        count = len(blend.stations)
        # A place with fewer stations repeats its first, without weight: no foreign gap comes in.
        stations[place] = blend.stations[0]
        stations[place, :count] = blend.stations
        weights[place, 0, :count] = blend.weights
    lifts = np.array([blend.weights @ blend.lift for blend in blends])
    return {
        name: _average(name, values, stations, weights, lifts, blends) for name, values in outputs.items()
    }


def _average(
    name: str,
    values: FloatArray,
    stations: IntArray,
    weights: FloatArray,
    lifts: FloatArray,
    blends: Sequence[Blend],
) -> FloatArray:
    chosen = values[stations].astype(np.float64)
    places = len(blends)
    mean = (weights @ chosen.reshape(places, STATIONS, -1)).reshape(places, *values.shape[1:])
    lapse = LAPSE.get(name)
    if lapse is not None:
        mean += (lapse * lifts).reshape(places, *[1] * (mean.ndim - 1))
    # One sum finds any gap.
    if np.isnan(mean.sum()):
        for place in np.flatnonzero(np.isnan(mean.reshape(places, -1).sum(axis=1))).tolist():
            mean[place] = blend_outputs({name: values}, blends[place])[name]
    return np.asarray(mean)
