"""A transfer trains on a region's cases, says what it gains there and costs elsewhere, and refuses a loss."""

from argparse import ArgumentParser

import numpy as np
import pytest

from packager.bundle import open_bundle
from packager.commands import transfer as command
from packager.contract import reference_contract
from packager.dataset.records import Station
from packager.dataset.region import parse_region
from packager.errors import GateFailed, PackagerError, RecipeInvalid, TrainingFailed
from packager.pipeline import Pipeline
from packager.recipes import PROFILES, TRANSFER_MODES, get_recipe, get_transfer_mode
from packager.retrain import find_base, find_bases
from packager.transfer import Transfer
from packager.workspace import Workspace
from tests.factories import build_bundle
from tests.unit.packager.dataset.small import make_dataset
from tests.unit.packager.test_retrain import built, scores, stage

RECIPE = get_recipe("tflite_w8a8")
SETS = ("region", "region_unseen_period", "elsewhere")
# Lowest digest first is held out: of these only c is.
STATIONS = tuple(
    Station(name, name, float(place), 0.0, 0.0, "test", "actual")
    for name, place in zip("abc", (10, 30, 50), strict=True)
)


@pytest.fixture
def base(tmp_path):
    workspace = Workspace(tmp_path / "work")
    return find_base(workspace, [built(workspace, tmp_path / "a.bundle", "tflite_w8a8")]), workspace


@pytest.fixture
def transfer(base, monkeypatch, tmp_path):
    """A transfer whose new bundle and whose scores are given: by set, the new error ÷ the released one."""
    made = Transfer(
        base[1].folder,
        PROFILES["demo"],
        base=base[0],
        mode=TRANSFER_MODES["biases"],
        region=parse_region("near", "10,0,100"),
    )

    def finish(**ratios):
        folder = tmp_path / "stage"
        folder.mkdir()
        new = build_bundle(folder / "tflite_w8a8.bundle", variant="tflite_w8a8", offset=0.1)
        size = {"bytes": new.stat().st_size, "bytes_on_wire": 9_000}
        monkeypatch.setattr(Pipeline, "evaluation", lambda *_: stage(folder, {"skill_loss_percent": 99.0}))
        monkeypatch.setattr(Pipeline, "bundle_stage", lambda *_: stage(folder, size))
        monkeypatch.setattr(Pipeline, "variant", lambda *_: stage(folder, {}))
        monkeypatch.setattr(Pipeline, "data", lambda *_: stage(folder, {}))
        monkeypatch.setattr(Pipeline, "contract", reference_contract())
        made.__dict__["scored"] = {name: range(120) for name in SETS}
        monkeypatch.setattr(
            "packager.transfer.score_artifact",
            lambda path, **_: scored(ratios if path.parent == folder else {}),
        )
        return made

    def scored(ratios):
        from packager.verify.skill import Scores

        return {name: Scores(name, 120, scores(2.0 * ratios.get(name, 1.0))) for name in SETS}

    return finish


def test_an_update_says_what_the_region_gains_and_others_lose(transfer):
    update = transfer(region=0.9, region_unseen_period=0.8, elsewhere=1.02).update(RECIPE)
    assert update["bundled"]
    assert 0 < update["patch_bytes"] < update["bytes"] / 5
    assert update["patch_percent"] == round(100 * update["patch_bytes"] / 9_000, 2)
    # Half of each: precipitation did not change.
    assert update["gain_percent"] == {"region": 5.0, "region_unseen_period": 10.0, "elsewhere": -1.0}
    assert update["cases"] == dict.fromkeys(SETS, 120)


def test_a_bundle_that_forecasts_its_region_worse_is_refused(transfer):
    made = transfer(region=1.01, elsewhere=0.5)
    with pytest.raises(GateFailed, match=r"region's 120 held-out cases it forecasts 0\.50 % worse"):
        made.bundle(RECIPE)
    update = made.update(RECIPE)
    assert not update["bundled"]
    assert update["gain_percent"]["region"] == -0.5


def region_of(base, monkeypatch, hours, text="10,0,100"):
    dataset = make_dataset(hours, stations=STATIONS)
    made = Transfer(
        base[1].folder,
        PROFILES["demo"],
        base=base[0],
        mode=TRANSFER_MODES["biases"],
        region=parse_region("near", text),
    )
    monkeypatch.setattr(Transfer, "dataset", dataset)
    monkeypatch.setattr(Transfer, "contract", reference_contract())
    return made


def test_only_the_regions_training_windows_teach_and_at_every_init_hour(base, monkeypatch):
    made = region_of(base, monkeypatch, 24 * 365)
    training, stopping, kept = made.lesson
    (index,) = made.region.indexes(made.dataset)
    assert set(training.station.tolist()) == set(stopping.station.tolist()) == {index}
    assert index not in kept.station
    assert set((training.init_hour % 3).tolist()) == {0, 1, 2}
    scored = made.scored
    assert set(scored["region"].station.tolist()) == {index}
    assert index not in scored["elsewhere"].station
    held_out = set(zip(scored["region"].station, scored["region"].init_hour, strict=True))
    assert not held_out & set(zip(training.station, training.init_hour, strict=True))


def test_a_region_of_few_windows_is_refused_with_its_counts(base, monkeypatch):
    made = region_of(base, monkeypatch, 400)
    with pytest.raises(
        TrainingFailed, match=r"region near 10,0,100 has \d+ training, 0 early-stopping and 0"
    ):
        made.student(RECIPE)


def test_the_manifest_names_the_region(base):
    made = Transfer(
        base[1].folder,
        PROFILES["demo"],
        base=base[0],
        mode=TRANSFER_MODES["biases"],
        region=parse_region("box", "1,2,3,4"),
    )
    assert made.place == {"box": [1.0, 2.0, 3.0, 4.0]}
    assert made.retraining == "biases"


def test_bundles_of_several_students_are_several_bases(base, tmp_path):
    other = built(base[1], tmp_path / "b.bundle", "tflite_fp16", seed=2, student="step-cluster")
    third = built(base[1], tmp_path / "c.bundle", "coreml_fp16", student="student")
    found = find_bases(base[1], [tmp_path / "a.bundle", other, third])
    assert [set(each.bundles) for each in found] == [{"tflite_w8a8", "coreml_fp16"}, {"tflite_fp16"}]
    assert [each.student.name for each in found] == ["student", "step-cluster"]


def test_modes_move_biases_shared_values_or_the_last_layer():
    assert [TRANSFER_MODES[name].parts for name in ("biases", "codebook", "regional")] == [
        "biases",
        "shared",
        "weights",
    ]
    with pytest.raises(RecipeInvalid, match="'all' is not known; choose one of biases, codebook, regional"):
        get_transfer_mode("all")


def parsed(*arguments):
    parser = ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["transfer", *arguments])


def test_the_command_says_that_the_workspace_lacks_the_student(tmp_path):
    path = build_bundle(tmp_path / "far.bundle", variant="tflite_w8a8")
    options = parsed(
        "--from", str(path), "--near", "10,0,100", "--out", str(tmp_path), "--work", str(tmp_path / "none")
    )
    with pytest.raises(PackagerError, match=r"holds no student of far\.bundle"):
        options.run(options)


def test_a_region_is_one_of_three_forms_and_one_is_needed(tmp_path, capsys):
    for wrong in ((), ("--near", "1,2,3", "--stations", "a")):
        with pytest.raises(SystemExit):
            parsed("--from", "a", "--out", str(tmp_path), *wrong)
    assert "not allowed with" in capsys.readouterr().err


def test_the_table_shows_gains_with_their_signs_and_counts(transfer):
    made = transfer(region=0.9, elsewhere=1.02)
    table = command.transfers_table([made.update(RECIPE)], made.region, made.mode)
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells[3:6] == ["+5.00", "+0.00", "-1.00"]
    assert str(table.columns[3].header) == "region, % (120 cases)"
    assert "goal 5 %" in str(table.title)


def test_refused_bundles_are_not_written_and_the_others_are(tmp_path):
    good = build_bundle(tmp_path / "made.bundle", variant="tflite_w8a8")
    rows = [
        {"name": "tflite_w8a8", "bundled": True, "path": str(good)},
        {"name": "coreml_fp16", "bundled": False, "reason": "worse."},
    ]
    with pytest.raises(PackagerError, match=r"Not bundled\. coreml_fp16: worse\."):
        command._write(rows, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tflite_w8a8.bundle"]
    assert open_bundle(tmp_path / "out" / "tflite_w8a8.bundle").format == "tflite"


def test_a_released_artifact_is_scored_once(transfer, monkeypatch):
    made = transfer(region=0.9)
    made.gains(RECIPE)

    def again(*_arguments, **_options):
        raise AssertionError

    monkeypatch.setattr("packager.transfer.score_artifact", again)
    assert made.gains(RECIPE)["region"] == pytest.approx(5.0)
    assert np.isfinite(list(made.gains(RECIPE).values())).all()
