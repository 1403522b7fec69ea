"""The model behind BentoML: `bentoml serve bench.peer_bentoml:Forecast`. Runs in `.venv-bench`."""

import os
from typing import Any

import bentoml

from bench.peer_model import Model


@bentoml.service(workers=int(os.environ.get("FORECAST_WORKERS", "2")))
class Forecast:
    """One model in each worker."""

    def __init__(self) -> None:
        self.model = Model()

    @bentoml.api
    def predict(self, station: int) -> dict[str, Any]:
        """A station's forecast."""
        return self.model.forecast(station)
