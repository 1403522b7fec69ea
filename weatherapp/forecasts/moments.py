"""A place's weather at a row of points in time, as the variables of the API read it."""

from dataclasses import dataclass

from weatherapp.core.arrays import FloatArray
from weatherapp.core.hourly import Hours

HOUR = 3600


@dataclass(frozen=True)
class Moments:
    """What is known of a place.

    Attributes:
        hours: values per moment, in inside units; amounts are those of a whole hour.
        times: (moment,) Unix seconds, true UTC.
        step: seconds between moments, and the time before each that its amounts are for.
        latitude: degrees north.
        longitude: degrees east.
        elevation: metres that the values are for.
    """

    hours: Hours
    times: FloatArray
    step: int
    latitude: float
    longitude: float
    elevation: float

    @property
    def share(self) -> float:
        """The part of an hour's amounts that falls in a step."""
        return self.step / HOUR
