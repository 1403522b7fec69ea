"""Where each channel is centred and how wide it is: measured on training windows, kept inside the model."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from packager.contract import Contract
from packager.errors import TrainingFailed
from packager.types import FloatArray, Tensors

# Channels that span decades enter as log(offset + value); the offset (in the channel's units) is where they
# become linear.
LOG_OFFSETS = {"precipitation": 0.5, "cloud_base": 100.0, "visibility": 200.0}
# Higher ceilings and longer sights say no more; the limit also keeps every number inside half precision's
# range.
UPPER_LIMITS = {"cloud_base": 20_000.0, "visibility": 20_000.0, "precipitation": 300.0}
# Spread of an output where no history channel of that name measures it: m/s, fraction, mm.
OUTPUT_CHANNELS = {"wind": "wind_u", "wind_speed": "wind_u"}
OUTPUT_SCALES = {"cloud_cover": 1.0, "precipitation": 2.0}
MEASURE_OUTPUTS = {"temperature", "dew_point", "pressure_msl", "wind_u", "wind_v"}


@dataclass(frozen=True)
class Normalisation:
    """Per channel of `history`: mean and standard deviation, of its logarithm where `LOG_OFFSETS` has it."""

    channels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def output_scale(self, output: str) -> tuple[float, float]:
        """Centre and width of an output, in its units."""
        if output in OUTPUT_SCALES:
            return 0.0, OUTPUT_SCALES[output]
        index = self.channels.index(OUTPUT_CHANNELS.get(output, output))
        return self.mean[index], self.std[index]

    def of(self, channels: tuple[str, ...]) -> "Normalisation":
        """The same numbers for some of the channels: guidance is normalised as the observations are."""
        index = [self.channels.index(name) for name in channels]
        return Normalisation(channels, tuple(self.mean[i] for i in index), tuple(self.std[i] for i in index))

    def log_offsets(self) -> FloatArray:
        """(channel,); 0 where the channel enters as it is."""
        return np.array([LOG_OFFSETS.get(name, 0.0) for name in self.channels], np.float32)

    def upper_limits(self) -> FloatArray:
        """(channel,); values above are taken as this."""
        return np.array([UPPER_LIMITS.get(name, 1e4) for name in self.channels], np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"channels": list(self.channels), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Normalisation":
        """The inverse of `to_dict`."""
        return cls(tuple(values["channels"]), tuple(values["mean"]), tuple(values["std"]))


def measure_normalisation(inputs: Tensors, contract: Contract) -> Normalisation:
    """Mean and standard deviation of every history channel over what was reported.

    Args:
        inputs: `history` and `history_mask`, (case, hour, channel), in the contract's units.
        contract: names the channels.

    Returns:
        The figures. A channel that was never reported, or never changed, keeps its width: a station
        may report it one day. One that outputs are measured by must have a spread.

    Raises:
        TrainingFailed: temperature, dew point, pressure or wind was never reported, or never changed.
    """
    names = contract.input("history").channel_names
    measured = {name: _measure(name, index, inputs) for index, name in enumerate(names)}
    # East and north share one scale, so that direction is kept, and a centre of zero.
    both = round(float(np.hypot(measured["wind_u"][1], measured["wind_v"][1]) / np.sqrt(2)), 4)
    measured |= {"wind_u": (0.0, both), "wind_v": (0.0, both)}
    return Normalisation(
        names, tuple(mean for mean, _ in measured.values()), tuple(std for _, std in measured.values())
    )


def _measure(name: str, index: int, inputs: Tensors) -> tuple[float, float]:
    """Mean and standard deviation of one channel as the model sees it."""
    values = inputs["history"][..., index][inputs["history_mask"][..., index] > 0].astype(np.float64)
    values = np.minimum(values, UPPER_LIMITS.get(name, np.inf))
    if name in LOG_OFFSETS:
        values = np.log(LOG_OFFSETS[name] + np.maximum(values, 0))
    std = round(float(values.std()), 4) if values.size else 0.0
    if std == 0 and name in MEASURE_OUTPUTS:
        raise TrainingFailed(
            f"Channel {name} has {values.size} reported values and no spread in the training windows. "
            "Train on data that reports it: forecasts of it are measured by its spread."
        )
    return round(float(values.mean()), 4) if values.size else 0.0, std or 1.0
