import json

import numpy as np
import pytest

from packager.errors import ConversionFailed
from packager.export.coreml import export_coreml
from packager.runtimes import open_runtime
from packager.runtimes.milprogram import read_program
from tests.students import CONTRACT, bytes_of, expected, mlpackage, small_student, weather


def test_inputs_and_outputs_are_float32_with_the_contracts_names():
    program = read_program(mlpackage("fp16")[0])
    assert {name: spec.shape for name, spec in program.inputs.items()} == {
        spec.name: spec.shape for spec in CONTRACT.inputs
    }
    assert sorted(program.outputs) == sorted(spec.name for spec in CONTRACT.outputs)
    assert {spec.dtype for spec in program.inputs.values()} == {"fp32"}
    assert {program.types[name].dtype for name in program.outputs} == {"fp32"}


def test_the_body_is_half_precision_and_head_and_tail_are_not():
    program = read_program(mlpackage("fp16")[0])
    types = {operation.type: set() for operation in program.operations}
    for operation in program.operations:
        types[operation.type].add(operation.outputs[0][1].dtype)
    assert types["conv"] == {"fp16"}
    assert types["log"] == types["exp"] == {"fp32"}
    assert mlpackage("fp32")[1]["operations"] == {"fp32": sum(mlpackage("fp32")[1]["operations"].values())}


def test_half_precision_changes_little():
    outputs = open_runtime(mlpackage("fp16")[0], "coreml", precision="float16").run(weather(100))
    for name, wanted in expected(100).items():
        assert np.abs(outputs[name] - wanted).mean() < 0.01 * wanted.std(), name


def test_a_palette_of_16_shrinks_the_weights_and_keeps_the_outputs_related():
    sizes = {
        name: len(bytes_of(mlpackage(name)[0])["Data/com.apple.CoreML/weights/weight.bin"])
        for name in ("fp32", "fp16", "pal4")
    }
    assert sizes["pal4"] < 0.5 * sizes["fp16"] < 0.3 * sizes["fp32"]
    outputs = open_runtime(mlpackage("pal4")[0], "coreml").run(weather(100))
    for name in ("temperature", "pressure_msl", "cloud_base"):
        assert np.corrcoef(outputs[name].ravel(), expected(100)[name].ravel())[0, 1] > 0.8, name


def test_nothing_in_the_package_tells_when_or_where_it_was_made():
    everything = b"".join(bytes_of(mlpackage("fp16")[0]).values())
    for word in (b"conversion_date", b"coremltools", b"tensorflow", b"lead_decoder"):
        assert word not in everything


def test_identifiers_follow_the_content(tmp_path):
    first, second = (
        json.loads(bytes_of(mlpackage(weights)[0])["Manifest.json"]) for weights in ("fp16", "pal4")
    )
    assert first["rootModelIdentifier"] != second["rootModelIdentifier"]
    assert first["itemInfoEntries"][first["rootModelIdentifier"]]["path"].endswith("model.mlmodel")


def test_unknown_weights_name_the_known_ones(tmp_path):
    with pytest.raises(ConversionFailed, match="'pal3' are not known; choose one of fp32, fp16, int8"):
        export_coreml(small_student(), CONTRACT, tmp_path / "x.mlpackage", weights="pal3")


def test_a_target_that_is_too_old_is_refused_before_anything_is_converted(tmp_path):
    with pytest.raises(ConversionFailed, match=r"ios17 cannot hold int4 .* target ios18, or choose pal4"):
        export_coreml(small_student(), CONTRACT, tmp_path / "x.mlpackage", weights="int4")
    with pytest.raises(ConversionFailed, match="'ios15' is not known; choose one of ios16, ios17, ios18"):
        export_coreml(small_student(), CONTRACT, tmp_path / "x.mlpackage", weights="fp16", target="ios15")


def test_the_exporter_says_what_the_file_holds():
    said = mlpackage("pal4")[1]
    assert said["scheme"] == "pal4"
    assert said["minimum_deployment_target"] == "iOS17"
    assert said["matrices"]["pal4"] > 5
    # The projection of all outputs keeps 256 values.
    assert said["matrices"]["pal8"] == 1
    # The tail's are float32; a matrix of few weights is too small for a palette.
    assert set(said["matrices"]) <= {"fp16", "fp32", "pal4", "pal8"}
