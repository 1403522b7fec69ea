"""Models from elsewhere as artifacts: they give the contract's numbers, or say why they cannot."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from packager.contract import REFERENCE_CONTRACT
from packager.errors import ConversionFailed
from packager.export.float_borders import tensor_types, with_float_borders
from packager.export.foreign import export_foreign
from packager.export.isolated import ConversionRequest, convert
from packager.runtimes import open_runtime
from packager.teacher.foreign.keeping import find_foreign, keep_foreign
from tests.foreign_models import CONTRACT, expected, save_saved_model, save_torch, side_document, write_side
from tests.students import FOLDER, weather

CASES = weather(20)


def description(format_="saved_model", file="model", **changes):
    """What a kept model's folder would say, for decisions that come before the model is needed."""
    good = {"format": format_, "file": file, "side": side_document(), "crossing": {"temperature": 0.0}}
    return good | changes


@cache
def kept_torch() -> Path:
    source = FOLDER / "export-torch"
    source.mkdir(exist_ok=True)
    save_torch(source)
    write_side(source / "model.pt2")
    given = find_foreign(source / "model.pt2", None, CONTRACT)
    keep_foreign(given, CONTRACT, CASES, FOLDER / "kept-torch")
    return FOLDER / "kept-torch"


def test_a_saved_model_becomes_tflite_for_any_number_of_cases(tmp_path):
    save_saved_model(tmp_path / "model")
    path = tmp_path / "model.tflite"
    export_foreign(
        tmp_path, description(), CONTRACT, path, target="tflite", calibration=None,
        options={"quantization": "fp32", "batch": None},
    )  # fmt: skip
    outputs = open_runtime(path, "tflite", contract=CONTRACT).run(CASES)
    for name, values in expected(CASES).items():
        np.testing.assert_allclose(outputs[name], values, atol=5e-4, err_msg=name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            description(crossing={"temperature": 0.01, "wind_speed": 0.0}),
            "quantiles of temperature cross in some",
        ),
        (description(side=side_document(missing="nan")), "wants NaN for what was not reported"),
    ],
)
def test_what_a_device_could_not_do_is_refused(tmp_path, given, message):
    with pytest.raises(ConversionFailed, match=message):
        export_foreign(
            tmp_path, given, CONTRACT, tmp_path / "x", target="tflite", options={}, calibration=None
        )


def test_pytorchs_quantization_needs_a_model_of_pytorch(tmp_path):
    save_saved_model(tmp_path / "model")
    with pytest.raises(ConversionFailed, match=r"static quantization needs a torch\.export \.pt2 model"):
        export_foreign(
            tmp_path, description(), CONTRACT, tmp_path / "x.tflite", target="tflite", calibration=None,
            options={"torch": "static"},
        )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "name", "options", "scheme"),
    [
        ("tflite", "model.tflite", {"torch": "none"}, "fp32"),
        ("tflite", "model.tflite", {"torch": "static"}, "torch_static"),
        ("coreml", "model.mlpackage", {"torch": "none", "weights": "fp32"}, "fp32"),
    ],
)
def test_a_pytorch_model_becomes_an_artifact_of_the_contract(tmp_path, target, name, options, scheme):
    student = kept_torch()
    calibration = tmp_path / "calibration.npz"
    np.savez(calibration, **weather(30, seed=4))
    facts = convert(
        ConversionRequest(
            student, REFERENCE_CONTRACT, target, tmp_path / name, options=options, calibration=calibration
        )
    )
    assert facts["scheme"] == scheme
    assert facts["toolchain"]["torch"].startswith("2.13.0")
    outputs = open_runtime(tmp_path / name, target, contract=CONTRACT).run(CASES)
    # A missing pressure is 0 Pa to this function, so its int8 steps are coarse; lost biases would be 100 K.
    limit = 6.0 if scheme == "torch_static" else 1e-2
    assert np.abs(outputs["temperature"] - expected(CASES)["temperature"]).max() < limit
    if scheme == "torch_static":
        content = (tmp_path / name).read_bytes()
        assert tensor_types(content)["int8"] > 10
        assert with_float_borders(content) == content
