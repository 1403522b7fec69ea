"""Golden vectors are small, diverse, replayable, and find an artifact that computes something else."""

import copy

import numpy as np
import pytest
import zstandard

from packager.contract import canonical_json, reference_contract
from packager.errors import ArtifactRefused, BundleInvalid
from packager.runtimes import open_runtime
from packager.verify.golden import KEPT_SHARE, choose_cases, decode_golden, make_golden, replay_golden
from tests.factories import TOLERANCES, weather_windows
from tests.tiny_tflite import build_tflite

CONTRACT = reference_contract()


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    path.write_bytes(build_tflite(CONTRACT))
    return open_runtime(path, "tflite")


@pytest.fixture(scope="module")
def windows():
    return weather_windows(CONTRACT, count=60)


@pytest.fixture(scope="module")
def golden(runtime, windows):
    return make_golden(runtime, windows, CONTRACT, tolerances=TOLERANCES)


class Disturbed:
    """A runtime whose outputs are changed on the way."""

    def __init__(self, runtime, change):
        self.runtime, self.change = runtime, change

    def run(self, inputs):
        outputs = self.runtime.run(inputs)
        self.change(outputs)
        return outputs


def test_replaying_on_the_same_runtime_differs_by_rounding_only(runtime, golden):
    report = replay_golden(runtime, golden, CONTRACT)
    assert report.cases == 16
    for name, difference in report.max_abs_difference.items():
        assert difference <= golden["outputs"][name]["scale"] * 0.501


def test_decoded_inputs_are_near_the_windows(golden, windows):
    inputs, _ = decode_golden(golden, CONTRACT)
    row = {hour: index for index, hour in enumerate(windows.init_hour.tolist())}
    chosen = [row[hour] for _, hour in golden["origin"]]
    np.testing.assert_array_equal(inputs["history_mask"], windows.inputs["history_mask"][chosen])
    np.testing.assert_allclose(inputs["site"], windows.inputs["site"][chosen], rtol=0, atol=1)
    spread = windows.inputs["history"].std(axis=(0, 1)) + 0.2
    difference = np.abs(inputs["history"] - windows.inputs["history"][chosen]).max(axis=(0, 1))
    assert (difference < spread / 8).all()
    assert (inputs["history"][inputs["history_mask"] == 0] == 0).all()
    assert inputs["history"].dtype == np.float32


def test_cases_cover_places_and_missing_data(windows):
    chosen = choose_cases(windows, CONTRACT, 16)
    assert len(set(chosen.tolist())) == 16
    assert len(set(windows.station[chosen].tolist())) >= 6
    reported = windows.inputs["history_mask"][chosen].mean(axis=(1, 2))
    assert reported.min() < 0.8 < reported.max()


def test_equal_windows_are_still_different_cases(windows):
    same = windows.take(np.zeros(20, dtype=int))
    assert len(set(choose_cases(same, CONTRACT, 16).tolist())) == 16


def test_golden_vectors_are_small(golden):
    packed = zstandard.ZstdCompressor(level=19).compress(canonical_json(golden))
    assert len(packed) <= 9 * 1024


def test_making_them_twice_gives_the_same(runtime, windows, golden):
    again = make_golden(runtime, windows, CONTRACT, tolerances=TOLERANCES)
    assert canonical_json(again) == canonical_json(golden)


@pytest.mark.parametrize("name", list(TOLERANCES))
def test_a_difference_above_the_tolerance_is_refused(runtime, golden, name):
    def shift(outputs):
        outputs[name][3, 23] += TOLERANCES[name] * 1.5

    with pytest.raises(ArtifactRefused, match=rf"{name} differs by .* in case 3 at lead 24 h"):
        replay_golden(Disturbed(runtime, shift), golden, CONTRACT)


def test_a_difference_below_the_tolerance_is_accepted(runtime, golden):
    def shift(outputs):
        outputs["temperature"] += TOLERANCES["temperature"] * 0.8

    report = replay_golden(Disturbed(runtime, shift), golden, CONTRACT)
    assert report.max_abs_difference["temperature"] > 0.35


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda outputs: outputs.pop("wind"), "output wind"),
        (lambda outputs: outputs.update(wind=outputs["wind"][:, :5]), r"\(16, 5, 2\)"),
        (lambda outputs: outputs["dew_point"].__setitem__((0, 0), np.nan), "dew_point is not finite"),
    ],
)
def test_wrong_outputs_are_refused(runtime, golden, change, reason):
    with pytest.raises(ArtifactRefused, match=reason):
        replay_golden(Disturbed(runtime, change), golden, CONTRACT)


def tampered(golden, change):
    document = copy.deepcopy(golden)
    change(document)
    return document


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda g: g["inputs"].pop("clock"), "of input clock"),
        (lambda g: g["inputs"]["history"].pop("dew_point"), "of input history"),
        (lambda g: g["inputs"]["history"]["dew_point"]["differences"].pop(), "numbers of dew_point"),
        (lambda g: g["inputs"]["history_mask"].update(dew_point="ff"), "mask bits of dew_point"),
        (lambda g: g["outputs"].pop("wind"), "contract has"),
        (lambda g: g["outputs"]["wind"]["differences"].append(1), "numbers of wind"),
        (lambda g: g["tolerances"].pop("wind"), "contract has"),
        (lambda g: g.update(leads=[3, 1]), "must increase"),
        (lambda g: g.update(leads=[1, 3, 6, 12, 24, 49]), "must increase to 48"),
    ],
)
def test_vectors_that_do_not_fit_the_contract_are_refused(runtime, golden, change, reason):
    with pytest.raises(BundleInvalid, match=reason):
        replay_golden(runtime, tampered(golden, change), CONTRACT)


def test_too_few_windows_and_missing_tolerances_are_refused(runtime, windows):
    with pytest.raises(ValueError, match="10 windows"):
        make_golden(runtime, windows.take(slice(10)), CONTRACT, tolerances=TOLERANCES)
    with pytest.raises(ValueError, match="temperature"):
        make_golden(runtime, windows, CONTRACT, tolerances={"wind": 1.0})


def moved_by(runtime, name, change):
    def move(outputs):
        outputs[name] = outputs[name] + change

    return Disturbed(runtime, move)


def test_a_retrained_artifact_is_asked_the_released_questions(runtime, golden):
    other = weather_windows(CONTRACT, count=20)
    again = make_golden(runtime, other, CONTRACT, tolerances=TOLERANCES, released=golden)
    assert again == golden
    assert make_golden(runtime, other, CONTRACT, tolerances=TOLERANCES)["inputs"] != golden["inputs"]


@pytest.mark.parametrize(("change", "kept"), [(0.15, True), (0.35, False)])
def test_an_output_near_its_released_value_keeps_it(runtime, windows, golden, change, kept):
    # Half of the tolerance of 0.5 is 0.25, and a stored value is off by up to 0.05 itself.
    moved = moved_by(runtime, "dew_point", change)
    again = make_golden(moved, windows, CONTRACT, tolerances=TOLERANCES, released=golden)
    assert (again["outputs"]["dew_point"] == golden["outputs"]["dew_point"]) is kept
    assert again["outputs"]["temperature"] == golden["outputs"]["temperature"]


@pytest.mark.parametrize("change", [0.1, 0.2, 3.0])
def test_the_retrained_artifact_meets_its_own_vectors_with_room_for_a_device(
    runtime, windows, golden, change
):
    moved = moved_by(runtime, "dew_point", change)
    again = make_golden(moved, windows, CONTRACT, tolerances=TOLERANCES, released=golden)
    seen = replay_golden(moved, again, CONTRACT).max_abs_difference["dew_point"]
    assert seen <= KEPT_SHARE * TOLERANCES["dew_point"] + golden["outputs"]["dew_point"]["scale"] / 2


def test_fewer_leads_keep_the_questions_and_their_answers(runtime, windows, golden):
    again = make_golden(runtime, windows, CONTRACT, tolerances=TOLERANCES, released=golden, leads=(24,))
    assert (again["leads"], again["inputs"]) == ([24], golden["inputs"])
    answers = [decode_golden(document, CONTRACT)[1] for document in (golden, again)]
    for name, values in answers[1].items():
        np.testing.assert_array_equal(values[:, 0], answers[0][name][:, golden["leads"].index(24)])
    replay_golden(runtime, again, CONTRACT)
    with pytest.raises(ArtifactRefused, match="dew_point"):
        replay_golden(moved_by(runtime, "dew_point", 3.0), again, CONTRACT)


def test_leads_that_were_not_stored_leave_all_of_them(runtime, windows, golden):
    again = make_golden(runtime, windows, CONTRACT, tolerances=TOLERANCES, released=golden, leads=(23,))
    assert again == golden


def test_released_vectors_of_another_contract_are_refused(runtime, windows, golden):
    broken = copy.deepcopy(golden)
    broken["outputs"]["fog"] = broken["outputs"].pop("dew_point")
    with pytest.raises(BundleInvalid, match="fog"):
        make_golden(runtime, windows, CONTRACT, tolerances=TOLERANCES, released=broken)
