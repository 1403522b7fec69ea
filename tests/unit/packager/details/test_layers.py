"""What each layer lost: only the layers that changed lose, and what is put in is taken out again."""

from functools import cache

import numpy as np
import pytest

from packager.compress.layers import compressible, kernel_of
from packager.details.layers import layer_errors
from packager.details.weights import artifact_weights
from packager.student import load_student, read_description, save_student
from tests.compression import windows
from tests.students import CONTRACT, FOLDER, student_folder, tflite

CASES = windows(3, 40)


def kernels(folder):
    return {layer.name: kernel_of(layer).numpy() for layer in compressible(load_student(folder))}


def errors(constants, **options):
    return layer_errors(student_folder(), constants, CASES, CONTRACT, **options)


@cache
def of_artifact(quantization):
    return errors(artifact_weights(tflite(quantization)[0], "tflite"))


def test_exact_copies_lose_nothing():
    found = errors(list(kernels(student_folder()).values()))
    assert found["cases"] == 40
    assert found["all_weights_percent"] == 0.0
    assert [row["layer"] for row in found["layers"]] == list(kernels(student_folder()))
    for row in found["layers"]:
        assert (row["weight_error"], row["output_error"], row["loss_percent"]) == (0.0, 0.0, 0.0)


def test_only_the_layer_that_changed_loses():
    own = kernels(student_folder())
    changed = "body_context"
    found = errors([kernel * (0.5 if name == changed else 1.0) for name, kernel in own.items()])
    rows = {row["layer"]: row for row in found["layers"]}
    assert rows[changed]["weight_error"] == pytest.approx(0.5, abs=1e-4)
    assert rows[changed]["output_error"] > 0
    assert rows[changed]["loss_percent"] == found["all_weights_percent"] != 0.0
    assert {row["loss_percent"] for name, row in rows.items() if name != changed} == {0.0}


def test_fewer_bits_err_more_in_every_layer():
    # The last layer keeps 8 bits whatever the others get.
    eight, four = (of_artifact(quantization)["layers"][:-1] for quantization in ("w8a8", "w4"))
    for fine, coarse in zip(eight, four, strict=True):
        assert 0 < fine["weight_error"] < coarse["weight_error"]
        assert fine["output_error"] < coarse["output_error"]
    assert four[0]["values"] < eight[0]["values"]


def test_a_layer_that_the_converter_merged_has_no_errors_and_does_not_stop_the_others():
    own = kernels(student_folder())
    missing = next(iter(own))
    found = errors([kernel for name, kernel in own.items() if name != missing])
    assert found["layers"][0]["loss_percent"] is None
    assert found["layers"][0]["weights"] == own[missing].size
    assert found["layers"][1]["loss_percent"] == 0.0
    assert errors([])["all_weights_percent"] is None


def test_zeros_and_shared_values_are_counted_in_the_artifact():
    own = kernels(student_folder())
    name = "body_context"
    pruned = own[name] * (np.abs(own[name]) > np.median(np.abs(own[name])))
    rows = {row["layer"]: row for row in errors([pruned])["layers"]}
    assert rows[name]["zeros"] == pytest.approx(0.5, abs=0.01)
    assert rows[name]["values"] == len(np.unique(pruned))


def test_how_far_the_steps_moved_a_layer_is_told_where_its_shape_is_the_same():
    model = load_student(student_folder())
    layer = compressible(model)[0]
    kernel_of(layer).assign(kernel_of(layer) * 0.8)
    save_student(model, read_description(student_folder()), FOLDER / "before-steps")
    moved = [row["moved"] for row in errors([], distilled=FOLDER / "before-steps")["layers"]]
    assert moved[0] == pytest.approx(0.25, abs=1e-4)
    assert set(moved[1:]) == {0.0}
    assert {row["moved"] for row in errors([])["layers"]} == {None}
