"""What a manifest says of how a bundle was made."""

from importlib.metadata import version

import pytest

from packager.bundle import open_bundle
from packager.bundling import ENGINE_MIN, TOLERANCES, TOOLCHAIN, engine_min, make_bundle
from packager.contract import reference_contract
from packager.errors import ArtifactRefused
from packager.recipes import get_recipe, parse_recipe
from packager.runtimes import FORMATS
from packager.verify.artifact import verify_bundle
from tests.factories import weather_windows
from tests.tiny_tflite import build_tflite
from tests.unit.packager.dataset.small import make_dataset

CONTRACT = reference_contract()
RECIPE = get_recipe("tflite_w8a8")
BUCKETS = {"1-6": 1.0, "7-12": 1.23456, "13-24": 2.0, "25-48": 3.0, "1-24": 1.5, "1-48": None}
REFERENCES = {
    "teacher": {"unseen_station": {"temperature": BUCKETS}, "unseen_period": {"temperature": BUCKETS}}
}
EVALUATION = {"skill_loss_percent": 1.5, "scores": {"unseen_station": {"temperature": {"1-48": 1.25}}}}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    path.write_bytes(build_tflite(CONTRACT))
    return path


def bundled(path, artifact, **changed):
    told = {
        "recipe": RECIPE,
        "artifact": artifact,
        "quantization": {"scheme": "w8a8"},
        "evaluation": EVALUATION,
        "references": REFERENCES,
        "windows": weather_windows(CONTRACT),
        "dataset": make_dataset(),
        "counts": {"train": 30, "unseen_station": 10},
        "contract": CONTRACT,
        "teacher": "5" * 64,
    }
    return make_bundle(path, **told | changed)


def test_every_output_has_a_tolerance_and_every_format_an_engine():
    assert set(TOLERANCES) == {spec.name for spec in CONTRACT.outputs}
    assert set(ENGINE_MIN) == set(TOOLCHAIN) == set(FORMATS)


def test_the_engine_is_as_new_as_the_exporter_aimed_at():
    assert engine_min("coreml", {"minimum_deployment_target": "iOS18"}) == {"ios": "18.0"}
    assert engine_min("coreml", {"minimum_deployment_target": "iOS16"}) == {"ios": "16.0"}
    assert engine_min("tflite", {"scheme": "w8a8"}) == ENGINE_MIN["tflite"]


@pytest.mark.parametrize("name", sorted({name for names in TOOLCHAIN.values() for name in names}))
def test_every_tool_that_a_manifest_names_is_installed(name):
    assert version(name)


def test_a_bundle_is_verified_and_says_how_it_was_made(tmp_path, artifact):
    path = tmp_path / "tflite_w8a8.bundle"
    facts = bundled(path, artifact)
    report = verify_bundle(path)
    assert (facts["sha256"], facts["bytes"], facts["bytes_on_wire"]) == (
        report.sha256,
        path.stat().st_size,
        report.wire_size,
    )
    manifest = open_bundle(path).manifest
    assert (manifest["name"], manifest["variant"], manifest["format"]) == ("point", "tflite_w8a8", "tflite")
    assert manifest["recipe"] == {
        "name": "tflite_w8a8",
        "digest": RECIPE.digest,
        "steps": [{"distil": {}}, {"export": {"format": "tflite", "quantization": "w8a8"}}],
    }
    assert {key: manifest["scores"][key] for key in EVALUATION} == EVALUATION
    assert manifest["quantization"] == {"scheme": "w8a8"}
    assert manifest["provenance"]["dataset"]["sha256"] == "0" * 64
    assert manifest["provenance"]["dataset"]["sources"] == ["test"]
    assert manifest["provenance"]["teacher"] == "5" * 64
    assert manifest["provenance"]["toolchain"]["tensorflow"] == version("tensorflow")
    assert manifest["sizes"] == {"artifact": artifact.stat().st_size}


def test_the_same_inputs_give_the_same_bytes(tmp_path, artifact):
    first, second = bundled(tmp_path / "a", artifact), bundled(tmp_path / "b", artifact)
    assert first == second
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    other = bundled(tmp_path / "c", artifact, teacher="6" * 64)
    assert other["sha256"] != first["sha256"]


def test_a_servers_bundle_was_not_distilled(tmp_path, artifact):
    document = dict(RECIPE.document) | {"name": "server_int8", "source": "teacher"}
    bundled(tmp_path / "server", artifact, recipe=parse_recipe(document))
    assert open_bundle(tmp_path / "server").manifest["recipe"]["steps"] == [
        {"export": {"format": "tflite", "quantization": "w8a8"}}
    ]


def test_an_artifact_that_does_not_run_makes_no_bundle(tmp_path):
    broken = tmp_path / "model.tflite"
    broken.write_bytes(b"not a model")
    with pytest.raises(ArtifactRefused):
        bundled(tmp_path / "bundle", broken)
    assert not (tmp_path / "bundle").exists()


def test_a_manifest_says_which_devices_the_recipe_is_for(tmp_path, artifact):
    recipe = parse_recipe({**RECIPE.document, "targeting": {"ram_min_mb": 2048}})
    bundled(tmp_path / "for_some.bundle", artifact, recipe=recipe)
    bundled(tmp_path / "for_all.bundle", artifact)
    assert open_bundle(tmp_path / "for_some.bundle").manifest["targeting"] == {"ram_min_mb": 2048}
    assert "targeting" not in open_bundle(tmp_path / "for_all.bundle").manifest


def test_a_manifest_holds_what_else_was_scored_on_the_same_cases(tmp_path, artifact):
    bundled(tmp_path / "one.bundle", artifact)
    references = open_bundle(tmp_path / "one.bundle").manifest["scores"]["references"]
    scores = references["unseen_station"]["teacher"]["temperature"]
    assert scores == {"1-6": 1.0, "7-12": 1.23, "13-24": 2.0, "25-48": 3.0, "1-48": None}
    assert set(references) == {"unseen_station"}


def test_figures_are_rounded_and_counts_are_not(tmp_path, artifact):
    scores = {
        "unseen_station": {
            "pressure_msl": {"1-48": 1013.2468, "1-6": 1013.2468},
            "precipitation": {"1-48": 0.000123456},
        }
    }
    bundled(tmp_path / "one.bundle", artifact, evaluation=EVALUATION | {"scores": scores, "cases": 123456})
    held = open_bundle(tmp_path / "one.bundle").manifest["scores"]
    assert held["scores"]["unseen_station"]["pressure_msl"] == {"1-48": 1013, "1-6": 1010}
    assert held["scores"]["unseen_station"]["precipitation"]["1-48"] == 0.0001235
    assert held["cases"] == 123456


def test_a_manifest_counts_its_data(tmp_path, artifact):
    bundled(tmp_path / "one.bundle", artifact)
    told, dataset = open_bundle(tmp_path / "one.bundle").manifest["provenance"]["dataset"], make_dataset()
    assert (told["stations"], told["hours"]) == (len(dataset.stations), len(dataset))
    assert told["windows"] == {"train": 30, "unseen_station": 10}
    assert set(told["precipitation_labels"]) == {"weather_code", "wet_bulb"}


def test_a_retrained_bundle_asks_the_released_questions_and_names_its_base(tmp_path, artifact):
    bundled(tmp_path / "first.bundle", artifact)
    released = open_bundle(tmp_path / "first.bundle")
    moved = tmp_path / "moved" / "model.tflite"
    moved.parent.mkdir()
    moved.write_bytes(build_tflite(CONTRACT, offset=0.01))
    # Other windows to choose from: a bundle made from scratch would ask about others.
    windows = weather_windows(CONTRACT, count=20)
    bundled(tmp_path / "next.bundle", moved, released=released, mode="light", windows=windows)
    retrained = open_bundle(tmp_path / "next.bundle")
    assert retrained.golden["inputs"] == released.golden["inputs"]
    assert retrained.manifest["provenance"]["base"] == {"sha256": released.sha256, "mode": "light"}
    assert "base" not in released.manifest["provenance"]
    verify_bundle(tmp_path / "next.bundle")


def test_a_bundle_for_a_region_holds_only_what_the_gate_reads_and_answers_at_one_lead(tmp_path, artifact):
    evaluation = EVALUATION | {
        "loss": {"interval": [1.0, 2.0]},
        "scores": {
            "unseen_station": {"temperature": BUCKETS, "temperature_mae": BUCKETS},
            "unseen_period": {"temperature": BUCKETS},
        },
    }
    bundled(tmp_path / "all.bundle", artifact, evaluation=evaluation)
    released = open_bundle(tmp_path / "all.bundle")
    region = {"stations": ["a"]}
    bundled(
        tmp_path / "one.bundle",
        artifact,
        evaluation=evaluation,
        released=released,
        mode="biases",
        region=region,
    )
    one = open_bundle(tmp_path / "one.bundle")
    assert {split: list(scores) for split, scores in one.manifest["scores"]["scores"].items()} == {
        "unseen_station": ["temperature"]
    }
    assert "loss" not in one.manifest["scores"]
    assert one.manifest["scores"]["skill_loss_percent"] == 1.5
    assert one.manifest["provenance"]["base"]["region"] == region
    assert (one.golden["leads"], one.golden["inputs"]) == ([24], released.golden["inputs"])
    verify_bundle(tmp_path / "one.bundle")
