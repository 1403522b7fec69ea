"""What devices report and make rules about: variables, their quantities, and units by name."""

from collections.abc import Mapping
from types import MappingProxyType

from weatherapp.core import units
from weatherapp.core.personal.bias import MODELS
from weatherapp.core.personal.probability import VARIABLES
from weatherapp.personal.errors import InputInvalid
from weatherapp.personal.models import Device

# Inside, shares are 0–1 here; a person says per cent.
SHARE = MappingProxyType({"percent": units.Unit("%", 0, 100.0)})
UNITS: Mapping[str, Mapping[str, units.Unit]] = MappingProxyType(
    {
        "temperature": units.TEMPERATURE,
        "speed": units.SPEED,
        "water": units.WATER,
        "pressure": units.PRESSURE,
        "share": SHARE,
    }
)
UNIT_NAMES = tuple(name for group in UNITS.values() for name in group)
QUANTITIES: Mapping[str, str] = MappingProxyType(
    {
        "temperature": "temperature",
        "feels_like": "temperature",
        "wind_speed": "speed",
        "cloud_cover": "share",
        "precipitation": "water",
        "rain": "water",
        "snowfall": "water",
        "freezing_rain": "water",
        "pressure_msl": "pressure",
        "surface_pressure": "pressure",
    }
)
RULED = tuple(VARIABLES)
# A barometer reads the pressure where it lies; what is learned is about mean sea level.
REPORTED = (*MODELS, "surface_pressure")


def unit_name(device: Device, variable: str) -> str:
    """The unit that a device wants a variable in, by name."""
    return {
        "temperature": device.temperature_unit,
        "speed": device.wind_speed_unit,
        "water": device.precipitation_unit,
        "pressure": "hpa",
        "share": "percent",
    }[QUANTITIES[variable]]


def unit_of(device: Device, variable: str) -> units.Unit:
    """The unit that a device wants a variable in."""
    return UNITS[QUANTITIES[variable]][unit_name(device, variable)]


def checked_unit(device: Device, variable: str, name: str | None) -> str:
    """The unit that a value was given in, by name; the device's where none was named.

    Raises:
        InputInvalid: it is a unit of something else.
    """
    allowed = UNITS[QUANTITIES[variable]]
    if name is None:
        return unit_name(device, variable)
    if name not in allowed:
        raise InputInvalid(f"unit: {name!r} is no unit of {variable}; allowed: {', '.join(allowed)}.")
    return name


def inside(variable: str, value: float, name: str) -> float:
    """A value in a named unit as an inside value."""
    return float(units.restore(value, UNITS[QUANTITIES[variable]][name]))
