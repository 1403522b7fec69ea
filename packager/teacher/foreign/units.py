"""Units of models from elsewhere, in the spellings of CF and UDUNITS, and how to get from one to another."""

from dataclasses import dataclass

from packager.errors import TeacherRefused

# By unit: what it measures, then the value in that quantity's first unit = value × factor + offset.
# The pound, mile, foot and inch are the international ones; the knot is a nautical mile (1852 m) an hour.
UNITS: dict[str, tuple[str, float, float]] = {
    "K": ("temperature", 1.0, 0.0),
    "degC": ("temperature", 1.0, 273.15),
    "degF": ("temperature", 5.0 / 9.0, 459.67 * 5.0 / 9.0),
    "Pa": ("pressure", 1.0, 0.0),
    "hPa": ("pressure", 100.0, 0.0),
    "kPa": ("pressure", 1000.0, 0.0),
    "m s-1": ("speed", 1.0, 0.0),
    "km h-1": ("speed", 1.0 / 3.6, 0.0),
    "knot": ("speed", 1852.0 / 3600.0, 0.0),
    "mile h-1": ("speed", 1609.344 / 3600.0, 0.0),
    "m": ("length", 1.0, 0.0),
    "mm": ("length", 1e-3, 0.0),
    "cm": ("length", 1e-2, 0.0),
    "km": ("length", 1e3, 0.0),
    "ft": ("length", 0.3048, 0.0),
    "inch": ("length", 0.0254, 0.0),
    "1": ("fraction", 1.0, 0.0),
    "%": ("fraction", 1e-2, 0.0),
    "degrees_north": ("angle", 1.0, 0.0),
    "degrees_east": ("angle", 1.0, 0.0),
    "degree": ("angle", 1.0, 0.0),
    "radian": ("angle", 57.29577951308232, 0.0),
}
SPELLINGS = {
    "kelvin": "K", "celsius": "degC", "degree_Celsius": "degC", "degrees_C": "degC", "°C": "degC",
    "fahrenheit": "degF", "°F": "degF",
    "mbar": "hPa", "millibar": "hPa",
    "m/s": "m s-1", "m.s-1": "m s-1", "m s^-1": "m s-1", "m s**-1": "m s-1",
    "km/h": "km h-1", "km.h-1": "km h-1", "kt": "knot", "kn": "knot", "knots": "knot", "mph": "mile h-1",
    "metre": "m", "meter": "m", "foot": "ft", "in": "inch",
    "percent": "%", "": "1", "degree_north": "degrees_north", "degree_east": "degrees_east",
    "degrees": "degree", "rad": "radian",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conversion:
    """Result = value × factor + offset."""

    factor: float
    offset: float


def conversion(given: str, wanted: str, *, what: str) -> Conversion:
    """How values in one unit become values in another.

    Args:
        given: the unit that the values have.
        wanted: the unit that they get.
        what: whose values, for the error.

    Raises:
        TeacherRefused: one of the units is not known here, or they measure different things.
    """
    source, target = (_known(unit, what) for unit in (given, wanted))
    if source[0] != target[0]:
        convertible = ", ".join(
            name for name, unit in UNITS.items() if target[0] in unit or source[0] in unit
        )
        raise TeacherRefused(
            f"{what}: {given!r} measures {source[0]} and cannot become {wanted!r}, which measures "
            f"{target[0]}. "
            f"Units of these two kinds are {convertible}; correct the unit, or the name that it stands "
            "beside."
        )
    return Conversion(source[1] / target[1], (source[2] - target[2]) / target[1])


def _known(unit: str, what: str) -> tuple[str, float, float]:
    try:
        return UNITS[SPELLINGS.get(unit, unit)]
    except KeyError:
        raise TeacherRefused(
            f"{what}: unit {unit!r} is not known; known are {', '.join(UNITS)}. Write the unit in one of "
            "these, "
            "or let the model give one of them."
        ) from None
