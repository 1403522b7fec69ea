"""The packager's stages end to end, with little data and next to no training: real artifacts, really run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from packager.bundle import open_bundle
from packager.dataset.errors import DatasetColumnsWrong
from packager.errors import GateFailed
from packager.export import isolated
from packager.pipeline import Pipeline
from packager.recipes import Profile, parse_recipe
from packager.verify.artifact import verify_bundle
from tests.small_dataset import write_small_dataset

ROOT = Path(__file__).parents[2]
SIZES = (("channels", 16), ("context", 32), ("per_lead", 4), ("linear", 8), ("hidden", (32, 32)))
PROFILE = Profile(
    "tiny",
    stride=12,
    members=1,
    teacher_epochs=1,
    student_epochs=1,
    scored_cases=24,
    teacher=SIZES,
    student=SIZES,
)
EXPORTS = {
    "tflite_w8a8": ("student", {"format": "tflite", "quantization": "w8a8"}),
    "coreml_pal4": ("student", {"format": "coreml", "weights": "pal4"}),
    "server_fp32": ("teacher", {"format": "tflite", "quantization": "fp32", "batch": "any"}),
}
TRAINED = ("dataset", "member-0", "teacher", "student")


def recipe(name, limit=1000.0):
    source, export = EXPORTS[name]
    gates = {"max_skill_loss_percent": limit, "reason": "A test trains next to nothing."}
    return parse_recipe(
        {
            "name": name,
            "summary": "A variant made for a test.",
            "source": source,
            "export": export,
            "gates": gates,
            **({"tier": "server"} if source == "teacher" else {}),
        }
    )


def make(work, dataset_file):
    return Pipeline(work, PROFILE, dataset_file=dataset_file)


@pytest.fixture(scope="session")
def small_dataset_file(tmp_path_factory):
    return write_small_dataset(tmp_path_factory.mktemp("dataset") / "small.parquet")


@pytest.fixture(scope="session")
def built(tmp_path_factory, small_dataset_file):
    """The workspace of a pipeline that built every recipe, and the bundles."""
    pipeline = make(tmp_path_factory.mktemp("pipeline"), small_dataset_file)
    return pipeline, {name: pipeline.bundle(recipe(name)).folder / f"{name}.bundle" for name in EXPORTS}


@pytest.mark.parametrize("name", EXPORTS)
def test_every_bundle_is_verified_by_running_it(built, name):
    pipeline, bundles = built
    report = verify_bundle(bundles[name])
    assert (report.variant, report.golden_cases) == (name, 16)
    manifest = open_bundle(bundles[name]).manifest
    facts = pipeline.evaluation(recipe(name)).facts
    # Four digits in a manifest: more is noise, and bytes.
    assert manifest["scores"]["skill_loss_percent"] == pytest.approx(facts["skill_loss_percent"], rel=1e-3)
    assert "microseconds_per_inference" not in manifest["scores"]
    assert manifest["provenance"]["dataset"]["sha256"] == pipeline.raw_dataset.digest
    assert manifest["provenance"]["teacher"] == pipeline.teacher().key
    assert set(facts["scores"]) == {"unseen_station", "unseen_period"}
    if manifest["format"] == "tflite":
        assert facts["microseconds_per_inference"] > 0


def test_artifacts_compute_what_their_model_computes(built):
    pipeline, _ = built
    server = pipeline.evaluation(recipe("server_fp32")).facts
    assert server["max_abs_difference"]["temperature"] < 1e-3
    assert abs(server["skill_loss_percent"]) < 0.01
    for name, limit in (("tflite_w8a8", 1.0), ("coreml_pal4", 3.0)):
        difference = pipeline.evaluation(recipe(name)).facts["max_abs_difference"]["temperature"]
        assert 1e-4 < difference < limit


def test_the_precision_of_core_ml_that_loses_more_is_the_one_that_counts(built):
    facts = built[0].evaluation(recipe("coreml_pal4")).facts
    by_precision = facts["skill_loss_by_precision"]
    assert set(by_precision) == {"float32", "float16"}
    assert facts["skill_loss_percent"] == max(by_precision.values())


def test_a_second_run_finds_everything_done(built, small_dataset_file):
    pipeline, bundles = built
    again = make(pipeline.work, small_dataset_file)
    for name, path in bundles.items():
        assert again.bundle(recipe(name)).folder / f"{name}.bundle" == path
    assert {stage.name for stage in again.finished} >= {*TRAINED, "variant", "evaluation", "bundle"}
    assert all(stage.cached for stage in again.finished)


def test_a_gate_that_is_missed_says_figure_and_limit_and_converts_nothing_again(built, monkeypatch):
    pipeline, _ = built
    monkeypatch.setattr(isolated, "convert", None)
    loss = pipeline.evaluation(recipe("server_fp32")).facts["skill_loss_percent"]
    with pytest.raises(GateFailed, match=f"Skill loss in percent is {loss:.2f}, the limit is -5.00"):
        pipeline.bundle(recipe("server_fp32", limit=-5.0))
    report = pipeline.report(recipe("server_fp32", limit=-5.0))
    assert not report["bundled"]
    assert report["skill_loss_percent"] == loss


SECOND_RUN = """
import json, sys
from pathlib import Path
from tests.integration.test_pipeline import make, recipe

pipeline = make(Path(sys.argv[1]), Path(sys.argv[2]))
stages = [pipeline.bundle(recipe(name)) for name in sys.argv[3:]]
print(json.dumps({
    "sha256": [stage.facts["sha256"] for stage in stages],
    "done again": sorted({stage.name for stage in pipeline.finished if not stage.cached}),
}))
"""


def test_another_process_makes_the_same_bytes_from_the_same_training(built, small_dataset_file, tmp_path):
    pipeline, bundles = built
    names = ["tflite_w8a8", "coreml_pal4"]
    for name in TRAINED:
        shutil.copytree(pipeline.work / name, tmp_path / name)
    run = subprocess.run(
        [sys.executable, "-c", SECOND_RUN, str(tmp_path), str(small_dataset_file), *names],
        cwd=ROOT,
        # Another order of every set and dictionary of strings.
        env=os.environ | {"PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout.splitlines()[-1])
    assert said["done again"] == ["bundle", "evaluation", "references", "variant"]
    assert said["sha256"] == [open_bundle(bundles[name]).sha256 for name in names]


def test_an_output_that_nothing_teaches_is_named(small_dataset_file, tmp_path, built):
    assert built[0].data().facts["outputs_without_targets"] == []
    path = tmp_path / "mine.parquet"
    table = pq.read_table(small_dataset_file)
    for name in ("cloud_base", "visibility"):
        index = table.column_names.index(name)
        table = table.set_column(index, table.schema.field(name), pa.nulls(len(table), pa.int16()))
    pq.write_table(table, path)
    assert make(tmp_path / "work", path).data().facts["outputs_without_targets"] == ["cloud_base"]


def test_a_dataset_file_with_wrong_columns_is_refused_by_their_names(small_dataset_file, tmp_path):
    path = tmp_path / "mine.parquet"
    table = pq.read_table(small_dataset_file)
    names = ["temp" if name == "temperature" else name for name in table.column_names]
    pq.write_table(table.rename_columns(names), path)
    pipeline = make(tmp_path / "work", path)
    with pytest.raises(DatasetColumnsWrong, match=r"Missing: temperature\. Not known: temp\."):
        pipeline.data()
    assert not (tmp_path / "work").exists()
