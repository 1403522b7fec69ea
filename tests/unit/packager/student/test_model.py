"""The lead decoder as a whole, the ensemble, and both on disk."""

import json
import shutil

import numpy as np
import pytest

from packager.contract import reference_contract
from packager.errors import ArtifactRefused
from packager.student import build, describe, load_student, read_description, save_student
from packager.student.lead_decoder import LeadDecoderConfig, parameter_count
from packager.student.training import predict
from tests.students import description, expected, small_student, weather

CONTRACT = reference_contract()
CASES = 12


@pytest.fixture(scope="module")
def with_regression():
    """A lead decoder as the teacher has them, with random weights everywhere."""
    from packager.student.normalisation import Normalisation

    config = LeadDecoderConfig(
        channels=8, context=16, per_lead=2, linear=4, hidden=(16, 16), regression=True, dropout=0.2
    )
    norm = Normalisation.from_dict(description()["normalisation"])
    told = describe("lead_decoder", CONTRACT, norm, [config])
    return scrambled(build(told), seed=5), told


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "student"
    save_student(small_student(), description(), folder)
    return folder


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "student")


def scrambled(model, seed):
    random = np.random.default_rng(seed)
    model.set_weights(
        [np.asarray(w + random.normal(0, 0.05, w.shape), np.float32) for w in model.get_weights()]
    )
    return model


def test_it_takes_and_gives_what_the_contract_says():
    outputs = expected(CASES)
    assert {name: values.shape for name, values in outputs.items()} == {
        spec.name: (CASES, *spec.shape[1:]) for spec in CONTRACT.outputs
    }
    for spec in CONTRACT.outputs:
        values = outputs[spec.name]
        if spec.kind == "quantiles":
            assert (np.diff(values, axis=-1) >= 0).all(), spec.name
        if spec.kind == "probabilities":
            np.testing.assert_allclose(values.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("which", ["student", "with_regression"])
def test_a_missing_value_changes_nothing(which, with_regression):
    model = small_student() if which == "student" else with_regression[0]
    inputs = weather(CASES)
    missing = inputs["history_mask"] == 0
    assert missing.any()
    garbage = np.random.default_rng(7).uniform(-900, 30_000, missing.shape).astype(np.float32)
    disturbed = inputs | {"history": np.where(missing, garbage, inputs["history"])}
    before, after = model(inputs, training=False), model(disturbed, training=False)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)


@pytest.mark.parametrize("name", ["history", "history_mask", "site", "clock"])
def test_every_input_matters(name):
    inputs = weather(CASES)
    changed = inputs | {name: inputs[name] * 0.5}
    before, after = (small_student()(values, training=False)["temperature"] for values in (inputs, changed))
    assert np.abs(before - after).max() > 1e-3


def test_predicting_in_batches_is_predicting_at_once():
    inputs = weather(CASES)
    whole = small_student()(inputs, training=False)
    for name, values in predict(small_student(), inputs, batch=5).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-4, atol=1e-4)


def test_dropout_hides_nothing_when_forecasting(with_regression):
    model, _ = with_regression
    inputs = weather(CASES)
    first, second = (model(inputs, training=False)["wind"] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(model(inputs, training=True)["wind"] - first).max() > 0


def test_the_regression_is_not_trained_by_gradient(with_regression):
    model, _ = with_regression
    regression = sum(weight.size for weight in model.get_layer("body_regression").get_weights())
    everything = sum(weight.size for weight in model.get_weights())
    assert parameter_count(model) == everything - regression


def test_the_same_seed_starts_from_the_same_weights_and_another_does_not():
    def start(seed):
        members = [description()["members"][0] | {"seed": seed}]
        return np.concatenate([w.ravel() for w in build(description() | {"members": members}).get_weights()])

    np.testing.assert_array_equal(start(1), start(1))
    assert np.abs(start(1) - start(2)).max() > 0.01


def test_layers_are_named_by_how_they_may_be_compressed():
    outputs, inputs = {spec.name for spec in CONTRACT.outputs}, {spec.name for spec in CONTRACT.inputs}
    names = {layer.name for layer in small_student().layers} - outputs - inputs
    assert {name.split("_")[0] for name in names} == {"head", "body", "tail"}
    weighted = [layer.name for layer in small_student().layers if layer.get_weights()]
    assert weighted
    assert all(name.startswith("body_") for name in weighted)


def test_a_saved_model_gives_the_same_outputs(folder):
    loaded = load_student(folder)
    assert read_description(folder) == json.loads(json.dumps(description()))
    for name, values in loaded(weather(CASES), training=False).items():
        np.testing.assert_array_equal(values, expected(CASES)[name], err_msg=name)


def test_saving_twice_gives_the_same_bytes(folder, tmp_path):
    save_student(small_student(), description(), tmp_path)
    for name in ("model.json", "weights.npz"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_folder_without_a_model_is_refused_by_name(tmp_path):
    with pytest.raises(ArtifactRefused, match=r"no-model holds no readable model\.json"):
        load_student(tmp_path / "no-model")


def damage_json(folder):
    (folder / "model.json").write_text("{")


def forget_members(folder):
    told = json.loads((folder / "model.json").read_text())
    del told["members"]
    (folder / "model.json").write_text(json.dumps(told))


def spoil_contract(folder):
    told = json.loads((folder / "model.json").read_text())
    del told["contract"]["inputs"]
    (folder / "model.json").write_text(json.dumps(told))


def forget_weights(folder):
    (folder / "weights.npz").unlink()


def cut_weights(folder):
    whole = (folder / "weights.npz").read_bytes()
    (folder / "weights.npz").write_bytes(whole[: len(whole) // 2])


def other_sizes(folder):
    told = json.loads((folder / "model.json").read_text())
    told["members"][0]["channels"] = 8
    (folder / "model.json").write_text(json.dumps(told))


def other_kind(folder):
    told = json.loads((folder / "model.json").read_text())
    told["kind"] = "transformer"
    (folder / "model.json").write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (damage_json, r"student holds no readable model\.json.*train\s+it again"),
        (forget_members, r"student holds no whole model: KeyError\('members'\)"),
        (spoil_contract, "student holds no whole model: ContractInvalid"),
        (forget_weights, "student holds no whole model: FileNotFoundError"),
        (cut_weights, "student holds no whole model"),
        (other_sizes, r"weights in student do not fit its model\.json"),
        (other_kind, "'transformer' is not known here; known are lead_decoder and ensemble"),
    ],
)
def test_a_damaged_model_is_refused_with_the_reason(copied, break_it, message):
    break_it(copied)
    with pytest.raises(ArtifactRefused, match=message):
        load_student(copied)


def test_an_ensemble_is_the_mean_of_its_members(with_regression, tmp_path):
    _, told = with_regression
    members = [told["members"][0] | {"seed": seed} for seed in (1, 2)]
    parts = [scrambled(build(told | {"members": [member]}), seed=member["seed"]) for member in members]
    ensemble = build(told | {"kind": "ensemble", "members": members})
    ensemble.set_weights([weight for part in parts for weight in part.get_weights()])
    inputs = weather(CASES)
    joined = ensemble(inputs, training=False)
    single = [part(inputs, training=False) for part in parts]
    assert set(joined) == {spec.name for spec in CONTRACT.outputs}
    for name, values in joined.items():
        mean = (single[0][name] + single[1][name]) / 2
        np.testing.assert_allclose(values, mean, rtol=1e-5, atol=1e-4, err_msg=name)
        assert np.abs(single[0][name] - single[1][name]).max() > 1e-4, name
    save_student(ensemble, told | {"kind": "ensemble", "members": members}, tmp_path)
    np.testing.assert_array_equal(load_student(tmp_path)(inputs)["wind"], joined["wind"])


def test_an_ensemble_of_one_is_its_member(with_regression):
    model, told = with_regression
    ensemble = build(told | {"kind": "ensemble"})
    ensemble.set_weights(model.get_weights())
    inputs = weather(CASES)
    for name, values in ensemble(inputs, training=False).items():
        np.testing.assert_allclose(values, model(inputs, training=False)[name], rtol=1e-6, err_msg=name)
