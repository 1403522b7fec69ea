"""What people read, hour by hour, from a model's blended outputs. Server and phone share it."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from weatherapp.core import weather_code, wind
from weatherapp.core.arrays import FloatArray


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
        levels = [round(known, 6) for known in self.levels[name]]
        if level not in levels:
            raise KeyError(f"{name} has the levels {levels}, not {level}.")
        return self.outputs[name][:, levels.index(level)]

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
