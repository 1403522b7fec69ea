"""Weights read back from artifacts are those of the student, whatever an exporter did to them."""

import numpy as np
import pytest

from packager.compress.layers import compressible, kernel_of
from packager.details.weights import artifact_weights, find_kernel
from packager.errors import ArtifactRefused
from tests.students import micro, mlpackage, onnx, small_student, tflite


def kernels():
    return {layer.name: kernel_of(layer).numpy() for layer in compressible(small_student())}


def errors(path, format_):
    """By layer, the relative error of the weights that were found; None where none were."""
    constants = artifact_weights(path, format_)
    found = {name: find_kernel(kernel, constants) for name, kernel in kernels().items()}
    return {
        name: None
        if held is None
        else float(np.linalg.norm(held - kernels()[name]) / np.linalg.norm(kernels()[name]))
        for name, held in found.items()
    }


ARTIFACTS = {
    "float32": (lambda: tflite("fp32"), "tflite", 1e-6),
    "half": (lambda: tflite("fp16"), "tflite", 1e-3),
    "int8": (lambda: tflite("w8a8"), "tflite", 0.02),
    "int4": (lambda: tflite("w4"), "tflite", 0.25),
    "palette": (lambda: mlpackage("pal4"), "coreml", 0.25),
    "Core ML int8": (lambda: mlpackage("int8"), "coreml", 0.02),
    "ONNX float32": (lambda: onnx("fp32"), "onnx", 1e-6),
    "ONNX int8": (lambda: onnx("w8a8"), "onnx", 0.02),
    "micro": (micro, "micro", 0.02),
}


@pytest.mark.parametrize("kind", ARTIFACTS)
def test_every_layer_is_found_and_as_near_as_its_bits_allow(kind):
    artifact, format_, most = ARTIFACTS[kind]
    found = errors(artifact()[0], format_)
    assert None not in found.values()
    assert max(found.values()) < most


def test_compressed_weights_are_told_from_the_original():
    assert min(errors(tflite("w8a8")[0], "tflite").values()) > 1e-4


def test_axes_are_put_back_in_the_kernel_s_order():
    kernel = np.random.default_rng(1).normal(size=(3, 1, 4, 5)).astype(np.float32)
    held = np.transpose(kernel, (3, 0, 1, 2))
    np.testing.assert_array_equal(find_kernel(kernel, [held[:, ::-1], held]), kernel)


def test_a_matrix_that_is_not_in_the_file_is_not_found():
    random = np.random.default_rng(1)
    kernel, stranger = random.normal(size=(2, 8, 8)).astype(np.float32)
    assert find_kernel(kernel, [stranger, np.zeros((4, 4), np.float32)]) is None
    assert find_kernel(kernel, []) is None


def test_a_format_that_is_not_known_is_refused_with_the_known_ones():
    with pytest.raises(ArtifactRefused, match="'gguf' are not read; known are tflite, coreml, onnx, micro"):
        artifact_weights(tflite("fp32")[0], "gguf")
