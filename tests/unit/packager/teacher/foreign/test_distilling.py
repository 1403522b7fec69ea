"""A model from elsewhere teaches a student in the whole pipeline, and is found again."""

import pytest

from packager.errors import TeacherRefused
from packager.pipeline import Pipeline
from packager.recipes import Profile, get_recipe
from tests.foreign_models import save_onnx, side_document, write_side
from tests.small_dataset import write_small_dataset

PROFILE = Profile(
    "tiny", stride=48, members=1, teacher_epochs=1, student_epochs=1, scored_cases=10,
    student=(("channels", 8), ("context", 16), ("per_lead", 2), ("linear", 4), ("hidden", (16,))),
)  # fmt: skip


@pytest.fixture(scope="module")
def dataset_file(tmp_path_factory):
    return write_small_dataset(tmp_path_factory.mktemp("dataset") / "small.parquet")


@pytest.fixture
def teacher(tmp_path):
    path = save_onnx(tmp_path / "teacher.onnx")
    write_side(path)
    return path


def test_a_student_is_distilled_from_a_model_from_elsewhere(tmp_path, dataset_file, teacher):
    pipeline = Pipeline(tmp_path / "work", PROFILE, dataset_file=dataset_file, teacher_file=teacher)
    stage = pipeline.teacher()
    assert (stage.facts["format"], stage.facts["file"]) == ("onnx", "teacher.onnx")
    assert set(stage.facts["scores"]) == {"unseen_station", "unseen_period"}
    student = pipeline.student(get_recipe("tflite_fp16"))
    assert student.inputs["teacher"] == stage.key
    assert student.facts["parameters"] > 0
    again = Pipeline(tmp_path / "work", PROFILE, dataset_file=dataset_file, teacher_file=teacher).teacher()
    assert (again.cached, again.key) == (True, stage.key)


def test_another_side_file_is_another_teacher(tmp_path, dataset_file, teacher):
    first = Pipeline(tmp_path / "work", PROFILE, dataset_file=dataset_file, teacher_file=teacher).teacher()
    other = write_side(tmp_path / "other.onnx", side_document(description="the same, described"))
    second = Pipeline(
        tmp_path / "work", PROFILE, dataset_file=dataset_file, teacher_file=teacher, teacher_contract=other
    ).teacher()
    assert second.key != first.key


def test_a_teacher_that_breaks_the_contract_leaves_no_stage(tmp_path, dataset_file, teacher):
    document = side_document()
    document["outputs"]["temperature"]["units"] = "degC"
    write_side(teacher, document)
    pipeline = Pipeline(tmp_path / "work", PROFILE, dataset_file=dataset_file, teacher_file=teacher)
    with pytest.raises(
        TeacherRefused, match=r"teacher\.onnx: Output temperature has .* outside -90 to 60 degC"
    ):
        pipeline.teacher()
    assert list((tmp_path / "work" / "teacher").iterdir()) == []


def test_a_recipe_of_pytorch_asks_for_its_model(tmp_path, dataset_file):
    pipeline = Pipeline(tmp_path / "work", PROFILE, dataset_file=dataset_file)
    with pytest.raises(TeacherRefused, match=r"torch_tflite converts a PyTorch model .*--model FILE\.pt2"):
        pipeline.model(get_recipe("torch_tflite"))
