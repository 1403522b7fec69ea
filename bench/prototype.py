"""`python -m bench.prototype`: is the teacher as good as the prototype that the project began with?

The prototype's figures were measured beside a leak: it trained on hours of Newark and Kennedy, 35 km from the
held-out LaGuardia, which reports the same hours (docs/adr/0005). So it is rebuilt here from its description,
trained with that leak and without, and scored beside today's teacher on the same cases: stations that no
training saw, leads 1-24 h. Where `make demo` did not train the teacher, it is trained first. What is trained
is kept: run again, it only scores.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from rich.table import Table

from packager.console import console, progress_bars
from packager.contract import Contract
from packager.dataset import splits
from packager.dataset.windows import Windows, make_windows
from packager.errors import PackagerError
from packager.quiet import load_tensorflow
from packager.recipes import get_profile
from packager.types import FloatArray, Tensors
from packager.verify.skill import case_scores
from packager.workspace import source_digest

ROOT = Path(__file__).resolve().parents[1]
VAR = Path(os.environ.get("SKYFOLD_VAR", ROOT / "var"))
MEMBERS, EPOCHS = 3, 6
CHANNELS, CONTEXT, PER_LEAD, HIDDEN, DILATIONS = 64, 128, 8, (128, 64), (1, 2, 4, 8)
SPLIT, LEADS = "unseen_station", 24
SCORES = {
    "temperature_mae": "T MAE",
    "temperature": "T CRPS",
    "wind_speed_mae": "wind MAE",
    "wind_speed": "wind CRPS",
    "cloud_cover_mae": "cloud MAE",
    "precipitation_probability": "rain Brier",
}


def main() -> int:
    load_tensorflow()
    from packager.pipeline import Pipeline
    from packager.teacher.forecasting import forecasts_of

    try:
        with progress_bars() as progress:
            pipeline = Pipeline(VAR / "work", get_profile("demo"), progress=progress)
            teacher = forecasts_of(pipeline.teacher().folder)
            windows = pipeline.held_out[SPLIT]
            forecasts = {
                "teacher": teacher(windows.inputs),
                "prototype rebuilt": rebuilt(pipeline, windows, leak=False),
                "prototype rebuilt, with the leak": rebuilt(pipeline, windows, leak=True),
            }
    except PackagerError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    scores = {
        name: case_scores(outputs, windows.targets, pipeline.contract) for name, outputs in forecasts.items()
    }
    console.print(score_table(scores))
    console.print(station_table(scores, windows, [station.name for station in pipeline.dataset.stations]))
    own, other = (scores[name] for name in ("teacher", "prototype rebuilt"))
    worse = [label for score, label in SCORES.items() if mean(own[score]) > mean(other[score])]
    verdict = f"MISSED: worse in {', '.join(worse)}" if worse else "reached"
    print(f"The teacher is no worse than the prototype rebuilt, same data and cases: {verdict}")
    return 0


def rebuilt(pipeline: Any, windows: Windows, *, leak: bool) -> Tensors:
    """Mean forecasts of the prototype's members, trained if they are not."""
    from packager.student.training import predict

    folders = [train_member(pipeline, index, leak=leak) for index in range(MEMBERS)]
    members = []
    for index, folder in enumerate(folders):
        model = build_prototype(pipeline.contract, pipeline.normalisation, seed=index + 1)
        with np.load(folder / "weights.npz") as stored:
            model.set_weights([stored[name] for name in sorted(stored.files)])
        members.append(predict(model, windows.inputs))
    return {name: np.mean([member[name] for member in members], axis=0) for name in members[0]}


def train_member(pipeline: Any, index: int, *, leak: bool) -> Path:
    """One member: every third hour, no noise, no regression to start from."""
    from packager.student.training import TrainingOptions
    from packager.teacher.ensemble import learn_observations

    contract, normalisation = pipeline.contract, pipeline.normalisation
    options = TrainingOptions(
        epochs=EPOCHS, hide_hours=0, hide_channels=0, site_blur=(0, 0, 0), season_blur=0, seed=index + 1
    )

    def make(folder: Path) -> Mapping[str, Any]:
        parts = {}
        with neighbours_train(leak):
            for split in ("train", "early_stopping"):
                parts[split] = make_windows(pipeline.dataset, contract, stride=3, split=split)
        training, stopping = parts["train"], parts["early_stopping"]
        for targets in (training.targets, stopping.targets):
            for values in targets.values():
                # It forecast one day.
                values[:, LEADS:] = np.nan
        model = build_prototype(contract, normalisation, seed=index + 1)
        result = learn_observations(
            model, training, stopping, contract, normalisation,
            options=options,
            progress=lambda fraction, message: pipeline.progress(
                "prototype", (index + fraction) / MEMBERS, f"member {index + 1}/{MEMBERS}: {message}"
            ),
        )  # fmt: skip
        np.savez(folder / "weights.npz", **{f"w{i:03d}": w for i, w in enumerate(model.get_weights())})
        return {"windows": len(training), "early_stopping_loss": result.early_stopping_loss}

    inputs = {
        "data": pipeline.data().key,
        "source": source_digest("packager/student", "packager/teacher/ensemble.py", "bench/prototype.py"),
        "member": index,
        "leak": leak,
    }
    return pipeline.workspace.stage("prototype", inputs, make).folder


@contextmanager
def neighbours_train(leak: bool) -> Iterator[None]:
    """While entered, and if `leak`, stations beside a held-out one train on the hours that both report."""
    with mock.patch.object(splits, "NEIGHBOUR_KILOMETRES", 0.0 if leak else splits.NEIGHBOUR_KILOMETRES):
        yield


def build_prototype(contract: Contract, normalisation: Any, *, seed: int) -> Any:
    """As it was described: residual dilated convolutions over the history, a dense context, numbers per lead.

    To these are added, per lead, the solar phase at the valid time, what was observed at the same hour
    yesterday, the lead, season and site; then three layers that all leads share. Temperature and wind speed
    are differences from the same hour yesterday.
    """
    import tf_keras
    from tf_keras import layers

    from packager.student.layers import EveryDay, Hours, LeadFeatures, NormaliseHistory, NormaliseSite
    from packager.student.tail import ANCHORS, Anchors, Chances, Numbers, PhysicalOutput

    tf_keras.utils.set_random_seed(seed)
    leads = contract.lead_hours
    inputs = {spec.name: layers.Input(spec.shape[1:], name=spec.name) for spec in contract.inputs}
    _, history = NormaliseHistory(normalisation)([inputs["history"], inputs["history_mask"]])
    place = layers.Concatenate()([NormaliseSite()(inputs["site"]), inputs["clock"]])
    x = layers.Conv2D(CHANNELS, (3, 1), padding="same", activation="relu")(history)
    for dilation in DILATIONS:
        y = layers.Conv2D(CHANNELS, (3, 1), padding="same", dilation_rate=(dilation, 1), activation="relu")(x)
        x = layers.Add()([x, y])
    context = layers.Dense(CONTEXT, activation="relu")(layers.Concatenate()([layers.Flatten()(x), place]))
    own = layers.Reshape((leads, 1, PER_LEAD))(layers.Dense(leads * PER_LEAD)(context))
    day = EveryDay(leads)(Hours(-24, None)(history))
    everywhere = layers.Reshape((leads, 1, place.shape[-1]))(layers.RepeatVector(leads)(place))
    x = layers.Concatenate()([own, LeadFeatures(leads)(inputs["clock"]), day, everywhere])
    for width in HIDDEN:
        x = layers.Conv2D(width, 1, activation="relu")(x)
    width = sum(spec.width for spec in contract.outputs)
    raw = layers.Reshape((leads, width))(layers.Conv2D(width, 1)(x))
    anchors = EveryDay(leads)(Anchors(contract)(history))
    numbers = Numbers(contract, normalisation, len(ANCHORS))([raw, anchors])
    chances = Chances(contract)(raw)
    outputs = {
        spec.name: PhysicalOutput(contract, spec)(chances if spec.kind == "probabilities" else numbers)
        for spec in contract.outputs
    }
    return tf_keras.Model(inputs, outputs)


def mean(scores: FloatArray) -> float:
    """Of every case that could be scored, over the leads that the prototype had."""
    return float(np.nanmean(scores[:, :LEADS]))


def score_table(scores: Mapping[str, Mapping[str, FloatArray]]) -> Table:
    table = Table("", *SCORES.values(), title=f"{SPLIT}, leads 1-{LEADS} h")
    for name, own in scores.items():
        table.add_row(name, *(f"{mean(own[score]):.4f}" for score in SCORES))
    return table


def station_table(
    scores: Mapping[str, Mapping[str, FloatArray]], windows: Windows, names: list[str]
) -> Table:
    stations = np.unique(windows.station).tolist()
    table = Table("T MAE by station", *(names[index] for index in stations))
    for name, own in scores.items():
        errors = own["temperature_mae"]
        table.add_row(name, *(f"{mean(errors[windows.station == index]):.3f}" for index in stations))
    return table


if __name__ == "__main__":
    sys.exit(main())
