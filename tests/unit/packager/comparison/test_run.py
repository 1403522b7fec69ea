"""Whatever one recipe does wrong is a row; what was found so far is on disk after each."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from packager.comparison.peers import PEERS
from packager.comparison.run import Comparison
from packager.comparison.side import ComparisonPipeline
from packager.errors import ConversionFailed, TrainingFailed
from packager.recipes import Profile, get_recipe
from packager.stages import no_progress
from packager.workspace import Stage
from tests.small_dataset import write_small_dataset

PROFILE = Profile("tiny", stride=24, members=1, teacher_epochs=1, student_epochs=1, scored_cases=10)
RECIPES = [get_recipe("tflite_w8a8"), get_recipe("coreml_pal4"), get_recipe("tflite_fp16")]
PEER = PEERS["stock_litert_static_member"]


def stage(name, facts, seconds=1.0, key="0"):
    return Stage(name, key * 64, Path("/nowhere"), facts, seconds, cached=True)


@pytest.fixture(scope="module")
def dataset_file(tmp_path_factory):
    return write_small_dataset(tmp_path_factory.mktemp("dataset") / "small.parquet")


class Pretended(ComparisonPipeline):
    """A pipeline whose recipes report what the test says."""

    reports: ClassVar[dict] = {}

    def teacher(self):
        return stage("teacher", {"parameters": 250_000})

    def references(self):
        return stage("references", {})

    def report(self, recipe):
        shared, own = stage("teacher", {}, 500.0, "1"), stage("variant", {}, 2.0, "2")
        # The same stage is asked for more than once.
        self.finished.extend([shared, own, stage("evaluation", {}, 3.0, "3"), own])
        found = self.reports[recipe.name]
        if isinstance(found, Exception):
            raise found
        return found

    def model(self, recipe):
        raise ConversionFailed("There is no model here.")


@pytest.fixture
def comparison(tmp_path, dataset_file):
    pipeline = Pretended(tmp_path / "work", PROFILE, dataset_file=dataset_file)
    return Comparison(pipeline, tmp_path / "out")


def good(loss=0.5, wire=40_000):
    return {
        "bundled": True,
        "reason": "",
        "bytes": 2 * wire,
        "bytes_on_wire": wire,
        "skill_loss_percent": loss,
    }


def listed(comparison):
    return list(csv.DictReader((comparison.out / "results.csv").read_text().splitlines()))


def test_a_recipe_that_fails_is_a_row_and_the_next_one_runs(comparison):
    Pretended.reports = {
        "tflite_w8a8": ConversionFailed("Conversion died of SIGKILL:\nlast words"),
        "coreml_pal4": ValueError("a stock tool's own"),
        "tflite_fp16": good(),
    }
    rows = comparison.run(RECIPES, no_progress)
    assert [row.verdict for row in rows] == ["failed", "failed", "passed"]
    assert rows[0].reason == "Conversion died of SIGKILL: last words"
    assert rows[1].reason == "ValueError: a stock tool's own. See coreml_pal4.log."
    assert "ValueError" in (comparison.out / "coreml_pal4.log").read_text()
    assert [row["verdict"] for row in listed(comparison)] == ["failed", "failed", "passed"]


def test_a_refused_recipe_keeps_its_figures_and_its_reason(comparison):
    Pretended.reports = {"tflite_fp16": good(loss=9.0) | {"bundled": False, "reason": "Skill loss is 9."}}
    (row,) = comparison.run(RECIPES[2:], no_progress)
    assert (row.verdict, row.reason, row.skill_loss_percent) == ("refused", "Skill loss is 9.", 9.0)


def test_what_was_found_is_on_disk_after_every_recipe(comparison):
    Pretended.reports = {"tflite_w8a8": good()}

    def stopping(recipe, report=comparison.pipeline.report):
        if recipe.name == "coreml_pal4":
            raise KeyboardInterrupt
        return report(recipe)

    comparison.pipeline.report = stopping
    with pytest.raises(KeyboardInterrupt):
        comparison.run(RECIPES, no_progress)
    assert [row["recipe"] for row in listed(comparison)] == ["tflite_w8a8"]
    assert "tflite_w8a8" in (comparison.out / "index.html").read_text()


def test_seconds_are_those_of_a_recipes_own_stages(comparison):
    Pretended.reports = {"tflite_fp16": good()}
    (row,) = comparison.run(RECIPES[2:], no_progress)
    assert row.seconds == 5.0


def test_peers_are_told_from_recipes(comparison):
    Pretended.reports = {"tflite_fp16": good(), PEER.name: good(loss=4.0, wire=300_000)}
    rows = comparison.run([*RECIPES[2:], PEER.recipe], no_progress)
    assert [row.kind for row in rows] == ["recipe", "peer"]
    assert "LiteRT quantizer" in rows[1].summary
    assert any(goal.reached for goal in comparison.goals())


def test_without_a_teacher_there_is_no_comparison(comparison, monkeypatch):
    def fail(self):
        raise TrainingFailed("The dataset is too small.")

    monkeypatch.setattr(Pretended, "teacher", fail)
    with pytest.raises(TrainingFailed):
        comparison.run(RECIPES, no_progress)
    assert not comparison.out.exists()


def test_a_peer_of_a_member_needs_a_teacher_with_members(tmp_path, monkeypatch, dataset_file):
    pipeline = ComparisonPipeline(tmp_path, PROFILE, dataset_file=dataset_file)
    taught = stage("teacher", {})
    monkeypatch.setattr(ComparisonPipeline, "teacher", lambda self: taught)
    with pytest.raises(ConversionFailed, match="came from elsewhere and has no members"):
        pipeline.model(PEER.recipe)
    taught = replace(taught, inputs={"members": ["1" * 64]})
    with pytest.raises(ConversionFailed, match="no longer in the workspace"):
        pipeline.model(PEER.recipe)
