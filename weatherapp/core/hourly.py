"""What people read, hour by hour, from a model's blended outputs. Server and phone share it."""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from weatherapp.core import feels, thermo, weather_code, wind
from weatherapp.core.arrays import FloatArray

CM_OF_SNOW_PER_MM = 0.7  # of water
PRECIPITATION_TYPES = (0.0, 1.0, 5.0, 3.0)  # by class of `weather_code.TYPE_NAMES`


class Hours:
    """Values per hour in inside units (°C, m/s, mm, m, hPa, %), each worked out when first asked for."""

    def __init__(
        self,
        outputs: Mapping[str, FloatArray],
        *,
        levels: Mapping[str, Sequence[float]],
        ceiling_thresholds: Sequence[float],
    ) -> None:
        """Wrap outputs.

        Args:
            outputs: by contract name, (hour[, k]), in contract units; NaN where there is no forecast.
            levels: the quantile levels of each output that has them, by contract name.
            ceiling_thresholds: metres, between the classes of `cloud_base`.
        """
        self.outputs = outputs
        self.levels = levels
        self.ceiling_thresholds = tuple(ceiling_thresholds)

    def quantile(self, name: str, level: float) -> FloatArray:
        """(hour,) a quantile of an output, in contract units; KeyError if the model has no such level."""
        return self.outputs[name][:, _position(name, tuple(self.levels[name]), level)]

    @cached_property
    def temperature(self) -> FloatArray:
        """°C, median."""
        return self.quantile("temperature", 0.5)

    @cached_property
    def dew_point(self) -> FloatArray:
        """°C, median, never above the temperature."""
        return np.minimum(self.outputs["dew_point"], self.temperature)

    @property
    def pressure_msl(self) -> FloatArray:
        """hPa, median."""
        return self.outputs["pressure_msl"]

    @cached_property
    def wind_speed(self) -> FloatArray:
        """m/s, median of the speed, which is more than the speed of the median wind."""
        return self.quantile("wind_speed", 0.5)

    @cached_property
    def wind_direction(self) -> FloatArray:
        """Degrees that the median wind blows from."""
        vector = self.outputs["wind"]
        return np.where(np.isnan(vector[:, 0]), np.nan, wind.direction(vector[:, 0], vector[:, 1]))

    @cached_property
    def cloud_cover(self) -> FloatArray:
        """%, median."""
        return np.clip(self.quantile("cloud_cover", 0.5), 0.0, 1.0) * 100

    @cached_property
    def cloud_base(self) -> FloatArray:
        """Metres above ground, median; NaN where no ceiling is the likelier."""
        return weather_code.ceiling_height(self.outputs["cloud_base"], self.ceiling_thresholds)

    @cached_property
    def decision(self) -> weather_code.Decision:
        """Code, type, amount and probability, which agree with each other."""
        return weather_code.decide(
            type_probability=self.outputs["precipitation_type"],
            wet_amount=self.quantile("precipitation", 0.5),
            temperature=self.temperature,
            dew_point=self.dew_point,
            cloud_cover=self.cloud_cover / 100,
            lowest_ceiling_probability=self.outputs["cloud_base"][:, 0],
        )

    @cached_property
    def relative_humidity(self) -> FloatArray:
        """%, over water."""
        return thermo.relative_humidity(self.temperature, self.dew_point) * 100

    @cached_property
    def apparent_temperature(self) -> FloatArray:
        """°C: what the air feels like in the shade, with its vapour and the wind."""
        return feels.apparent_temperature(self.temperature, self.dew_point, self.wind_speed)

    @cached_property
    def vapour_pressure_deficit(self) -> FloatArray:
        """In kPa."""
        return feels.vapour_pressure_deficit(self.temperature, self.dew_point)

    @cached_property
    def wet_bulb_temperature(self) -> FloatArray:
        """°C, never above the temperature, which the approximation is where the air is cold and dry."""
        humidity = thermo.relative_humidity(self.temperature, self.dew_point)
        return np.minimum(thermo.wet_bulb_stull(self.temperature, humidity), self.temperature)

    def surface_pressure(self, elevation: npt.ArrayLike) -> FloatArray:
        """HPa at a height in metres, one or one per hour."""
        return thermo.station_pressure(self.pressure_msl, elevation, self.temperature, self.dew_point)

    @property
    def precipitation(self) -> FloatArray:
        """Mm in the hour before; 0 in an hour that is not called wet."""
        return self.decision.amount

    @property
    def precipitation_probability(self) -> FloatArray:
        """%, of any precipitation in the hour."""
        return self.decision.probability * 100

    @cached_property
    def weather_code(self) -> FloatArray:
        """WMO code."""
        code = self.decision.code
        return np.where(code < 0, np.nan, code.astype(np.float64))

    @cached_property
    def rain(self) -> FloatArray:
        """Mm of what falls as drops, freezing ones and showers too; the rest of `precipitation` is snow."""
        return self.decision.amount - self.snowfall_water

    @cached_property
    def snowfall_water(self) -> FloatArray:
        """Mm of water that falls as snow."""
        return np.where(
            self.decision.type == weather_code.SNOW, self.decision.amount, self.decision.amount * 0
        )

    @property
    def snowfall(self) -> FloatArray:
        """Cm of fresh snow."""
        return self.snowfall_water * CM_OF_SNOW_PER_MM

    @cached_property
    def precipitation_type(self) -> FloatArray:
        """WMO code table 4.201 (GRIB2): 0 none, 1 rain, 3 freezing rain, 5 snow."""
        kind = self.decision.type
        return np.where(kind < 0, np.nan, np.array(PRECIPITATION_TYPES)[kind])

    def type_probability(self, kind: int) -> FloatArray:
        """%, of a class of `weather_code.TYPE_NAMES`; rain, snow and freezing rain make up precipitation."""
        unknown = np.isnan(self.decision.probability)
        return np.where(unknown, np.nan, self.decision.type_probability[:, kind] * 100)

    def precipitation_quantile(self, level: float) -> FloatArray:
        """Mm in the hour before that are not exceeded with a probability of `level`, dry hours counted in.

        The model gives quantiles of the amount of a wet hour. They are taken where the rest of `level` lies
        above the chance of a dry hour, interpolated from 0; above the highest one they stay there.
        """
        chances = self.decision.type_probability
        wet = 1.0 - chances[:, weather_code.NONE]
        known = np.isfinite(wet) & np.isfinite(self.outputs["precipitation"]).all(axis=1)
        inner = np.where(known & (wet > 0), (level - (1.0 - wet)) / np.where(wet > 0, wet, 1.0), 0.0)
        levels = np.array([0.0, *self.levels["precipitation"]])
        amounts = np.pad(np.maximum(self.outputs["precipitation"], 0.0), ((0, 0), (1, 0)))
        above = np.clip(np.searchsorted(levels, inner), 1, len(levels) - 1)
        share = np.clip((inner - levels[above - 1]) / (levels[above] - levels[above - 1]), 0.0, 1.0)
        row = np.arange(len(amounts))
        low, high = amounts[row, above - 1], amounts[row, above]
        return np.where(known, np.where(inner > 0, low + share * (high - low), 0.0), np.nan)


@lru_cache(maxsize=256)
def _position(name: str, levels: tuple[float, ...], level: float) -> int:
    rounded = [round(known, 6) for known in levels]
    if level not in rounded:
        raise KeyError(f"{name} has the levels {rounded}, not {level}.")
    return rounded.index(level)
