"""The weather of places at a row of points in time, as the variables of the API read it."""

from dataclasses import dataclass

import numpy as np

from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.core.hourly import Hours

HOUR = 3600


@dataclass(frozen=True)
class Moments:
    """What is known of places: a case is one moment of one place, all moments of a place in a row.

    Attributes:
        hours: values per case, in inside units; amounts are those of a whole hour.
        times: (moment,) Unix seconds, true UTC, the same for all places.
        step: seconds between moments, and the time before each that its amounts are for.
        latitudes: (place,) degrees north.
        longitudes: (place,) degrees east.
        elevations: (place,) metres that the values are for.
    """

    hours: Hours
    times: IntArray
    step: int
    latitudes: FloatArray
    longitudes: FloatArray
    elevations: FloatArray

    @property
    def share(self) -> float:
        """The part of an hour's amounts that falls in a step."""
        return self.step / HOUR

    @property
    def clock(self) -> FloatArray:
        """(case,) hours since 1970."""
        return np.tile(self.times / HOUR, len(self.latitudes))

    def each(self, of_place: FloatArray) -> FloatArray:
        """(case,) from (place,)."""
        return np.repeat(of_place, len(self.times))

    def by_place(self, values: FloatArray) -> FloatArray:
        """(place, moment) from (case,)."""
        return values.reshape(len(self.latitudes), len(self.times))
