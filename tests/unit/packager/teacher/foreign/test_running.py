"""What a teacher is asked before it teaches: models in numpy that break the contract, each in its own way."""

import numpy as np
import pytest

from packager.errors import TeacherRefused
from packager.teacher.foreign.running import CASES_AT_ONCE, check_model, run_model
from packager.teacher.foreign.side_file import parse_teacher_contract
from tests.foreign_models import CONTRACT, answer, expected, side_document
from tests.students import weather

CASES = weather(5)


class Model:
    """The function in numpy, with what a test changes about its answers."""

    parameters = 42

    def __init__(self, change=None, inputs=None):
        self.change = change
        self.inputs = inputs or {"obs": (None, 48, 9), "place": (None, 3)}
        self.seen = []

    def run(self, inputs):
        self.seen.append(inputs)
        outputs = answer(inputs["obs"], inputs["place"])
        return self.change(outputs) if self.change else outputs


def with_output(name, values):
    def change(outputs):
        key = f"out_{name}"
        return outputs | {key: values(outputs[key])}

    return change


def check(model, document=None, cases=CASES):
    return check_model(model, parse_teacher_contract(document or side_document(), CONTRACT), CONTRACT, cases)


def run(model, document=None, cases=CASES):
    return run_model(model, parse_teacher_contract(document or side_document(), CONTRACT), CONTRACT, cases)


def test_a_good_teacher_is_taken_with_its_figures():
    facts = check(Model())
    assert facts["parameters"] == 42
    assert set(facts["crossing"].values()) == {0.0}


def test_units_are_converted_both_ways():
    found, wanted = run(Model()), expected(CASES)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, atol=2e-4, err_msg=name)
        assert found[name].dtype == np.float32


def test_what_was_not_reported_is_zero_or_nan_in_the_models_units():
    mask = CASES["history_mask"] == 0
    assert mask.any()
    for missing, same in (("zero", lambda v: v == 0), ("nan", np.isnan)):
        model = Model(lambda outputs: {k: np.nan_to_num(v, nan=1.0) for k, v in outputs.items()})
        try:
            run(model, side_document(missing=missing))
        except TeacherRefused:
            assert missing == "nan"
        assert same(model.seen[0]["obs"][mask]).all()
        assert not np.isnan(model.seen[0]["obs"][~mask]).any()


def test_many_cases_are_asked_in_batches():
    model = Model()
    found = run(model, cases=weather(CASES_AT_ONCE + 3))
    assert [len(inputs["obs"]) for inputs in model.seen] == [CASES_AT_ONCE, 3]
    assert len(found["wind"]) == CASES_AT_ONCE + 3


def test_a_few_crossing_quantiles_are_sorted():
    def swap(values):
        crossed = values.copy()
        crossed[0, 0, :2] = values[0, 0, 1::-1]
        return crossed

    found = run(Model(with_output("temperature", swap)))
    assert (np.diff(found["temperature"], axis=-1) >= 0).all()
    crossing = check(Model(with_output("temperature", swap)))["crossing"]
    assert crossing["temperature"] > 0
    assert crossing["wind_speed"] == 0


def broken_at_the_top(values):
    return np.where(values == values.max(), np.nan, values)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("dew_point", broken_at_the_top, "dew_point is not finite in 1 of 5 cases"),
        ("temperature", lambda v: v[..., ::-1], "output temperature cross in 100%.*in the order"),
        ("temperature", lambda v: v - 273.15, "has 100% of its values outside -90 to 60 degC.*unit"),
        ("precipitation_type", np.log, "precipitation_type has .* outside 0 to 1.*logits"),
        ("cloud_base", lambda v: v * 0.9, "of output cloud_base sum to something else than 1"),
        ("wind", lambda v: v[:, :24], r"wind of 5 cases has shape \(5, 24, 2\); .* \(5, 48, 2\)"),
        ("wind_speed", lambda v: v[..., :3], r"shape \(5, 48, 3\)"),
        ("dew_point", lambda v: v.astype(np.int32), "type int32; allowed are floats"),
    ],
)
def test_answers_that_no_teacher_may_give_are_refused(name, values, message):
    with pytest.raises(TeacherRefused, match=message):
        run(Model(with_output(name, values)))


def test_an_output_too_few_and_one_too_many_are_refused():
    with pytest.raises(TeacherRefused, match=r"no output 'out_wind'.*it gives out_temperature"):
        run(Model(lambda outputs: {k: v for k, v in outputs.items() if k != "out_wind"}))
    extra = Model(lambda outputs: outputs | {"gusts": np.zeros((5, 48))})
    with pytest.raises(TeacherRefused, match=r"also gives gusts.*ignored_outputs"):
        run(extra)
    assert "wind" in run(extra, side_document(ignored_outputs=["gusts"]))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"obs": (1, 48, 9), "place": (1, 3)},
            "obs takes exactly 1 cases at once; a teacher must take any number",
        ),
        ({"obs": (None, 24, 9), "place": (None, 3)}, r"obs has shape \(None, 24, 9\); the side file says"),
        ({"obs": (None, 48, 9)}, "no input 'place'.*it takes obs"),
        (
            {"obs": None, "place": None, "radar": None},
            "also takes radar, which the side file does not mention",
        ),
    ],
)
def test_inputs_that_the_side_file_does_not_fit_are_refused(inputs, message):
    with pytest.raises(TeacherRefused, match=message):
        check(Model(inputs=inputs))


def test_a_model_that_fails_on_another_number_of_cases_is_refused_with_the_shapes():
    def only_one(outputs):
        if len(outputs["out_wind"]) != 1:
            raise ValueError("expected 1 case")
        return outputs

    with pytest.raises(
        TeacherRefused, match=r"fails on obs \(5, 48, 9\).*expected 1 case.*free first dimension"
    ):
        check(Model(only_one))


def test_an_answer_that_depends_on_the_other_cases_is_refused():
    centred = Model(with_output("dew_point", lambda v: v - v.mean(axis=0)))
    with pytest.raises(TeacherRefused, match=r"dew_point of the same case differs by .* for inference"):
        check(centred)
