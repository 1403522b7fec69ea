"""What a student is asked to learn from its teacher."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from packager.compress.distil import DistilOptions, Lesson, soft_loss
from packager.compress.labels import teacher_labels
from packager.compress.lesson import guidance_hidden
from packager.contract import reference_contract
from packager.dataset.windows import Windows
from packager.errors import TrainingFailed
from packager.student import load_student, read_description, save_student
from packager.student.losses import WEIGHTS
from packager.student.normalisation import measure_normalisation
from packager.student.training import TrainingOptions
from tests.students import expected, student_folder, weather

CONTRACT = reference_contract()
CASES = 8
NORMALISATION = measure_normalisation(weather(200), CONTRACT)
TOTAL_WEIGHT = sum(WEIGHTS.get(spec.name, 1.0) for spec in CONTRACT.outputs)


@pytest.fixture
def teacher():
    return {name: values.copy() for name, values in expected(CASES).items()}


def loss(outputs, teacher, temperature=2.0):
    labels = {f"teacher_{name}": values for name, values in teacher.items()}
    return float(soft_loss(outputs, labels, CONTRACT, NORMALISATION, temperature=temperature))


def test_a_student_that_says_the_same_has_nothing_to_learn(teacher):
    assert loss(teacher, teacher) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["temperature", "pressure_msl", "wind", "cloud_cover"])
def test_numbers_are_compared_in_widths_of_their_output(teacher, name):
    student = teacher | {name: teacher[name] + 0.5}
    width = NORMALISATION.output_scale(name)[1]
    expected_loss = WEIGHTS.get(name, 1.0) * 0.5 / width / TOTAL_WEIGHT
    assert loss(student, teacher) == pytest.approx(expected_loss, rel=1e-3)


def test_amounts_are_compared_by_their_logarithm(teacher):
    drizzle, downpour = dict(teacher), dict(teacher)
    drizzle["precipitation"] = np.full_like(teacher["precipitation"], 0.1)
    downpour["precipitation"] = np.full_like(teacher["precipitation"], 20.0)
    in_drizzle = loss(drizzle | {"precipitation": drizzle["precipitation"] + 0.1}, drizzle)
    in_downpour = loss(downpour | {"precipitation": downpour["precipitation"] + 0.1}, downpour)
    assert in_drizzle == pytest.approx(WEIGHTS["precipitation"] * np.log(1.5) / TOTAL_WEIGHT, rel=1e-4)
    assert in_downpour < in_drizzle / 50


def test_classes_are_compared_by_the_divergence_of_softened_chances(teacher):
    def soften(chances):
        powered = (chances + 1e-6) ** (1 / 3.0)
        return powered / powered.sum()

    told, said = np.array([0.9, 0.06, 0.03, 0.01]), np.array([0.4, 0.3, 0.2, 0.1])
    shape = teacher["precipitation_type"].shape
    labels = teacher | {"precipitation_type": np.broadcast_to(told, shape).astype(np.float32)}
    student = teacher | {"precipitation_type": np.broadcast_to(said, shape).astype(np.float32)}
    divergence = (soften(told) * np.log(soften(told) / soften(said))).sum()
    share = WEIGHTS.get("precipitation_type", 1.0) / TOTAL_WEIGHT
    assert loss(student, labels, temperature=3.0) == pytest.approx(divergence * 9 * share, rel=1e-3)


def test_a_chance_of_zero_is_no_trap(teacher):
    certain = np.zeros_like(teacher["precipitation_type"])
    certain[..., 0] = 1
    labels = {f"teacher_{name}": tf.constant(values) for name, values in teacher.items()}
    chances = tf.Variable(certain)
    with tf.GradientTape() as tape:
        value = soft_loss(
            teacher | {"precipitation_type": chances}, labels, CONTRACT, NORMALISATION, temperature=2.0
        )
    assert np.isfinite(float(value))
    assert np.isfinite(tape.gradient(value, chances).numpy()).all()


def test_labels_are_the_teachers_outputs_in_half_precision_where_that_is_enough(teacher):
    inputs = weather(CASES)
    windows = Windows(inputs=inputs, targets={}, station=np.zeros(CASES, int), init_hour=np.arange(CASES))
    labels = teacher_labels(student_folder(), windows, CONTRACT)
    assert labels["teacher_cloud_cover"].dtype == np.float16
    # Half precision would keep whole hectopascals only.
    np.testing.assert_allclose(labels["teacher_pressure_msl"], teacher["pressure_msl"], atol=1e-3)
    for name, values in teacher.items():
        np.testing.assert_allclose(labels[f"teacher_{name}"], values, atol=0.032, rtol=1e-6, err_msg=name)


def test_options_can_be_written_down():
    assert DistilOptions(temperature=3.0).to_dict()["training"]["epochs"] == 12


def test_the_teacher_labels_cases_whose_guidance_is_hidden_already():
    known = {"guidance": np.ones((200, 48, 7), np.float32), "guidance_mask": np.ones((200, 48, 7))}
    windows = Windows(inputs=known, targets={}, station=np.zeros(200, int), init_hour=np.arange(200))
    options = TrainingOptions(hide_guidance=0.5)
    hidden, left = guidance_hidden(windows, options)
    share = (hidden.inputs["guidance_mask"] == 0).any(axis=(1, 2)).mean()
    assert 0.35 < share < 0.65
    assert left == replace(options, hide_guidance=0.0)
    again, _ = guidance_hidden(windows, options)
    np.testing.assert_array_equal(again.inputs["guidance"], hidden.inputs["guidance"])


def test_without_quantile_matching_only_the_middle_is_compared(teacher):
    spec = CONTRACT.output("temperature")
    middle = spec.levels.index(0.5)
    wide = teacher["temperature"].copy()
    wide[..., [index for index in range(len(spec.levels)) if index != middle]] += 3.0
    labels = {f"teacher_{name}": values for name, values in teacher.items()}
    for matching, expected_loss in ((False, 0.0), (True, None)):
        value = float(
            soft_loss(
                teacher | {"temperature": wide},
                labels,
                CONTRACT,
                NORMALISATION,
                temperature=2.0,
                quantile_matching=matching,
            )
        )
        assert value == pytest.approx(expected_loss, abs=1e-6) if expected_loss == 0 else value > 0.01


def test_medians_alone_teach_no_spread():
    with pytest.raises(TrainingFailed, match=r"nothing teaches the other quantiles\. Raise hard_share"):
        DistilOptions(quantile_matching=False, hard_share=0.0)


def given(targets, inputs=None):
    count = len(next(iter(targets.values())))
    return Windows(inputs or weather(count), targets, np.zeros(count, int), np.arange(count))


def prepared(windows, hard_share=0.1):
    options = DistilOptions(hard_share=hard_share)
    return Lesson.prepare(student_folder(), windows, windows, CONTRACT, NORMALISATION, options)


def observed():
    shapes = {spec.name: (CASES, 48, 2) if spec.name == "wind" else (CASES, 48) for spec in CONTRACT.outputs}
    return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


def test_an_output_without_targets_is_the_teachers_alone_or_nobodys():
    windows = given(observed() | {"cloud_base": np.full((CASES, 48), np.nan, np.float32)})
    assert "target for cloud_base: the teacher alone teaches it" in prepared(windows).note
    assert prepared(windows, hard_share=0.0).note == ""
    with pytest.raises(
        TrainingFailed, match=r"target for cloud_base, and hard_share 1 .* or lower hard_share"
    ):
        prepared(windows, hard_share=1.0)


def test_an_infinite_target_is_named_and_counted():
    targets = observed()
    targets["pressure_msl"][0, :3] = np.inf
    with pytest.raises(TrainingFailed, match="3 targets of pressure_msl are infinite"):
        prepared(given(targets))


def test_an_input_that_is_no_number_is_named_by_its_channel():
    inputs = weather(CASES)
    inputs["history"][2:4, 5, 1] = np.nan
    with pytest.raises(
        TrainingFailed, match=r"Input history is not finite: channel dew_point in 2 of 8 cases"
    ):
        prepared(given(observed(), inputs))


def test_labels_that_are_no_numbers_are_the_teachers_fault(tmp_path):
    model = load_student(student_folder())
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    save_student(model, read_description(student_folder()), tmp_path)
    with pytest.raises(TrainingFailed, match=r"The teacher's \w+ is not finite in 8 of 8 training cases"):
        teacher_labels(tmp_path, given(observed()), CONTRACT)
