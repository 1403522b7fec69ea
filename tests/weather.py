"""Runs, stations and outputs to test forecasts with."""

from datetime import UTC, datetime

import numpy as np

from mobile_models.models import Release
from packager.contract import reference_contract
from weatherapp.forecasts import store
from weatherapp.forecasts.models import ForecastRun

NOW = datetime(2026, 7, 4, 18, 25, tzinfo=UTC)
INIT = datetime(2026, 7, 4, 18, tzinfo=UTC)
CHICAGO = store.RunStation("chi", "Chicago", 41.995, -87.934, 200.0)
CHAMPAIGN = store.RunStation("cmi", "Champaign", 40.04, -88.28, 230.0)
NEWARK = store.RunStation("ewr", "Newark", 40.69, -74.17, 5.0)
STATIONS = (CHICAGO, CHAMPAIGN, NEWARK)


def make_outputs(stations: int, *, wet: float = 0.1) -> dict[str, np.ndarray]:
    """Outputs of the reference contract: warmer with every lead by 0.1 K, drier or wetter as asked."""
    contract = reference_contract()
    leads = np.arange(1, contract.lead_hours + 1)
    fills = {
        "temperature": 20 + 0.1 * leads[:, None] + np.linspace(-3, 3, 7),
        "dew_point": 10.0,
        "pressure_msl": 1013.0,
        "wind": [-3.0, 0.0],
        "wind_speed": np.linspace(2, 5, 7),
        "cloud_cover": np.linspace(0.2, 0.8, 7),
        "cloud_base": [0.0, 0.1, 0.2, 0.4, 0.1, 0.2],
        "precipitation_type": [1 - wet, wet, 0, 0],
        "precipitation": np.linspace(0.1, 3.1, 7),
    }
    return {
        spec.name: np.array(np.broadcast_to(fills[spec.name], (stations, *spec.shape[1:])), np.float32)
        for spec in contract.outputs
    }


def make_inputs(stations: tuple[store.RunStation, ...]) -> dict[str, np.ndarray]:
    """Inputs of the reference contract; the cloud columns were not reported."""
    contract = reference_contract()
    inputs = {spec.name: np.zeros((len(stations), *spec.shape[1:]), np.float32) for spec in contract.inputs}
    inputs["history"][:, :, 0] = 21.3
    inputs["history_mask"][:, :, :6] = 1
    inputs["site"][:] = [(s.latitude, s.longitude, s.elevation) for s in stations]
    inputs["clock"][:] = [0.1, 0.2, 0.3, 0.4]
    return inputs


def make_run(
    *,
    init_time: datetime = INIT,
    replay: bool = True,
    stations: tuple[store.RunStation, ...] = STATIONS,
    outputs: dict[str, np.ndarray] | None = None,
    past: dict[str, np.ndarray] | None = None,
) -> ForecastRun:
    """A stored run with its row, in settings.RUNS_DIR."""
    release, _ = Release.objects.get_or_create(version="2026.07.04-1")
    run = ForecastRun.objects.create(
        init_time=init_time, release=release, bundle_sha256="a" * 64, replay=replay
    )
    run.folder = f"{init_time:%Y%m%dT%H}Z-{run.pk}"
    store.write_run(
        run.folder,
        init_time=init_time,
        contract=reference_contract(),
        stations=stations,
        inputs=make_inputs(stations),
        outputs=outputs or make_outputs(len(stations)),
        past=past,
    )
    run.state, run.stations, run.stored = ForecastRun.State.STORED, len(stations), init_time
    run.save()
    return run
