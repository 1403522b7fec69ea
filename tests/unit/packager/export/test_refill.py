"""A retrained student goes into the released artifact: what training left alone keeps every bit."""

import gc
import warnings
from functools import cache

import numpy as np
import pytest

from packager.errors import ConversionFailed
from packager.export.coreml import export_coreml
from packager.export.palette import nearest_entries
from packager.export.refill import refill_tflite
from packager.export.refill_coreml import refill_package
from packager.export.tflite import convert_float, export_tflite
from packager.runtimes import open_runtime
from packager.student import build
from tests.students import CONTRACT, bytes_of, description, mlpackage, small_student, tflite, weather

MOVED = "body_decode1"


def student_with(change, layer=MOVED):
    """The small student with one layer's kernel changed."""
    model = build(description())
    model.set_weights(small_student().get_weights())
    kernel, bias = model.get_layer(layer).get_weights()
    model.get_layer(layer).set_weights([change(kernel), bias])
    return model


def largest_moved(kernel):
    """One weight of the kernel, half way to zero: inside every scale and palette."""
    moved = kernel.copy()
    moved.flat[np.abs(kernel).argmax()] /= 2
    return moved


@cache
def retrained():
    return student_with(largest_moved)


@pytest.fixture(scope="module")
def moved_package(tmp_path_factory):
    """The retrained student as a fresh fp16 package."""
    return package(tmp_path_factory.mktemp("moved"), retrained(), "fp16")[0]


def package(folder, model, weights, frozen=None):
    path = folder / "model.mlpackage"
    with warnings.catch_warnings():
        # coremltools leaves its temporary folders to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        facts = export_coreml(model, CONTRACT, path, weights=weights, frozen=frozen)
        gc.collect()
    return path, facts


def refilled(tmp_path, model, quantization):
    path = tmp_path / "next.tflite"
    frozen = tflite(quantization)[0]
    facts = export_tflite(model, CONTRACT, path, quantization=quantization, calibration=None, frozen=frozen)
    return path, facts


def changed(old, new):
    assert len(old) == len(new)
    return int((np.frombuffer(old, np.uint8) != np.frombuffer(new, np.uint8)).sum())


@cache
def float_file(moved):
    return convert_float(retrained() if moved else small_student(), CONTRACT, batch=1)


@pytest.mark.parametrize("quantization", ["fp32", "fp16", "dynamic", "w8a8", "w8a16", "w4"])
def test_a_student_that_did_not_move_is_the_released_file(quantization):
    released = tflite(quantization)[0].read_bytes()
    assert refill_tflite(released, float_file(moved=False)) == released


def test_an_export_with_frozen_scales_says_of_the_file_what_the_first_one_said(tmp_path):
    path, facts = refilled(tmp_path, small_student(), "w8a8")
    released, said = tflite("w8a8")
    assert path.read_bytes() == released.read_bytes()
    assert facts == {key: value for key, value in said.items() if key != "calibration_cases"}


@pytest.mark.parametrize(
    ("quantization", "most"), [("fp16", 2), ("dynamic", 1), ("w8a8", 1), ("w8a16", 1), ("w4", 1)]
)
def test_one_moved_weight_is_one_moved_code(quantization, most):
    released = tflite(quantization)[0].read_bytes()
    assert 1 <= changed(released, refill_tflite(released, float_file(moved=True))) <= most


def test_a_refilled_int8_file_computes_what_the_retrained_student_does(tmp_path):
    model = student_with(lambda kernel: kernel * np.float32(0.8))
    path, _ = refilled(tmp_path, model, "w8a8")
    inputs = weather(40)
    wanted = {name: value.numpy() for name, value in model(inputs, training=False).items()}
    now, before = (open_runtime(file, "tflite").run(inputs) for file in (path, tflite("w8a8")[0]))
    for name in ("temperature", "pressure_msl", "cloud_cover"):
        assert np.abs(now[name] - wanted[name]).mean() < 0.7 * np.abs(before[name] - wanted[name]).mean()


def test_a_weight_beyond_the_frozen_scale_stops_at_its_end(tmp_path):
    path, _ = refilled(tmp_path, student_with(lambda kernel: kernel * np.float32(10)), "w8a8")
    for values in open_runtime(path, "tflite").run(weather(5)).values():
        assert np.isfinite(values).all()


def other_student():
    from packager.student import describe
    from packager.student.lead_decoder import LeadDecoderConfig
    from packager.student.normalisation import Normalisation

    config = LeadDecoderConfig(channels=16, context=32, per_lead=4, hidden=(32, 16))
    normalisation = Normalisation.from_dict(description()["normalisation"])
    return build(describe("lead_decoder", CONTRACT, normalisation, [config]))


def test_a_student_of_other_sizes_does_not_fit(tmp_path):
    with pytest.raises(ConversionFailed, match=r"different graphs: .*train a release from scratch"):
        refilled(tmp_path, other_student(), "w8a8")
    assert not (tmp_path / "next.tflite").exists()


def test_a_constant_of_another_name_is_another_graph():
    renamed = float_file(moved=False).replace(b"body_decode1/Conv2D", b"body_decodeX/Conv2D")
    with pytest.raises(ConversionFailed, match=r"different graphs: their constants differ in names"):
        refill_tflite(tflite("fp32")[0].read_bytes(), renamed)


def test_a_package_of_a_student_that_did_not_move_is_the_released_one(tmp_path):
    path, facts = package(tmp_path, small_student(), "pal4", frozen=mlpackage("pal4")[0])
    assert bytes_of(path) == bytes_of(mlpackage("pal4")[0])
    assert facts == mlpackage("pal4")[1]
    refill_package(mlpackage("fp16")[0], mlpackage("fp16")[0], tmp_path / "fp16.mlpackage")
    assert bytes_of(tmp_path / "fp16.mlpackage") == bytes_of(mlpackage("fp16")[0])


@pytest.mark.parametrize(("weights", "most"), [("fp16", 2), ("pal4", 1)])
def test_one_moved_weight_moves_one_place_of_the_weight_file(tmp_path, moved_package, weights, most):
    path = tmp_path / "next.mlpackage"
    refill_package(mlpackage(weights)[0], moved_package, path)
    old, new = bytes_of(mlpackage(weights)[0]), bytes_of(path)
    blob = "Data/com.apple.CoreML/weights/weight.bin"
    assert 1 <= changed(old[blob], new[blob]) <= most
    assert {name for name in old if old[name] != new[name]} == {blob}


def test_a_package_of_a_student_of_other_sizes_does_not_fit(tmp_path):
    with pytest.raises(ConversionFailed, match="different graphs"):
        package(tmp_path, other_student(), "fp16", frozen=mlpackage("pal4")[0])


def test_a_weight_keeps_its_entry_until_it_is_nearer_to_another():
    table = np.array([-1, 0, 1, 1], np.float16)
    weights = np.array([[-9, -0.6, -0.5], [0.4, 0.6, 9]], np.float16)
    assert nearest_entries(weights, table).tolist() == [0, 0, 0, 1, 2, 2]
