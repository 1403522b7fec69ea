import numpy as np
import pytest

from packager.errors import ConversionFailed
from packager.export.tflite import export_tflite
from packager.runtimes import open_runtime
from tests.students import CONTRACT, expected, small_student, tflite, weather


def mean_difference(quantization):
    outputs = open_runtime(tflite(quantization)[0], "tflite").run(weather(100))
    return {name: float(np.abs(outputs[name] - wanted).mean()) for name, wanted in expected(100).items()}


def test_half_precision_weights_change_little():
    moved = mean_difference("fp16")
    assert moved["temperature"] < 0.02
    assert moved["pressure_msl"] < 0.02
    assert moved["cloud_base"] < 0.001


def test_an_int8_body_changes_little_on_cases_it_was_not_calibrated_with():
    spread = {name: float(wanted.std()) for name, wanted in expected(100).items()}
    moved = mean_difference("w8a8")
    for name in ("temperature", "dew_point", "pressure_msl", "wind", "wind_speed", "cloud_cover"):
        assert 0 < moved[name] < 0.05 * spread[name], name
    assert moved["cloud_base"] < 0.02
    assert moved["precipitation_type"] < 0.02


def test_quantiles_stay_ordered_and_probabilities_sum_to_one_in_int8():
    outputs = open_runtime(tflite("w8a8")[0], "tflite").run(weather(50))
    for spec in CONTRACT.outputs:
        if spec.kind == "quantiles":
            assert (np.diff(outputs[spec.name], axis=-1) >= 0).all(), spec.name
        if spec.kind == "probabilities":
            np.testing.assert_allclose(outputs[spec.name].sum(-1), 1, rtol=1e-5)


def test_only_the_body_is_int8():
    facts = tflite("w8a8")[1]
    for side in ("in", "out"):
        assert facts["borders"][side]
        assert all(border["scale"] > 0 for border in facts["borders"][side])
    assert all("body_" in border["tensor"] for border in facts["borders"]["out"])
    assert not any("body_out" in border["tensor"] for border in facts["borders"]["out"]), "it gives floats"
    assert facts["int8_operations"] > 10
    assert facts["tensors"]["float32"] > 20
    assert facts["calibration_cases"] == 100


def test_size_falls_with_the_bits():
    sizes = {name: tflite(name)[0].stat().st_size for name in ("fp32", "fp16", "w8a8")}
    assert sizes["w8a8"] < sizes["fp16"] < sizes["fp32"]
    assert tflite("fp16")[1]["tensors"]["float16"] > 10


def test_calibration_keeps_the_extremes(tmp_path):
    # One case in a hundred is far out; a moving average would have forgotten it.
    calm = weather(99, seed=5)
    wild = {name: value.copy() for name, value in weather(1, seed=6).items()}
    wild["history"][..., :2] *= 10
    both = {name: np.concatenate([wild[name], calm[name]]) for name in calm}
    path = tmp_path / "wild.tflite"
    facts = export_tflite(small_student(), CONTRACT, path, quantization="w8a8", calibration=both)
    scales = [max(b["scale"] for b in f["borders"]["in"]) for f in (facts, tflite("w8a8")[1])]
    assert scales[0] > 1.3 * scales[1]


def test_static_int8_without_calibration_is_refused(tmp_path):
    with pytest.raises(ConversionFailed, match="needs calibration inputs"):
        export_tflite(small_student(), CONTRACT, tmp_path / "x.tflite", quantization="w8a8", calibration=None)
    assert not (tmp_path / "x.tflite").exists()


def test_an_unknown_quantization_names_the_known_ones(tmp_path):
    with pytest.raises(
        ConversionFailed, match="'int3' is not known; choose one of fp32, fp16, w8, dynamic, w8a8"
    ):
        export_tflite(small_student(), CONTRACT, tmp_path / "x.tflite", quantization="int3", calibration=None)


def test_a_model_without_a_body_is_refused(tmp_path):
    import tf_keras
    from tf_keras import layers

    inputs = {spec.name: layers.Input(spec.shape[1:], name=spec.name) for spec in CONTRACT.inputs}
    outputs = {
        spec.name: layers.Reshape(spec.shape[1:])(layers.Dense(int(np.prod(spec.shape)))(inputs["site"]))
        for spec in CONTRACT.outputs
    }
    model = tf_keras.Model(inputs, outputs)
    with pytest.raises(ConversionFailed, match="no layer's name starts with `body_`"):
        export_tflite(model, CONTRACT, tmp_path / "x.tflite", quantization="fp16", calibration=None)
