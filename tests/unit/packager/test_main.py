"""The command line, as a new user types it."""

import json

import pytest

from packager.__main__ import main
from packager.recipes import recipe_names
from tests.factories import build_bundle


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "point.bundle"
    build_bundle(path)
    return path


def test_recipes_lists_every_name_with_its_limits(capsys):
    assert main(["recipes"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in recipe_names())
    assert "200 KiB on the wire, 5.0 % skill loss" in said


def test_recipes_as_json_are_the_documents(capsys):
    assert main(["recipes", "--json"]) == 0
    assert [recipe["name"] for recipe in json.loads(capsys.readouterr().out)] == recipe_names()


def test_an_unknown_recipe_is_refused_with_the_known_ones(capsys, tmp_path):
    assert main(["package", "tflite_w4a4", "--work", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(
        "packager: Recipe 'tflite_w4a4' is not known; choose one of coreml_fp16"
    )


def test_an_unknown_profile_is_refused_with_the_known_ones(capsys, tmp_path):
    assert main(["train", "--profile", "huge", "--work", str(tmp_path)]) == 2
    assert "Profile 'huge' is not known; choose one of demo, full." in capsys.readouterr().err


def test_a_command_is_required(capsys):
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "COMMAND" not in capsys.readouterr().out


def test_verify_says_what_it_replayed(bundle, capsys):
    assert main(["verify", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("point.bundle: good.")
    assert "16 golden cases replayed in float32" in said


def test_verify_as_json(bundle, capsys):
    assert main(["verify", "--json", str(bundle)]) == 0
    assert json.loads(capsys.readouterr().out)["golden_cases"] >= 16


def test_verify_refuses_one_flipped_byte(bundle, capsys):
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    assert main(["verify", str(bundle)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "'golden.json' is damaged" in said.err


def test_inspect_shows_what_a_bundle_is_without_running_it(bundle, capsys):
    assert main(["inspect", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert "skyfold-point version 1" in said
    assert "golden.json" in said


def test_inspect_of_a_missing_file_is_one_sentence(tmp_path, capsys):
    assert main(["inspect", str(tmp_path / "nothing.bundle")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
