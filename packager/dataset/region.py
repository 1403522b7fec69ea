"""A region: the stations that are named, that lie in a box, or that lie around a point."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from packager.dataset.errors import RegionInvalid
from packager.dataset.records import Dataset, Station
from packager.dataset.splits import great_circle_kilometres
from weatherapp.core.arrays import IntArray

FORMS = {
    "stations": "ids of stations, separated by commas",
    "box": "south,west,north,east in degrees; a west above the east crosses the date line",
    "near": "latitude,longitude,kilometres",
}


@dataclass(frozen=True, slots=True)
class Region:
    """Where a model is to forecast better.

    Attributes:
        form: "stations", "box" or "near".
        ids: of stations, where the form is "stations".
        numbers: of the other forms, as `FORMS` says.
    """

    form: str
    ids: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()

    def __contains__(self, station: Station) -> bool:
        """Whether a station lies in it."""
        if self.form == "stations":
            return station.id in self.ids
        if self.form == "box":
            south, west, north, east = self.numbers
            inside = (
                west <= station.longitude <= east if west <= east else not east < station.longitude < west
            )
            return south <= station.latitude <= north and inside
        latitude, longitude, kilometres = self.numbers
        away = great_circle_kilometres(latitude, longitude, station.latitude, station.longitude)
        return away <= kilometres

    def indexes(self, dataset: Dataset) -> IntArray:
        """Positions of its stations in a dataset, ascending.

        Raises:
            RegionInvalid: an id that the dataset does not have, or no station at all.
        """
        known = {station.id for station in dataset.stations}
        if unknown := sorted(set(self.ids) - known):
            raise RegionInvalid(
                f"Stations {', '.join(unknown)} are not in the dataset. It has {', '.join(sorted(known))}."
            )
        found = [index for index, station in enumerate(dataset.stations) if station in self]
        if not found:
            raise RegionInvalid(
                f"No station of the dataset lies in the region {self}. Widen it, or bring stations of it."
            )
        return np.asarray(found, dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the form with its ids or numbers."""
        return {self.form: list(self.ids or self.numbers)}

    def __str__(self) -> str:
        """As on the command line."""
        return f"{self.form} {','.join(self.ids or (f'{number:g}' for number in self.numbers))}"


def parse_region(form: str, text: str) -> Region:
    """A region as people write it.

    Args:
        form: one of `FORMS`.
        text: as `FORMS` says.

    Raises:
        RegionInvalid: says what was given and what is meant.
    """
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    if form == "stations":
        if not parts:
            raise RegionInvalid(f"Region stations {text!r} names no station; give {FORMS[form]}.")
        return Region(form, ids=parts)
    try:
        numbers = tuple(float(part) for part in parts)
    except ValueError as error:
        raise RegionInvalid(f"Region {form} {text!r} is not made of numbers; give {FORMS[form]}.") from error
    _check_numbers(form, text, numbers)
    return Region(form, numbers=numbers)


def _check_numbers(form: str, text: str, numbers: tuple[float, ...]) -> None:
    wanted = 4 if form == "box" else 3
    if len(numbers) != wanted or not np.isfinite(numbers).all():
        raise RegionInvalid(f"Region {form} {text!r} needs {wanted} numbers: {FORMS[form]}.")
    latitudes, longitudes = (numbers[::2], numbers[1::2]) if form == "box" else (numbers[:1], numbers[1:2])
    if max(map(abs, latitudes)) > 90 or max(map(abs, longitudes)) > 180:
        raise RegionInvalid(
            f"Region {form} {text!r} lies beyond 90 degrees of latitude or 180 of longitude: {FORMS[form]}."
        )
    if (form == "box" and numbers[0] > numbers[2]) or (form == "near" and numbers[2] <= 0):
        raise RegionInvalid(f"Region {form} {text!r} holds nothing; give {FORMS[form]}.")
