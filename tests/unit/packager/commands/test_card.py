"""The command that writes cards: of a bundle, a release and a recipe, and what it refuses."""

import json
from types import SimpleNamespace

import pytest

from packager.__main__ import main
from packager.bundle import open_bundle
from packager.details.stage import DetailsPipeline
from tests.factories import build_bundle
from tests.unit.packager.report.details import details


@pytest.fixture
def bundles(tmp_path):
    folder = tmp_path / "bundles"
    folder.mkdir()
    for index, variant in enumerate(("tflite_fp16", "tflite_w8a8")):
        build_bundle(folder / f"{variant}.bundle", variant=variant, offset=float(index))
    return folder


@pytest.fixture
def card(tmp_path, capsys):
    """Run the command; gives its exit code and what it said."""

    def run(*arguments):
        code = main(["card", *map(str, arguments), "--out", str(tmp_path / "cards")])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def keep_details(folder, bundle):
    """What an earlier run would have left beside the cards, of the very bytes of a bundle."""
    folder.mkdir(exist_ok=True)
    own = details() | {"bundle": details()["bundle"] | {"sha256": open_bundle(bundle).sha256}}
    (folder / f"{bundle.stem}.json").write_text(json.dumps(own))


def test_a_bundle_alone_gives_a_card_that_says_what_is_missing(card, bundles, tmp_path):
    code, said, _ = card(bundles / "tflite_fp16.bundle")
    assert (code, said.strip()) == (0, str(tmp_path / "cards/tflite_fp16.html"))
    assert b"python -m packager card tflite_fp16" in (tmp_path / "cards/tflite_fp16.html").read_bytes()


def test_details_of_the_same_bytes_are_found_again(card, bundles, tmp_path):
    keep_details(tmp_path / "cards", bundles / "tflite_fp16.bundle")
    card(bundles / "tflite_fp16.bundle")
    assert b"What it forecasts from" in (tmp_path / "cards/tflite_fp16.html").read_bytes()


def test_details_of_other_bytes_are_not_shown(card, bundles, tmp_path):
    keep_details(tmp_path / "cards", bundles / "tflite_fp16.bundle")
    build_bundle(bundles / "tflite_fp16.bundle", variant="tflite_fp16", offset=3.0)
    card(bundles / "tflite_fp16.bundle")
    assert b"What it forecasts from" not in (tmp_path / "cards/tflite_fp16.html").read_bytes()


def test_a_release_is_one_file_with_the_details_that_are_known(card, bundles, tmp_path):
    keep_details(tmp_path / "cards", bundles / "tflite_w8a8.bundle")
    code, said, _ = card("--release", bundles)
    assert (code, said.strip()) == (0, str(tmp_path / "cards/release-bundles.html"))
    page = (tmp_path / "cards/release-bundles.html").read_text()
    assert page.count("<article") == 2
    assert page.count("What it forecasts from") == 1


def test_a_recipe_is_built_measured_and_its_details_are_kept(card, bundles, tmp_path, monkeypatch):
    asked = []

    def measured(_self, recipe):
        asked.append(recipe.name)
        sha256 = open_bundle(bundles / f"{recipe.name}.bundle").sha256
        return SimpleNamespace(facts=details() | {"bundle": {"sha256": sha256}})

    monkeypatch.setattr(DetailsPipeline, "details", measured)
    monkeypatch.setattr(DetailsPipeline, "bundle_stage", lambda *_: SimpleNamespace(folder=bundles))
    code, said, _ = card("tflite_w8a8", "--work", tmp_path / "work")
    page = tmp_path / "cards/tflite_w8a8.html"
    assert (code, said.strip(), asked) == (0, str(page), ["tflite_w8a8"])
    full = page.read_bytes()
    assert b"What it forecasts from" in full
    card(bundles / "tflite_w8a8.bundle")
    assert page.read_bytes() == full


def test_an_unknown_recipe_is_refused_before_anything_is_built(card, tmp_path):
    code, _, said = card("tflite_w4a4", "--work", tmp_path / "work")
    assert code == 2
    assert "Recipe 'tflite_w4a4' is not known" in said
    assert not (tmp_path / "work").exists()


def test_what_is_no_bundle_is_refused(card, tmp_path):
    (tmp_path / "x.bundle").write_bytes(b"nothing")
    assert card(tmp_path / "x.bundle")[0] == 2
    assert "cannot be read" in card(tmp_path / "missing.bundle")[2]
    assert not (tmp_path / "cards").exists()


def test_a_folder_without_bundles_is_refused(card, tmp_path):
    code, _, said = card("--release", tmp_path)
    assert code == 2
    assert "holds no *.bundle file. Name the folder that" in said


@pytest.mark.parametrize("content", ["{", "[]", '{"bundle": 3}', "{}"])
def test_a_file_of_details_that_holds_none_is_refused(card, bundles, tmp_path, content):
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards/tflite_fp16.json").write_text(content)
    code, _, said = card(bundles / "tflite_fp16.bundle")
    assert code == 2
    assert "holds no details of a card" in said
    assert "python -m packager card tflite_fp16" in said


def test_either_a_subject_or_a_release_is_needed(card, bundles, capsys):
    for arguments in ([], ["tflite_fp16", "--release", bundles]):
        with pytest.raises(SystemExit) as stopped:
            card(*arguments)
        assert stopped.value.code == 2
    capsys.readouterr()
