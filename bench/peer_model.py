"""The same TFLite file in another server's process: one station's forecast for a call. Runs in `.venv-bench`.

FORECAST_MODEL names the file, FORECAST_INPUTS the stations' inputs, FORECAST_INTERPRETER says whether an
interpreter is kept by each worker (`worker`) or made for each call (`request`).
"""

import os
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

MEDIAN = 3


class Model:
    """Answers with the eight series that the forecast API is asked for."""

    def __init__(self) -> None:
        with np.load(os.environ["FORECAST_INPUTS"]) as file:
            self.inputs = {name: file[name] for name in file.files}
        self.kept = None if os.environ["FORECAST_INTERPRETER"] == "request" else self._runner()

    def forecast(self, station: int) -> dict[str, Any]:
        """The series of a station by its row in the inputs."""
        run = self.kept or self._runner()
        out = run(**{name: values[station : station + 1] for name, values in self.inputs.items()})
        wind = out["wind"][0]
        series = {
            "temperature_2m": out["temperature"][0, :, MEDIAN],
            "dew_point_2m": out["dew_point"][0],
            "precipitation": out["precipitation"][0, :, MEDIAN],
            "precipitation_probability": 1 - out["precipitation_type"][0, :, 0],
            "weather_code": out["precipitation_type"][0].argmax(axis=1),
            "wind_speed_10m": out["wind_speed"][0, :, MEDIAN],
            "wind_direction_10m": np.degrees(np.arctan2(-wind[:, 0], -wind[:, 1])) % 360,
            "cloud_cover": out["cloud_cover"][0, :, MEDIAN],
        }
        return {name: values.tolist() for name, values in series.items()}

    @staticmethod
    def _runner() -> Any:
        interpreter = Interpreter(os.environ["FORECAST_MODEL"], num_threads=1)
        return interpreter.get_signature_runner()
