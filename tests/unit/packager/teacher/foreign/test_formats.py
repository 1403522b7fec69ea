"""Every format gives the same numbers for the same function; what cannot be loaded says why."""

import warnings
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from packager.errors import RuntimeUnavailable, TeacherRefused
from packager.teacher.forecasting import forecasts_of
from packager.teacher.foreign import FORMATS, open_model
from packager.teacher.foreign.detection import detect_format
from packager.teacher.foreign.isolated import Question, ask, interpreter_for
from packager.teacher.foreign.keeping import digest_of, find_foreign, foreign_description, keep_foreign
from packager.teacher.foreign.running import check_model, run_model
from packager.teacher.foreign.side_file import parse_teacher_contract
from tests.foreign_models import (
    CONTRACT,
    by_position,
    expected,
    keras_model,
    need_torch,
    numbers,
    save_onnx,
    save_saved_model,
    save_torch,
    side_document,
    write_side,
)
from tests.students import FOLDER, weather

CASES = weather(20)
SIDE = parse_teacher_contract(side_document(), CONTRACT)


@cache
def saved(name: str) -> Path:
    """The function as a file or folder of this name."""
    path = FOLDER / f"foreign-{name}"
    path.parent.mkdir(exist_ok=True)
    if name == "saved_model":
        return save_saved_model(path)
    if name.endswith(".onnx"):
        return save_onnx(path)
    library = __import__("keras" if name.startswith("keras3") else "tf_keras")
    with warnings.catch_warnings():
        # Both call `.h5` a legacy format, and Keras 3 speaks numpy 1's protocol.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        keras_model(library).save(path)
    return path


@cache
def torch_folder() -> Path:
    folder = FOLDER / "foreign-torch"
    folder.mkdir(exist_ok=True)
    return save_torch(folder)


def close(found, wanted):
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, atol=5e-4, err_msg=name)


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("keras3.keras", "keras"),
        ("keras3.h5", "keras"),
        ("keras2.keras", "tf_keras"),
        ("keras2.h5", "tf_keras"),
        ("saved_model", "saved_model"),
        ("model.onnx", "onnx"),
    ],
)
def test_a_format_is_known_by_its_content_and_gives_the_same_numbers(name, format_):
    path = saved(name)
    assert detect_format(path) == format_
    model = open_model(path, format_, signature="serving_default")
    assert check_model(model, SIDE, CONTRACT, CASES)["parameters"] > 6000
    close(run_model(model, SIDE, CONTRACT, CASES), expected(CASES))


@pytest.mark.parametrize(("name", "format_"), [("model.pt2", "pt2"), ("model.pt", "torchscript")])
def test_pytorch_formats_give_the_same_numbers_where_pytorch_is(name, format_):
    path = torch_folder() / name
    assert detect_format(path) == format_
    side = side_document() if format_ == "pt2" else by_position(side_document())
    outputs, _ = ask(Question(path, format_, side, CONTRACT.document), CASES)
    close(outputs, expected(CASES))


def test_a_program_for_one_case_only_is_no_teacher():
    question = Question(torch_folder() / "one.pt2", "pt2", side_document(), CONTRACT.document, check=True)
    with pytest.raises(TeacherRefused, match=r"one\.pt2: .* takes exactly 1 cases.*Dim in torch\.export"):
        ask(question, CASES)


def test_a_kept_model_forecasts_from_its_folder_alone(tmp_path):
    path = save_onnx(tmp_path / "teacher.onnx")
    write_side(path)
    given = find_foreign(path, None, CONTRACT)
    description = keep_foreign(given, CONTRACT, CASES, tmp_path / "kept")
    path.unlink()
    forecasts = forecasts_of(tmp_path / "kept")
    assert forecasts.parameters == description["parameters"] == sum(v.size for v in numbers().values())
    close(forecasts(CASES), expected(CASES))
    assert foreign_description(tmp_path / "kept")["side"] == side_document()


def test_a_model_that_dies_is_a_refusal_with_its_last_words(tmp_path, monkeypatch):
    dies = "import os, signal; print('no memory', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {interpreter_for("onnx")} -c "{dies}"\n')
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv("TORCH_PYTHON", str(tmp_path / "python"))
    question = Question(tmp_path / "big.pt2", "pt2", side_document(), CONTRACT.document)
    with pytest.raises(TeacherRefused, match=r"big\.pt2 died of SIGKILL while it was run:\nno memory"):
        ask(question, CASES)


def test_a_machine_without_pytorch_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_PYTHON", str(tmp_path / "nowhere"))
    with pytest.raises(RuntimeUnavailable, match=r"nowhere does not exist.*make install-torch"):
        interpreter_for("pt2")


def test_pytorch_is_there_where_it_must_be():
    need_torch()
    assert set(FORMATS) >= {"pt2", "torchscript"}


def zipped(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, '{"keras_version": "1.0"}')
    return path


def test_what_is_no_model_is_refused_with_the_formats_that_are(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "model.tflite").write_bytes(b"\x1c\0\0\0TFL3")
    (tmp_path / "notes.txt").write_text("nothing")
    for path, message in [
        (tmp_path / "gone.onnx", r"does not exist. Give a Keras 3"),
        (tmp_path / "empty", r"folder without saved_model\.pb"),
        (tmp_path / "model.tflite", "TFLite file, made for phones"),
        (tmp_path / "notes.txt", "none of the known formats.*TorchScript"),
        (zipped(tmp_path / "weights.pt", "weights/data.pkl"), r"pickled weights.*torch\.export\.save"),
        (zipped(tmp_path / "old.keras", "config.json", "metadata.json"), r"saved by Keras 1\.0"),
        (zipped(tmp_path / "photos.zip", "a.jpg"), "zip archive of something else"),
    ]:
        with pytest.raises(TeacherRefused, match=message):
            detect_format(path)


def test_stored_python_code_is_not_run(tmp_path):
    import keras

    layers = keras.layers
    given = layers.Input((3,), name="place")
    keras.Model(given, layers.Lambda(lambda x: x * 2)(given)).save(tmp_path / "code.keras")
    with pytest.raises(TeacherRefused, match=r"cannot be loaded as keras.*without stored Python code"):
        open_model(tmp_path / "code.keras", "keras", signature="")


def test_a_damaged_model_is_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(save_onnx(tmp_path / "whole.onnx").read_bytes()[:2000])
    with pytest.raises(TeacherRefused, match=r"model\.onnx cannot be loaded as onnx"):
        open_model(tmp_path / "model.onnx", "onnx", signature="")


def test_an_unknown_signature_lists_those_there_are():
    with pytest.raises(TeacherRefused, match="the signatures serving_default; 'predict' is not"):
        open_model(saved("saved_model"), "saved_model", signature="predict")


def test_a_digest_sees_names_and_bytes_of_a_folder(tmp_path):
    (tmp_path / "a").write_text("1")
    first = digest_of(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert digest_of(tmp_path) != first
