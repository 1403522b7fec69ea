"""A stored run that lies in memory alone, and what is asked of it."""

from datetime import datetime

import numpy as np
import orjson

from packager.contract import reference_contract
from tests.weather import INIT, NOW, STATIONS, make_outputs
from weatherapp.core.blend import unit_vectors
from weatherapp.forecasts import replies
from weatherapp.forecasts.formats.json import write_json
from weatherapp.forecasts.query import parse_query, split_lists
from weatherapp.forecasts.store import StoredRun

CONTRACT = reference_contract()


def unknown_past(stations: int) -> dict[str, np.ndarray]:
    """Past hours of which nothing is known."""
    return {
        spec.name: np.full((stations, CONTRACT.history_hours, *spec.shape[2:]), np.nan, np.float32)
        for spec in CONTRACT.outputs
    }


def memory_run(*, outputs=None, past=None, init_time: datetime = INIT, stations=STATIONS) -> StoredRun:
    """A run of stations; a past of which nothing is known unless given."""
    latitudes = np.array([station.latitude for station in stations])
    longitudes = np.array([station.longitude for station in stations])
    return StoredRun(
        name=f"{init_time:%Y%m%dT%H}Z-memory",
        init_time=init_time,
        contract=CONTRACT,
        stations=stations,
        inputs={},
        outputs=outputs or make_outputs(len(stations)),
        past=past or unknown_past(len(stations)),
        latitudes=latitudes,
        longitudes=longitudes,
        elevations=np.array([station.elevation for station in stations]),
        vectors=unit_vectors(latitudes, longitudes),
    )


def shifted_past(stations: int, **changes: float) -> dict[str, np.ndarray]:
    """Past hours as the first lead has them, with some outputs set to a value."""
    outputs = make_outputs(stations)
    past = {
        name: np.repeat(values[:, :1], CONTRACT.history_hours, axis=1) for name, values in outputs.items()
    }
    for name, value in changes.items():
        past[name][:] = value
    return past


def answers(*runs: StoredRun, now: datetime = NOW, replay: bool = False, models=None, **values):
    """Answers of all places; the runs are one model's, newest first, unless `models` are given."""
    asked = {"latitude": "41.995", "longitude": "-87.934", "elevation": "200", **values}
    query = parse_query(split_lists(asked.items()))
    spoken = models or [replies.ModelRuns("best_match", runs or (memory_run(),))]
    return replies.answer(spoken, replies.plan(query, now), replay=replay)


def ask(*runs: StoredRun, **values):
    """The JSON body of an answer."""
    return orjson.loads(write_json([answer.reply for answer in answers(*runs, **values)]))
