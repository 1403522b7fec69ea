"""Units that replies are given in.

Inside, temperatures are °C, speeds m/s, water mm, lengths m, fallen snow cm, shares %.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from weatherapp.core.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a reply: value = inside value × factor + offset, rounded to `decimals` (0 makes integers)."""

    label: str
    decimals: int
    factor: float = 1.0
    offset: float = 0.0


# Per quantity the accepted names, the default first. Labels and decimals are Open-Meteo's.
TEMPERATURE = MappingProxyType({"celsius": Unit("°C", 1), "fahrenheit": Unit("°F", 1, 1.8, 32.0)})
SPEED = MappingProxyType(
    {
        "kmh": Unit("km/h", 1, 3.6),
        "ms": Unit("m/s", 2),
        "mph": Unit("mp/h", 1, 3600 / 1609.344),
        "kn": Unit("kn", 1, 3600 / 1852),
    }
)
WATER = MappingProxyType({"mm": Unit("mm", 2), "inch": Unit("inch", 3, 1 / 25.4)})
LENGTH = MappingProxyType({"metric": Unit("m", 2), "imperial": Unit("ft", 3, 1 / 0.3048)})
SNOW = MappingProxyType({"metric": Unit("cm", 2), "imperial": Unit("inch", 3, 1 / 2.54)})
PRESSURE = MappingProxyType({"hpa": Unit("hPa", 1)})
PERCENT = MappingProxyType({"percent": Unit("%", 0)})
ANGLE = MappingProxyType({"degree": Unit("°", 0)})
CODE = MappingProxyType({"wmo": Unit("wmo code", 0)})
TIME = MappingProxyType({"iso8601": Unit("iso8601", 0), "unixtime": Unit("unixtime", 0)})
# Quantities whose unit nobody chooses.
FIXED = MappingProxyType(
    {
        "pressure": PRESSURE["hpa"],
        "percent": PERCENT["percent"],
        "angle": ANGLE["degree"],
        "code": CODE["wmo"],
        "flag": Unit("", 0),
        "index": Unit("", 2),
        "seconds": Unit("s", 2),
        "hours": Unit("h", 1),
        "kilopascal": Unit("kPa", 2),
        "radiation": Unit("W/m²", 1),
        "exposure": Unit("MJ/m²", 2),
        "energy": Unit("J/kg", 1),
        "kelvin": Unit("K", 1),
        "moisture": Unit("m³/m³", 3),
        "column": Unit("kg/m²", 2),
        "density": Unit("kg/m³", 2),
        "own_speed": Unit("m/s", 2),
        "undefined": Unit("undefined", 2),
    }
)

UnitGroup = Mapping[str, Unit]


def convert(values: npt.ArrayLike, unit: Unit) -> FloatArray:
    """Turn inside values into a unit of a reply.

    Args:
        values: any shape, in the inside unit of the quantity; NaN stays NaN.
        unit: of the result.

    Returns:
        Same shape, in `unit`, not rounded.
    """
    return np.asarray(values, dtype=np.float64) * unit.factor + unit.offset


def written(values: npt.ArrayLike, unit: Unit) -> FloatArray:
    """Turn inside values into what a reply writes: in `unit`, rounded to its decimals, never −0.

    Args:
        values: any shape, in the inside unit of the quantity; NaN stays NaN.
        unit: of the reply.

    Returns:
        Same shape, a copy.
    """
    # Most columns of most replies are in the inside unit already.
    same = unit.factor == 1.0 and unit.offset == 0.0
    scaled = np.asarray(values, dtype=np.float64) if same else convert(values, unit)
    return np.asarray(scaled.round(unit.decimals) + 0.0)


def restore(values: npt.ArrayLike, unit: Unit) -> FloatArray:
    """Turn values of a reply back into the inside unit; the inverse of `convert`."""
    return (np.asarray(values, dtype=np.float64) - unit.offset) / unit.factor
