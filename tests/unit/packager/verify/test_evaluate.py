"""An artifact is judged on held-out cases, in its worst precision, and only if all its numbers are finite."""

import json

import numpy as np
import pytest

from packager.contract import reference_contract
from packager.dataset import make_windows
from packager.dataset.records import Station
from packager.dataset.splits import HELD_OUT_STATIONS
from packager.errors import ArtifactRefused
from packager.runtimes import open_runtime
from packager.verify import evaluate
from packager.verify.evaluate import evaluate_artifact, manifest_figures
from packager.verify.skill import score_forecasts
from tests.tiny_tflite import build_tflite
from tests.unit.packager.dataset.small import make_dataset

CONTRACT = reference_contract()
SPLITS = ("unseen_station", "train")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    path.write_bytes(build_tflite(CONTRACT))
    return path


@pytest.fixture(scope="module")
def cases():
    stations = (
        Station(HELD_OUT_STATIONS[0], "Held out", 40.0, -105.0, 1600.0, "test", "actual"),
        Station("b", "Far away", 60.0, 10.0, 100.0, "test", "actual"),
    )
    dataset = make_dataset(24 * 10, stations=stations)
    return {split: make_windows(dataset, CONTRACT, stride=12, split=split) for split in SPLITS}


@pytest.fixture(scope="module")
def original(artifact, cases):
    runtime = open_runtime(artifact, "tflite")
    return {split: runtime.run(windows.inputs) for split, windows in cases.items()}


@pytest.fixture(scope="module")
def reference(original):
    """The teacher's outputs: those of the model itself."""
    return original


def evaluated(path, cases, original, reference, **changed):
    told = {
        "format": "tflite",
        "cases": cases,
        "original": original,
        "reference": reference,
        "stations": ("denver", "far away"),
        "contract": CONTRACT,
    }
    return evaluate_artifact(path, **told | changed)


class Disturbed:
    """A runtime whose outputs are changed on the way."""

    def __init__(self, runtime, change):
        self.runtime, self.change = runtime, change

    def run(self, inputs):
        return self.change({name: values.copy() for name, values in self.runtime.run(inputs).items()})

    def microseconds_per_inference(self, inputs):
        return 12.345


@pytest.fixture
def disturb(monkeypatch, artifact):
    """Open every runtime of `evaluate` disturbed, each precision in its own way."""

    def by_precision(**changes):
        def opened(path, format, *, precision="float32", contract=None):  # noqa: A002
            return Disturbed(open_runtime(artifact, "tflite", contract=contract), changes[precision])

        monkeypatch.setattr(evaluate, "open_runtime", opened)

    return by_precision


def test_the_model_itself_differs_from_itself_in_nothing(artifact, cases, original, reference):
    evaluation = evaluated(artifact, cases, original, reference)
    assert evaluation.skill_loss_percent == pytest.approx(0)
    assert evaluation.max_abs_difference == {spec.name: 0.0 for spec in CONTRACT.outputs}
    assert evaluation.scores == {
        "float32": {
            split: score_forecasts(outputs, cases[split].targets, CONTRACT, split=split)
            for split, outputs in reference.items()
        }
    }
    assert evaluation.microseconds_per_inference > 0


def test_another_model_is_as_far_away_as_its_worst_case(tmp_path, artifact, cases, original, reference):
    path = tmp_path / "other.tflite"
    path.write_bytes(build_tflite(CONTRACT, offset=3.0))
    evaluation = evaluated(path, cases, original, reference)
    assert evaluation.max_abs_difference["temperature"] == pytest.approx(3.0, abs=1e-3)
    assert evaluation.max_abs_difference["cloud_cover"] == pytest.approx(3.0, abs=1e-3)
    assert evaluation.skill_loss_percent > 10
    other = open_runtime(path, "tflite").run(cases["unseen_station"].inputs)
    scores = score_forecasts(other, cases["unseen_station"].targets, CONTRACT, split="unseen_station")
    assert evaluation.scores["float32"]["unseen_station"] == scores


def test_the_worst_precision_counts(disturb, artifact, cases, original, reference):
    def warmer(by):
        return lambda outputs: outputs | {"temperature": outputs["temperature"] + by}

    disturb(float32=warmer(0.25), float16=warmer(8.0))
    evaluation = evaluated(artifact, cases, original, reference, format="coreml")
    losses = evaluation.skill_loss_by_precision
    assert losses["float16"] > losses["float32"]
    assert evaluation.skill_loss_percent == losses["float16"]
    assert evaluation.max_abs_difference["temperature"] == pytest.approx(8.0, abs=1e-4)
    document = evaluation.to_dict()
    assert document["skill_loss_percent"] == round(losses["float16"], 3)
    assert document["scores"]["unseen_station"] == evaluation.scores["float32"]["unseen_station"].values


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_number_that_is_not_finite_refuses_the_artifact(
    disturb, artifact, cases, original, reference, broken
):
    def spoil(outputs):
        outputs["wind"][2, 5, 1] = broken
        return outputs

    disturb(float32=spoil)
    count = len(cases["unseen_station"])
    message = f"run in float32, gives wind that is not finite in 1 of {count} cases of unseen_station"
    with pytest.raises(ArtifactRefused, match=message):
        evaluated(artifact, cases, original, reference)


def test_it_can_be_written_down(artifact, cases, original, reference):
    document = evaluated(artifact, cases, original, reference).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["scored_cases"] == {split: len(windows) for split, windows in cases.items()}
    assert set(document["scores"]) == set(SPLITS)
    assert document["scores"]["unseen_station"]["temperature"]["1-24"] > 0


def test_the_loss_is_looked_at_in_depth_on_every_split(tmp_path, cases, original, reference):
    path = tmp_path / "other.tflite"
    path.write_bytes(build_tflite(CONTRACT, offset=3.0))
    evaluation = evaluated(path, cases, original, reference)
    document = evaluation.to_dict()
    depth = document["depth"]["unseen_station"]
    assert set(document["depth"]) == set(SPLITS)
    assert depth["loss_percent"] == pytest.approx(document["skill_loss_percent"], abs=2e-3)
    assert set(depth["stations"]) == {"denver"}
    assert set(document["depth"]["train"]["stations"]) == {"far away"}
    assert depth["stations"]["denver"]["loss_percent"] == pytest.approx(depth["loss_percent"])
    assert set(depth["buckets"]) == {"1-6", "7-12", "13-24", "25-48"}
    assert set(depth["reliability"]) == {"artifact", "teacher"}
    low, high = document["loss"]["interval"]
    assert low <= depth["loss_percent"] <= high
    assert document["loss"]["station"] == ["denver", depth["stations"]["denver"]["loss_percent"]]
    assert document["mean_abs_difference"]["temperature"] == pytest.approx(3.0, abs=1e-3)
    assert document["peak_memory_kib"] is None or document["peak_memory_kib"] > 0


def test_a_manifest_gets_few_figures_and_none_that_differs_from_run_to_run(
    artifact, cases, original, reference
):
    facts = evaluated(artifact, cases, original, reference).to_dict()
    figures = manifest_figures(facts)
    assert set(facts) - set(figures) == {
        "microseconds_per_inference", "peak_memory_kib", "mean_abs_difference", "depth"
    }  # fmt: skip
    assert len(json.dumps(figures["loss"])) < 300


def test_what_cannot_be_run_is_refused(tmp_path, cases, original, reference):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"not a model")
    with pytest.raises(ArtifactRefused, match=r"model\.tflite is not a TFLite model"):
        evaluated(path, cases, original, reference)
