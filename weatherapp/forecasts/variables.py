"""The variables of the API: a table from name to quantity and to what gives its values."""

from collections.abc import Callable
from dataclasses import dataclass

from weatherapp.core.arrays import FloatArray
from weatherapp.core.hourly import Hours


@dataclass(frozen=True, slots=True)
class Variable:
    """A series that can be asked for; `quantity` chooses its unit, `aliases` are older spellings."""

    name: str
    quantity: str
    values: Callable[[Hours], FloatArray]
    aliases: tuple[str, ...] = ()


VARIABLES = (
    Variable("temperature_2m", "temperature", lambda hours: hours.temperature),
    Variable("dew_point_2m", "temperature", lambda hours: hours.dew_point, ("dewpoint_2m",)),
    Variable("precipitation", "water", lambda hours: hours.precipitation),
    Variable("precipitation_probability", "percent", lambda hours: hours.precipitation_probability),
    Variable("weather_code", "code", lambda hours: hours.weather_code, ("weathercode",)),
    Variable("wind_speed_10m", "speed", lambda hours: hours.wind_speed, ("windspeed_10m",)),
    Variable("wind_direction_10m", "angle", lambda hours: hours.wind_direction, ("winddirection_10m",)),
    Variable("cloud_cover", "percent", lambda hours: hours.cloud_cover, ("cloudcover",)),
    Variable("cloud_base", "length", lambda hours: hours.cloud_base, ("cloudbase",)),
    Variable("pressure_msl", "pressure", lambda hours: hours.pressure_msl),
)
HOURLY: dict[str, Variable] = {
    spelling: variable for variable in VARIABLES for spelling in (variable.name, *variable.aliases)
}
