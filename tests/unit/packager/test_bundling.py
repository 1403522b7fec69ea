"""What a manifest says of how a bundle was made."""

from importlib.metadata import version

import pytest

from packager.bundle import open_bundle
from packager.bundling import ENGINE_MIN, TOLERANCES, TOOLCHAIN, make_bundle
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
        "windows": weather_windows(CONTRACT),
        "dataset": make_dataset(),
        "contract": CONTRACT,
        "teacher": "5" * 64,
    }
    return make_bundle(path, **told | changed)


def test_every_output_has_a_tolerance_and_every_format_an_engine():
    assert set(TOLERANCES) == {spec.name for spec in CONTRACT.outputs}
    assert set(ENGINE_MIN) == set(TOOLCHAIN) == set(FORMATS)


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
    assert manifest["scores"] == EVALUATION
    assert manifest["quantization"] == {"scheme": "w8a8"}
    assert manifest["provenance"]["dataset"] == {"sha256": "0" * 64, "sources": ["test"]}
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
