"""What a retraining starts from, what it refuses, and what it says of an update; nothing is trained here."""

import re
from dataclasses import replace

import numpy as np
import pytest

from packager.__main__ import main
from packager.bundle import open_bundle
from packager.contract import reference_contract
from packager.errors import BundleInvalid, GateFailed, PackagerError, RecipeInvalid
from packager.pipeline import Pipeline
from packager.recipes import PROFILES, UPDATE_MODES, get_recipe, get_update_mode
from packager.retrain import Retraining, find_base, recipes_of, same_cases
from packager.stages import name_cases
from packager.workspace import Stage, Workspace
from tests.factories import build_bundle, weather_windows
from tests.unit.packager.dataset.small import make_dataset

RECIPE = get_recipe("tflite_w8a8")


def nothing(_folder):
    return {}


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "work")


def built(workspace, path, variant, *, seed=1, student="student", offset=0.0):
    """A bundle with the stages that made it."""
    teacher = workspace.stage("teacher", {}, nothing)
    model = workspace.stage(student, {"seed": seed, "teacher": teacher.key}, nothing)
    made = workspace.stage("variant", {"model": model.key, "of": variant}, nothing)
    build_bundle(path, variant=variant, offset=offset)
    sha256 = open_bundle(path).sha256
    references = workspace.stage("references", {}, nothing)
    inputs = {"variant": made.key, "references": references.key}
    workspace.stage("bundle", inputs, lambda _folder: {"sha256": sha256})
    return path


def test_a_base_is_the_student_of_all_bundles_and_its_teacher(workspace, tmp_path):
    first = built(workspace, tmp_path / "a.bundle", "tflite_w8a8")
    second = built(workspace, tmp_path / "b.bundle", "tflite_fp16")
    base = find_base(workspace, [first, second])
    assert set(base.bundles) == {"tflite_w8a8", "tflite_fp16"}
    assert [recipe.name for recipe in recipes_of(base)] == ["tflite_fp16", "tflite_w8a8"]
    assert (base.student.name, base.teacher.name) == ("student", "teacher")


def test_a_folder_is_a_release_and_its_servers_model_is_left_out(workspace, tmp_path):
    built(workspace, tmp_path / "a.bundle", "tflite_w8a8")
    build_bundle(tmp_path / "server.bundle", variant="server_fp32")
    assert set(find_base(workspace, [tmp_path]).bundles) == {"tflite_w8a8"}


def test_a_retrained_student_can_be_retrained_again(workspace, tmp_path):
    path = built(workspace, tmp_path / "a.bundle", "tflite_w8a8", student="retrained")
    assert find_base(workspace, [path]).student.name == "retrained"


def test_a_bundle_of_another_machine_has_no_weights_to_start_from(workspace, tmp_path):
    path = build_bundle(tmp_path / "far.bundle", variant="tflite_w8a8")
    with pytest.raises(
        PackagerError, match=r"no student of far\.bundle .* give --work the folder in which it"
    ):
        find_base(workspace, [path])


def test_a_teacher_that_was_deleted_is_missed(workspace, tmp_path):
    path = built(workspace, tmp_path / "a.bundle", "tflite_w8a8")
    for record in workspace.folder.glob("teacher/*/stage.json"):
        record.unlink()
    with pytest.raises(PackagerError, match=r"holds no teacher of a\.bundle"):
        find_base(workspace, [path])


def test_bundles_of_two_students_are_no_release(workspace, tmp_path):
    first = built(workspace, tmp_path / "a.bundle", "tflite_w8a8")
    second = built(workspace, tmp_path / "b.bundle", "tflite_fp16", seed=2)
    with pytest.raises(
        PackagerError, match="tflite_fp16 were exported from another student than tflite_w8a8"
    ):
        find_base(workspace, [first, second])


def test_a_folder_without_bundles_for_phones_is_refused(workspace, tmp_path):
    build_bundle(tmp_path / "server.bundle", variant="server_fp32")
    with pytest.raises(PackagerError, match="holds no bundle for phones"):
        find_base(workspace, [tmp_path])


def test_a_damaged_bundle_is_refused(workspace, tmp_path):
    path = built(workspace, tmp_path / "a.bundle", "tflite_w8a8")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleInvalid):
        find_base(workspace, [path])


def test_the_cases_of_the_release_are_scored_again_in_a_dataset_that_has_grown():
    dataset, windows = make_dataset(), weather_windows(reference_contract(), count=30)
    windows = replace(windows, station=np.zeros(30, int))
    released = name_cases(windows.take(np.array([20, 3, 7])), dataset)
    again = same_cases(windows, [list(case) for case in released], dataset)
    assert name_cases(again, dataset) == released


def test_a_dataset_that_lost_scored_cases_is_refused():
    dataset, windows = make_dataset(), weather_windows(reference_contract(), count=30)
    windows = replace(windows, station=np.zeros(30, int))
    released = name_cases(windows, dataset)
    with pytest.raises(PackagerError, match=r"lacks 10 of the 30 held-out cases .* that has grown"):
        same_cases(windows.take(np.arange(20)), released, dataset)


def scores(temperature):
    return {"temperature": {"1-48": temperature}, "precipitation": {"1-48": 1.0}}


@pytest.fixture
def retraining(monkeypatch, workspace, tmp_path):
    """A retraining whose new bundle and whose scores, new and released, are given."""
    released = built(workspace, tmp_path / "a.bundle", "tflite_w8a8")
    made = Retraining(
        workspace.folder, PROFILES["demo"], base=find_base(workspace, [released]), mode=UPDATE_MODES["light"]
    )

    def finish(before, after):
        folder = tmp_path / "stage"
        folder.mkdir()
        new = build_bundle(folder / "tflite_w8a8.bundle", variant="tflite_w8a8", offset=0.1)
        facts = {
            "skill_loss_percent": 1.0,
            "scores": {"unseen_station": scores(after)},
            "scored_cases": {"unseen_station": 10},
        }
        stored = {"unseen_station": {"split": "unseen_station", "cases": 10, "values": scores(before)}}
        size = {"bytes": new.stat().st_size, "bytes_on_wire": 9_000}
        monkeypatch.setattr(Pipeline, "evaluation", lambda *_: stage(folder, facts))
        monkeypatch.setattr(Pipeline, "bundle_stage", lambda *_: stage(folder, size))
        monkeypatch.setattr(Pipeline, "data", lambda *_: stage(folder, {}))
        monkeypatch.setattr(Pipeline, "contract", reference_contract())
        workspace.stage("released", made.released_inputs(RECIPE), lambda _folder: stored)
        return made

    return finish


def stage(folder, facts):
    return Stage("stage", "0" * 64, folder, facts, 1.0, cached=True)


def test_an_update_says_what_it_costs_and_what_it_gains(retraining):
    update = retraining(before=2.0, after=1.9).update(RECIPE)
    assert update["bundled"]
    assert 0 < update["patch_bytes"] < update["bytes"] / 5
    assert update["patch_percent"] == round(100 * update["patch_bytes"] / 9_000, 2)
    # Half of 5 %: precipitation did not change.
    assert update["change_percent"] == pytest.approx(-2.5)


def test_a_variant_that_forecasts_worse_than_the_released_one_is_refused(retraining):
    made = retraining(before=2.0, after=2.1)
    with pytest.raises(GateFailed, match=re.escape("2.50 % worse than the released one; 0.5 % is allowed")):
        made.bundle(RECIPE)
    update = made.update(RECIPE)
    assert not update["bundled"]
    assert "patch_bytes" not in update


def test_a_little_worse_is_noise(retraining):
    assert retraining(before=2.0, after=2.01).update(RECIPE)["bundled"]


def test_a_retraining_keeps_the_released_teacher_and_names_its_mode(retraining):
    made = retraining(before=1.0, after=1.0)
    assert made.teacher() == made.base.teacher
    assert made.retraining == "light"
    assert set(made.released) == {"tflite_w8a8"}


def test_modes_ask_less_the_less_they_move():
    shares = [UPDATE_MODES[name].moved_share for name in ("routine", "light")]
    goals = [UPDATE_MODES[name].goal_percent for name in ("routine", "light", "head")]
    assert (shares, goals) == (sorted(shares, reverse=True), [30.0, 12.0, 2.0])
    assert UPDATE_MODES["head"].layers == "body_out"


def test_an_unknown_mode_lists_the_known_ones():
    with pytest.raises(RecipeInvalid, match="'heavy' is not known; choose one of routine, light, head"):
        get_update_mode("heavy")


def test_the_command_line_says_that_the_weights_are_missing(tmp_path, capsys):
    path = build_bundle(tmp_path / "far.bundle", variant="tflite_w8a8")
    command = ["retrain", "--from", str(path), "--out", str(tmp_path), "--work", str(tmp_path / "none")]
    assert main(command) == 2
    assert "holds no student of far.bundle" in capsys.readouterr().err
    assert main([*command, "--mode", "heavy"]) == 2
    assert "Mode 'heavy' is not known" in capsys.readouterr().err


def test_a_conversion_starts_from_the_released_artifact(retraining, monkeypatch, tmp_path):
    seen = []

    def convert(request):
        seen.append(request.frozen.read_bytes())
        request.output.write_bytes(b"retrained")
        return {"scheme": "w8a8"}

    monkeypatch.setattr("packager.export.isolated.convert", convert)
    monkeypatch.setattr(Retraining, "student", lambda *_: stage(tmp_path, {}))
    monkeypatch.setattr(Pipeline, "_calibration", lambda _: {})
    made = retraining(before=1.0, after=1.0)
    variant = made.variant(RECIPE)
    assert seen == [made.base.bundles["tflite_w8a8"].members["model.tflite"]]
    assert variant.inputs["frozen"] == made.base.bundles["tflite_w8a8"].sha256
    assert sorted(path.name for path in variant.folder.iterdir()) == ["model.tflite", "stage.json"]
