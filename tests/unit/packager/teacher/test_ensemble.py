"""Members differ by their seed only, and are joined into one model on disk."""

import numpy as np
import pytest

from packager.contract import reference_contract
from packager.student import build, describe, load_student, save_student
from packager.student.normalisation import measure_normalisation
from packager.student.training import TrainingOptions
from packager.teacher.ensemble import TeacherOptions, join_members
from tests.students import weather

CONTRACT = reference_contract()
OPTIONS = TeacherOptions(
    members=2,
    channels=8,
    context=16,
    per_lead=2,
    linear=4,
    hidden=(16,),
    training=TrainingOptions(epochs=1, seed=7),
)


def test_each_member_has_its_own_seed_and_a_regression():
    first, second = OPTIONS.member(0), OPTIONS.member(1)
    assert (first.seed, second.seed) == (7, 8)
    assert first.regression
    assert second.regression
    assert first.to_dict() | {"seed": 8} == second.to_dict()


def test_joining_keeps_every_members_weights_in_order(tmp_path):
    normalisation = measure_normalisation(weather(60), CONTRACT)
    folders, models = [], []
    for index in range(2):
        told = describe("lead_decoder", CONTRACT, normalisation, [OPTIONS.member(index)])
        models.append(build(told))
        folders.append(tmp_path / f"member{index}")
        save_student(models[-1], told, folders[-1])
    join_members(folders, CONTRACT, normalisation, OPTIONS, tmp_path / "teacher")
    teacher, inputs = load_student(tmp_path / "teacher"), weather(5)
    first, second = (model(inputs)["temperature"] for model in models)
    assert np.abs(first - second).max() > 1e-3
    assert teacher(inputs)["temperature"].numpy() == pytest.approx(((first + second) / 2).numpy(), abs=1e-4)
