"""Lists of stations: our own CSV, NOAA's isd-history.csv, Meteostat's JSON."""

import csv
import json
import math
from typing import Any

from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.interface import StationReport
from weatherapp.observations.feeds.sources import Document

COLUMNS = ("code", "name", "latitude", "longitude", "elevation")
ISD_COLUMNS = ("USAF", "WBAN", "STATION NAME", "ICAO", "LAT", "LON", "ELEV(M)")
LARGEST = 1e9  # fits a float32, and is beyond all that is measured
# Below the shore of the Dead Sea and above Mount Everest: such numbers stand for "unknown".
LOWEST, HIGHEST = -450.0, 8900.0


def read_stations_csv(document: Document, *, source: str) -> dict[str, StationReport]:
    """Read a list with the columns code, name, latitude, longitude, elevation (metres).

    Raises:
        FeedUnreadable: a column is missing, or a line has no usable position; names the line.
    """
    rows = _table(document, COLUMNS)
    found = {}
    for number, row in enumerate(rows, start=2):
        station = make_station(
            row["code"], row["name"], row["latitude"], row["longitude"], row["elevation"], source
        )
        if station is None:
            raise FeedUnreadable(
                f"{document.filename}, line {number}: {row['code']!r} has no usable position. Latitude is "
                "-90 to 90, longitude -180 to 180, elevation metres above sea level."
            )
        found[station.code] = station
    return found


def read_isd_history(document: Document) -> dict[str, StationReport]:
    """Read NOAA's isd-history.csv; keys are USAF-WBAN, codes the ICAO code where there is one.

    So a station's past from ISD and its present from METARs are one station. Stations without a position are
    left out.

    Raises:
        FeedUnreadable: a column is missing.
    """
    found = {}
    for row in _table(document, ISD_COLUMNS):
        key = f"{row['USAF']}-{row['WBAN']}"
        code = row["ICAO"] if is_icao(row["ICAO"]) else key
        station = make_station(
            code, row["STATION NAME"], row["LAT"], row["LON"], row["ELEV(M)"], "NOAA ISD-Lite"
        )
        # The list writes 0, 0 for places that it does not know.
        if station is not None and (station.latitude, station.longitude) != (0.0, 0.0):
            found[key] = station
    return found


def read_meteostat_stations(document: Document) -> dict[str, StationReport]:
    """Read Meteostat's full or lite list; keys are its ids, codes the ICAO code where there is one.

    Raises:
        FeedUnreadable: not a JSON list of stations.
    """
    try:
        items = json.loads(document.content)
    except ValueError as error:
        raise FeedUnreadable(f"{document.filename} is not JSON: {error}.") from error
    if not isinstance(items, list):
        raise FeedUnreadable(f"{document.filename} is not a list of stations. Take full.json or lite.json.")
    found = {}
    for item in items:
        station = _meteostat_station(item) if isinstance(item, dict) else None
        if station is not None:
            found[str(item["id"])] = station
    return found


def make_station(
    code: str, name: str, latitude: Any, longitude: Any, elevation: Any, source: str
) -> StationReport | None:
    """A station, or None where code or position is not usable."""
    place = [number(value) for value in (latitude, longitude, elevation)]
    usable = abs(place[0]) <= 90 and abs(place[1]) <= 180 and LOWEST <= place[2] <= HIGHEST
    if not usable or not code or len(code) > 32 or not code.isprintable():
        return None
    return StationReport(code, (name or code)[:120], place[0], place[1], place[2], source)


def number(value: Any) -> float:
    """A number of a sensible size out of text or JSON; NaN where it is none."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return found if abs(found) < LARGEST else math.nan


def is_icao(code: str) -> bool:
    """Whether a code looks like one that METARs use."""
    return len(code) == 4 and code.isascii() and code.isalnum() and code.isupper() and code[0].isalpha()


def _meteostat_station(item: dict[str, Any]) -> StationReport | None:
    names, identifiers, place = (_mapping(item.get(key)) for key in ("name", "identifiers", "location"))
    key, icao = str(item.get("id", "")), str(identifiers.get("icao") or "")
    name = str(names.get("en") or next(iter(names.values()), key))
    code = icao if is_icao(icao) else f"meteostat-{key}"
    if not key:
        return None
    return make_station(
        code, name, place.get("latitude"), place.get("longitude"), place.get("elevation"), "Meteostat"
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _table(document: Document, columns: tuple[str, ...]) -> list[dict[str, str]]:
    lines = document.content.decode("utf-8-sig", errors="replace").splitlines()
    try:
        rows = list(csv.DictReader(lines, restval="", strict=True))
    except csv.Error as error:
        raise FeedUnreadable(f"{document.filename} is not CSV: {error}.") from error
    header = lines[0] if lines else ""
    absent = [name for name in columns if not rows or name not in rows[0]]
    if absent:
        raise FeedUnreadable(
            f"{document.filename} has no column {', '.join(absent)}; it begins {header[:80]!r}. "
            f"The columns are {', '.join(columns)}."
        )
    return rows
