import numpy as np
import onnx as onnx_format
import pytest

from packager.contract import parse_contract
from packager.errors import ArtifactRefused
from packager.runtimes import open_runtime
from tests.students import CONTRACT, expected, largest_difference, onnx, weather


def test_a_float_model_gives_what_keras_gives():
    outputs = open_runtime(onnx("fp32")[0], "onnx").run(weather(20))
    for name, wanted in expected(20).items():
        assert outputs[name].shape == wanted.shape
        np.testing.assert_allclose(outputs[name], wanted, rtol=1e-4, atol=1e-3)


def test_a_case_alone_is_the_case_among_others():
    runtime = open_runtime(onnx("fp32")[0], "onnx")
    together = runtime.run(weather(5))
    one = runtime.run({name: value[3:4] for name, value in weather(5).items()})
    assert max(largest_difference(one, {k: v[3:4] for k, v in together.items()}).values()) == 0


def test_no_case_gives_empty_outputs():
    outputs = open_runtime(onnx("fp32")[0], "onnx").run(weather(0))
    assert outputs["temperature"].shape == (0, 48, 7)


def test_time_is_measured():
    runtime = open_runtime(onnx("fp32")[0], "onnx")
    assert 1 < runtime.microseconds_per_inference(weather(2), repeats=20) < 1_000_000


def test_a_foreign_or_missing_file_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(ArtifactRefused, match="is not a file; an ONNX artifact is one"):
        open_runtime(path, "onnx")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    with pytest.raises(ArtifactRefused, match=r"model\.onnx is not an ONNX model"):
        open_runtime(path, "onnx")


def test_a_graph_that_does_not_hold_together_is_refused(tmp_path):
    model = onnx_format.load(onnx("fp32")[0])
    model.graph.node[0].input[0] = "nowhere"
    onnx_format.save(model, tmp_path / "model.onnx")
    with pytest.raises(ArtifactRefused, match="is not an ONNX model that ONNX Runtime can run"):
        open_runtime(tmp_path / "model.onnx", "onnx")


def test_an_artifact_of_another_contract_is_refused_with_the_names():
    document = dict(CONTRACT.document)
    document["outputs"] = [o for o in document["outputs"] if o["name"] != "wind"]
    with pytest.raises(ArtifactRefused, match="output wind is not in the contract"):
        open_runtime(onnx("fp32")[0], "onnx", contract=parse_contract(document))
