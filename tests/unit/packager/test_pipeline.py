"""Stages in order: what they depend on and what they refuse, without training anything."""

import json
import re

import numpy as np
import pytest

from packager import pipeline as module
from packager.contract import reference_contract
from packager.errors import ConversionFailed, GateFailed, TrainingFailed, UnknownRecipe
from packager.pipeline import Pipeline, artifact_name, build_variant
from packager.recipes import Profile, get_recipe
from packager.stages import evenly
from packager.workspace import Stage
from tests.factories import weather_windows
from tests.small_dataset import HELD_OUT, STATIONS, write_small_dataset

PROFILE = Profile("tiny", stride=24, members=1, teacher_epochs=1, student_epochs=1, scored_cases=10)
RECIPE = get_recipe("tflite_w8a8")


@pytest.fixture(scope="module")
def dataset_file(tmp_path_factory):
    return write_small_dataset(tmp_path_factory.mktemp("dataset") / "small.parquet")


@pytest.fixture
def pipeline(tmp_path, dataset_file):
    return Pipeline(tmp_path, PROFILE, dataset_file=dataset_file)


def test_the_small_dataset_fills_every_split(pipeline):
    facts = pipeline.data().facts
    assert set(facts["windows"]) == {"train", "early_stopping", "unseen_station", "unseen_period"}
    assert min(facts["windows"].values()) > 10
    assert facts["rows"] == len(pipeline.dataset) == 3 * 8760 - facts["quality"].get("rows_dropped", 0)
    assert {station.id for station in pipeline.dataset.stations} == set(STATIONS)


def test_data_is_checked_once_and_again_for_another_stride(pipeline, dataset_file):
    first = pipeline.data()
    same = Pipeline(pipeline.work, PROFILE, dataset_file=dataset_file).data()
    assert (first.cached, same.cached) == (False, True)
    assert same.facts == first.facts
    other = Profile("other", stride=12, members=1, teacher_epochs=1, student_epochs=1, scored_cases=10)
    finer = Pipeline(pipeline.work, other, dataset_file=dataset_file).data()
    assert not finer.cached
    assert finer.facts["windows"]["train"] > first.facts["windows"]["train"]


def test_another_dataset_is_another_stage(pipeline, tmp_path):
    first = pipeline.data()
    two = write_small_dataset(tmp_path / "two.parquet", (STATIONS[0], HELD_OUT))
    assert Pipeline(pipeline.work, PROFILE, dataset_file=two).data().key != first.key


@pytest.mark.parametrize(
    ("stations", "split", "held_out"),
    [(STATIONS[:1], "unseen_station", "none"), ((HELD_OUT,), "train", HELD_OUT)],
    ids=["seen", "held out"],
)
def test_a_dataset_that_leaves_a_split_empty_is_refused_by_its_name(tmp_path, stations, split, held_out):
    path = write_small_dataset(tmp_path / "short.parquet", stations)
    pipeline = Pipeline(tmp_path / "work", PROFILE, dataset_file=path)
    with pytest.raises(
        TrainingFailed, match=f"gives 0 windows of {split}; .* Of its 1 stations {held_out} are held out"
    ):
        pipeline.data()
    assert list((tmp_path / "work" / "dataset").iterdir()) == []


def test_baselines_are_scored_on_both_held_out_splits(pipeline):
    stage = pipeline.baselines()
    assert set(stage.facts) == {"climatology", "persistence", "same_hour_yesterday", "ridge"}
    for scores in stage.facts.values():
        assert set(scores) == {"unseen_station", "unseen_period"}
        for split, held_out in pipeline.held_out.items():
            assert scores[split]["cases"] == len(held_out)
            assert 0 < scores[split]["values"]["temperature_mae"]["1-24"] < 50
    repeated = stage.facts["same_hour_yesterday"]["unseen_station"]["values"]["temperature_mae"]
    latest = stage.facts["persistence"]["unseen_station"]["values"]["temperature_mae"]
    assert repeated["13-24"] < latest["13-24"]
    json.dumps(dict(stage.facts), allow_nan=False)


def test_scored_cases_are_spread_over_the_held_out_ones(pipeline):
    windows = weather_windows(reference_contract(), count=41)
    np.testing.assert_array_equal(evenly(windows, 5).init_hour - 400_000, [0, 10, 20, 30, 40])
    assert evenly(windows, 41) is windows
    assert {len(windows) for windows in pipeline.cases.values()} == {10}


def test_artifacts_are_named_by_format():
    assert artifact_name(get_recipe("tflite_fp16")) == "model.tflite"
    assert artifact_name(get_recipe("coreml_pal4")) == "model.mlpackage"


class Finished:
    """A pipeline whose last stages are given, for the decisions after them."""

    def __init__(self, monkeypatch, pipeline, *, loss=1.0, wire=10_000, student_loss=0.5):
        def stage(name, facts):
            return Stage(name, "0" * 64, pipeline.work / name, facts, 1.0, cached=True)

        facts = {"skill_loss_percent": loss, "microseconds_per_inference": 9.5}
        bundle = {"sha256": "1" * 64, "bytes": 20_000, "bytes_on_wire": wire}
        monkeypatch.setattr(Pipeline, "evaluation", lambda self, recipe: stage("evaluation", facts))
        monkeypatch.setattr(Pipeline, "student_loss_percent", lambda self, recipe: student_loss)
        monkeypatch.setattr(Pipeline, "bundle_stage", lambda self, recipe: stage("bundle", bundle))


def test_a_variant_inside_its_limits_is_bundled(monkeypatch, pipeline):
    Finished(monkeypatch, pipeline)
    assert pipeline.bundle(RECIPE).facts["bytes_on_wire"] == 10_000
    report = pipeline.report(RECIPE)
    assert report["bundled"]
    assert report["path"].endswith("tflite_w8a8.bundle")
    assert report["skill_loss_percent"] == 1.0


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"loss": 6.25}, "tflite_w8a8: Skill loss in percent is 6.25, the limit is 5.00"),
        ({"wire": 210_000}, "tflite_w8a8: Size on the wire in KiB is 205.08, the limit is 200.00"),
    ],
)
def test_a_variant_outside_its_limits_is_reported_and_not_bundled(monkeypatch, pipeline, figures, message):
    Finished(monkeypatch, pipeline, **figures)
    with pytest.raises(GateFailed, match=re.escape(message)):
        pipeline.bundle(RECIPE)
    report = pipeline.report(RECIPE)
    assert (report["bundled"], report["path"]) == (False, None)
    assert report["reason"].startswith(message)
    assert report["bytes"] == 20_000


def test_a_refusal_blames_the_student_where_the_student_alone_is_too_bad(monkeypatch, pipeline):
    Finished(monkeypatch, pipeline, loss=6.25, student_loss=5.5)
    assert "The student lost 5.50 % before any step" in pipeline.report(RECIPE)["reason"]


def test_a_failed_conversion_is_reported_with_its_reason(monkeypatch, pipeline):
    def fail(self, recipe):
        raise ConversionFailed("the converter died of SIGKILL")

    monkeypatch.setattr(Pipeline, "evaluation", fail)
    report = pipeline.report(RECIPE)
    assert not report["bundled"]
    assert report["reason"] == "the converter died of SIGKILL"


def test_a_build_tells_how_far_the_whole_is(monkeypatch, tmp_path):
    seen = []

    def bundle(self, recipe):
        for stage, fraction in [("dataset", 0.5), ("teacher", 0.0), ("teacher", 1.0), (recipe.name, 1.0)]:
            self.progress(stage, fraction, "at work")
        return Stage("bundle", "0" * 64, tmp_path, {}, 1.0, cached=False)

    monkeypatch.setattr(module.Pipeline, "bundle", bundle)
    path = build_variant("tflite_fp16", work=tmp_path, progress=lambda *told: seen.append(told))
    assert path == tmp_path / "tflite_fp16.bundle"
    fractions = [fraction for _, fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert 0 < fractions[0] < 0.05


def test_an_unknown_recipe_is_refused_before_any_work(tmp_path):
    with pytest.raises(UnknownRecipe, match="choose one of"):
        build_variant("tflite_w2", work=tmp_path)
    assert list(tmp_path.iterdir()) == []
