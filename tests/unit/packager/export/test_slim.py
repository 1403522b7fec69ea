"""What is taken out of a `.tflite` file, and that nothing which computes goes."""

import numpy as np
import pytest
import zstandard
from ai_edge_litert import schema_py_generated as schema

from packager.export.slim import constants_digest, slim
from packager.export.tflite import convert_float
from packager.runtimes import open_runtime
from tests.students import CONTRACT, small_student, tflite, weather

# Everything beside the weights, compressed as on the wire.
MOST_BESIDE_WEIGHTS = 7 * 1024


@pytest.fixture(scope="module")
def original():
    return convert_float(small_student(), CONTRACT, batch=1)


def unpacked(content):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content)))


def compressed(content):
    return len(zstandard.ZstdCompressor(level=19).compress(bytes(content)))


def test_a_slim_model_computes_the_same_bits(original, tmp_path):
    (tmp_path / "fat").write_bytes(original)
    fat, thin = (
        open_runtime(path, "tflite").run(weather(10)) for path in (tmp_path / "fat", tflite("fp32")[0])
    )
    for name in fat:
        np.testing.assert_array_equal(fat[name], thin[name])


def test_only_inputs_and_outputs_keep_a_name():
    (graph,) = unpacked(tflite("fp32")[0].read_bytes()).subgraphs
    names = {tensor.name.decode() for tensor in graph.tensors if tensor.name}
    assert names == {spec.name for spec in (*CONTRACT.inputs, *CONTRACT.outputs)}


def test_ranges_and_metadata_are_gone_and_constants_are_aligned():
    content = tflite("w8a8")[0].read_bytes()
    model = unpacked(content)
    assert not model.metadata
    for tensor in model.subgraphs[0].tensors:
        if tensor.quantization is not None:
            assert tensor.quantization.min is None
            assert tensor.quantization.max is None
    raw = schema.Model.GetRootAs(bytearray(content))
    for index in range(raw.BuffersLength()):
        data = raw.Buffers(index)
        if data.DataLength():
            start = data._tab.Vector(data._tab.Offset(4))
            assert start % 16 == 0


def test_an_int8_student_has_little_beside_its_weights():
    content = tflite("w8a8")[0].read_bytes()
    model = unpacked(content)
    int8 = [t for t in model.subgraphs[0].tensors if t.type == schema.TensorType.INT8]
    data = [model.buffers[tensor.buffer].data for tensor in int8]
    weights = b"".join(bytes(part) for part in data if part is not None)
    assert len(weights) > 30_000
    assert compressed(content) - compressed(weights) < MOST_BESIDE_WEIGHTS


def test_slimming_is_the_same_every_time(original):
    assert slim(original, original) == slim(original, original)


def test_the_digest_of_the_constants_sees_another_name(original):
    renamed = original.replace(b"body_decode1/Conv2D", b"body_decodeX/Conv2D")
    assert constants_digest(renamed) != constants_digest(original)
    assert constants_digest(original) == constants_digest(bytes(original))
