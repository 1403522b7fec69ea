"""What each quantization stores, by matrix: number of codes, bits, and scales that compress."""

from functools import cache

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from packager.compress.state import State
from packager.errors import ConversionFailed
from packager.export.tflite import convert_float, export_tflite
from packager.export.tflite_rules import body_matrices, short_scale
from packager.runtimes import open_runtime
from packager.student import build
from tests.students import CONTRACT, FOLDER, description, expected, small_student, tflite, weather

VALUES = 16
INT4, INT8, FLOAT16 = schema.TensorType.INT4, schema.TensorType.INT8, schema.TensorType.FLOAT16


@cache
def matrices():
    return body_matrices(convert_float(small_student(), CONTRACT, batch=1))


@cache
def clustered_student():
    """The small student with sixteen values in every matrix of the body."""
    model = build(description())
    model.set_weights(small_student().get_weights())
    for layer in model.layers:
        if layer.name.startswith("body_") and layer.get_weights():
            kernel, *bias = layer.get_weights()
            values = np.quantile(kernel, np.linspace(0, 1, VALUES)).astype(np.float32)
            nearest = np.abs(kernel[..., None] - values).argmin(-1)
            layer.set_weights([values[nearest], *bias])
    return model


@cache
def clustered(quantization, known):
    state = State(clusters={matrix.layer: VALUES for matrix in matrices()} if known else {})
    path = FOLDER / f"clustered-{quantization}-{known}.tflite"
    calibration = weather(100, seed=5)
    export_tflite(
        clustered_student(), CONTRACT, path, quantization=quantization, calibration=calibration, state=state
    )
    return path


def tensors(path):
    """Type, scales and bytes of every constant of a file."""
    model = schema.Model.GetRootAs(bytearray(path.read_bytes()))
    graph = model.Subgraphs(0)
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength():
            quantization = tensor.Quantization()
            scales = quantization.ScaleAsNumpy() if quantization and quantization.ScaleLength() else None
            yield tensor.Type(), scales, buffer.DataAsNumpy()


@pytest.mark.parametrize("quantization", ["dynamic", "w8a8"])
def test_shared_values_are_as_few_codes_under_one_scale(quantization):
    stored = [found for found in tensors(clustered(quantization, known=True)) if found[0] == INT8]
    assert len(stored) == len(matrices())
    for _, scales, codes in stored:
        assert len(scales) == 1
        assert len(np.unique(codes)) <= VALUES


def test_without_their_state_shared_values_become_many_codes():
    counts = [len(np.unique(codes)) for kind, _, codes in tensors(clustered("w8a8", False)) if kind == INT8]
    assert max(counts) > 2 * VALUES


def test_shared_values_compute_what_they_did():
    wanted = clustered_student()(weather(40), training=False)["temperature"].numpy()
    outputs = open_runtime(clustered("w8a8", True), "tflite").run(weather(40))
    assert np.abs(outputs["temperature"] - wanted).mean() < 0.05 * wanted.std()


@cache
def mixed():
    bits = {matrix.layer: (4, 8, 16)[index % 3] for index, matrix in enumerate(matrices())}
    path = FOLDER / "mixed.tflite"
    facts = export_tflite(
        small_student(),
        CONTRACT,
        path,
        quantization="mixed",
        calibration=None,
        state=State(precision=bits),
    )
    return path, bits, facts


def test_mixed_precision_stores_each_layer_in_its_bits():
    path, bits, _ = mixed()
    types = [kind for kind, _, _ in tensors(path)]
    wanted = list(bits.values())
    assert types.count(INT4) == wanted.count(4)
    assert types.count(INT8) == wanted.count(8)
    assert types.count(FLOAT16) == wanted.count(16)


def test_a_layer_without_bits_has_eight(tmp_path):
    state = State(precision={matrices()[0].layer: 16})
    export_tflite(
        small_student(), CONTRACT, tmp_path / "x", quantization="mixed", calibration=None, state=state
    )
    types = [kind for kind, _, _ in tensors(tmp_path / "x")]
    assert (types.count(FLOAT16), types.count(INT8)) == (1, len(matrices()) - 1)


def test_mixed_precision_without_bits_names_the_step(tmp_path):
    with pytest.raises(ConversionFailed, match="Run the step mixed_precision first"):
        export_tflite(small_student(), CONTRACT, tmp_path / "x", quantization="mixed", calibration=None)


def test_bits_that_tflite_has_not_are_refused(tmp_path):
    state = State(precision={matrices()[0].layer: 3})
    with pytest.raises(ConversionFailed, match=r"is to have 3 bits; TFLite stores \(4, 8, 16\)"):
        export_tflite(
            small_student(), CONTRACT, tmp_path / "x", quantization="mixed", calibration=None, state=state
        )


def test_four_bits_are_in_blocks_only_where_the_width_allows():
    path, facts = tflite("w4")
    widths = {m.layer: m.values.shape[-1] for m in matrices() if m.values.ndim == 2}
    blocks = [layer for layer, width in widths.items() if width % 32 == 0]
    assert 0 < len(blocks) < len(widths), "the small student has both"
    kinds = [kind for kind, _, _ in tensors(path)]
    assert kinds.count(INT4) == len(matrices()) - 1, "all but the projection, which has eight bits"
    assert kinds.count(FLOAT16) == len(blocks), "each has a tensor of scales"
    assert facts["tensors"]["int4"] == len(matrices()) - 1
    assert facts["tensors"]["int8"] == 1


def test_scales_have_few_bits_and_waste_at_most_a_sixteenth():
    exact = np.random.default_rng(1).uniform(1e-6, 10, 1000)
    short = short_scale(exact)
    assert (short >= exact * (1 - 1e-7)).all()
    assert (short <= exact * (1 + 1 / 16)).all()
    assert not (short.view(np.uint32) & 0x7FFFF).any()
    np.testing.assert_array_equal(short_scale(short), short)


def test_weights_that_learned_with_rounding_keep_their_own_scale(tmp_path):
    layer = matrices()[0].layer
    export_tflite(
        small_student(),
        CONTRACT,
        tmp_path / "x",
        quantization="w8a8",
        calibration=weather(20, seed=5),
        state=State(rounded=(layer,)),
    )
    largest = np.abs(matrices()[0].values).reshape(len(matrices()[0].values), -1).max(1)
    all_scales = [scales for kind, scales, _ in tensors(tmp_path / "x") if kind == INT8]
    assert any(len(s) == len(largest) and np.allclose(s, largest / 127, rtol=1e-6) for s in all_scales)


@pytest.mark.parametrize("quantization", ["dynamic", "w8a16"])
def test_eight_bit_weights_change_little(quantization):
    outputs = open_runtime(tflite(quantization)[0], "tflite").run(weather(60))
    for name, wanted in expected(60).items():
        moved = np.abs(outputs[name] - wanted)
        assert 0 < np.median(moved) < 0.05 * wanted.std(), name


@pytest.mark.parametrize("path", [lambda: tflite("w4")[0], lambda: mixed()[0]], ids=["w4", "mixed"])
def test_four_bit_weights_still_forecast_every_output(path):
    # Random weights have no redundancy, so four bits cost them most: they must still follow the student.
    outputs = open_runtime(path(), "tflite").run(weather(60))
    for name, wanted in expected(60).items():
        assert np.isfinite(outputs[name]).all()
        assert np.corrcoef(outputs[name].ravel(), wanted.ravel())[0, 1] > 0.5, name
