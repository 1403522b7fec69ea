import os
import subprocess
import sys
from functools import cache

import numpy as np
import onnx as onnx_format
import pytest

from packager.contract import REFERENCE_CONTRACT
from packager.errors import ConversionFailed
from packager.export.isolated import ConversionRequest, convert
from packager.export.onnx import export_onnx
from packager.export.onnx_names import canonical_model
from packager.runtimes import open_runtime
from tests.students import CONTRACT, expected, onnx, small_student, student_folder, weather


@cache
def loaded(quantization):
    return onnx_format.load(onnx(quantization)[0])


def test_an_int8_body_changes_little_on_cases_it_was_not_calibrated_with():
    outputs = open_runtime(onnx("w8a8")[0], "onnx").run(weather(60))
    for name, wanted in expected(60).items():
        moved = np.abs(outputs[name] - wanted)
        assert 0 < np.median(moved) < 0.1 * wanted.std(), name


def test_quantiles_stay_ordered_and_probabilities_sum_to_one_in_int8():
    outputs = open_runtime(onnx("w8a8")[0], "onnx").run(weather(30))
    for spec in CONTRACT.outputs:
        if spec.kind == "quantiles":
            assert (np.diff(outputs[spec.name], axis=-1) >= 0).all(), spec.name
        if spec.kind == "probabilities":
            np.testing.assert_allclose(outputs[spec.name].sum(-1), 1, rtol=1e-5)


def test_the_body_is_int8_and_the_file_small():
    float_file, int8_file = onnx("fp32")[0], onnx("w8a8")[0]
    assert int8_file.stat().st_size < 0.6 * float_file.stat().st_size
    facts = onnx("w8a8")[1]
    assert facts["tensors"]["int8"] > 15
    assert facts["quantized_operations"] > 15
    assert facts["calibration_cases"] == 100
    assert "int8" not in onnx("fp32")[1]["tensors"]


def test_names_are_numbers_and_the_converter_left_no_trace():
    model = loaded("w8a8")
    assert not model.producer_name
    assert not model.graph.value_info
    assert [node.name for node in model.graph.node] == [f"n{i + 1}" for i in range(len(model.graph.node))]
    assert not any("body_" in value for node in model.graph.node for value in (*node.input, *node.output))
    assert [item.name for item in model.graph.input] == [spec.name for spec in CONTRACT.inputs]
    assert [item.name for item in model.graph.output] == [spec.name for spec in CONTRACT.outputs]


def renamed(model):
    """The same graph with other names, its operations and constants in another order that also works."""
    other = onnx_format.ModelProto()
    other.CopyFrom(model)
    borders = {item.name for item in (*model.graph.input, *model.graph.output)}
    for node in other.graph.node:
        node.name = f"other_{node.name}"
        for values in (node.input, node.output):
            values[:] = [value if value in borders or not value else f"x_{value}" for value in values]
    for item in other.graph.initializer:
        item.name = f"x_{item.name}"
    constants = list(reversed(other.graph.initializer))
    del other.graph.initializer[:]
    other.graph.initializer.extend(constants)
    return other


def test_other_names_and_another_order_of_constants_give_the_same_bytes():
    model = loaded("w8a8")
    first, second = (canonical_model(each, CONTRACT) for each in (model, renamed(model)))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)
    assert first.SerializeToString(deterministic=True) == onnx("w8a8")[0].read_bytes()


def test_a_model_without_an_output_of_the_contract_is_refused():
    model = onnx_format.ModelProto()
    model.CopyFrom(loaded("fp32"))
    del model.graph.output[:1]
    with pytest.raises(ConversionFailed, match=f"has no {CONTRACT.outputs[0].name}; convert it"):
        canonical_model(model, CONTRACT)


def test_int8_in_another_process_has_the_same_bytes(tmp_path):
    np.savez(tmp_path / "calibration.npz", **weather(100, seed=5))
    request = ConversionRequest(
        student=student_folder(),
        contract=REFERENCE_CONTRACT,
        target="onnx",
        output=tmp_path / "model.onnx",
        options={"quantization": "w8a8"},
        calibration=tmp_path / "calibration.npz",
    )
    assert convert(request) == onnx("w8a8")[1]
    assert (tmp_path / "model.onnx").read_bytes() == onnx("w8a8")[0].read_bytes()


def test_static_int8_without_calibration_is_refused(tmp_path):
    with pytest.raises(ConversionFailed, match="needs calibration inputs"):
        export_onnx(small_student(), CONTRACT, tmp_path / "x.onnx", quantization="w8a8", calibration=None)


def test_an_unknown_quantization_names_the_known_ones(tmp_path):
    with pytest.raises(ConversionFailed, match="'w4' is not known; choose one of fp32, w8a8"):
        export_onnx(small_student(), CONTRACT, tmp_path / "x.onnx", quantization="w4", calibration=None)


def test_frozen_scales_are_refused_with_the_formats_that_have_them(tmp_path):
    with pytest.raises(ConversionFailed, match="only TFLite, TFLite Micro and Core ML can be refilled"):
        export_onnx(
            small_student(),
            CONTRACT,
            tmp_path / "x.onnx",
            quantization="fp32",
            calibration=None,
            frozen=onnx("fp32")[0],
        )


def test_the_package_works_without_tensorflow_in_the_process():
    # A server that runs ONNX pays for ONNX Runtime only.
    code = (
        "import sys; from pathlib import Path; from packager.runtimes import open_runtime; "
        f"open_runtime(Path({str(onnx('fp32')[0])!r}), 'onnx'); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
