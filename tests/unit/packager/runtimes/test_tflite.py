import numpy as np
import pytest

from packager.contract import parse_contract
from packager.errors import ArtifactRefused
from packager.runtimes import open_runtime
from tests.students import CONTRACT, expected, largest_difference, tflite, weather


@pytest.mark.parametrize("batch", [1, None])
def test_a_float_model_gives_what_keras_gives(batch):
    runtime = open_runtime(tflite("fp32", batch)[0], "tflite")
    outputs = runtime.run(weather(20))
    for name, wanted in expected(20).items():
        assert outputs[name].shape == wanted.shape
        np.testing.assert_allclose(outputs[name], wanted, rtol=1e-4, atol=1e-3)


def test_batches_and_single_cases_agree():
    runtime = open_runtime(tflite("fp32", None)[0], "tflite")
    together = runtime.run(weather(20))
    one = runtime.run({name: value[7:8] for name, value in weather(20).items()})
    assert max(largest_difference(one, {k: v[7:8] for k, v in together.items()}).values()) < 1e-3


def test_no_case_gives_empty_outputs():
    outputs = open_runtime(tflite("fp32")[0], "tflite").run(weather(0))
    assert outputs["temperature"].shape == (0, 48, 7)


def test_outputs_survive_the_next_run():
    runtime = open_runtime(tflite("fp32")[0], "tflite")
    first = runtime.run(weather(1, seed=1))
    kept = first["temperature"].copy()
    runtime.run(weather(1, seed=2))
    np.testing.assert_array_equal(first["temperature"], kept)


def test_time_is_measured_while_the_runner_is_in_use():
    runtime = open_runtime(tflite("fp32")[0], "tflite")
    runtime.run(weather(2))
    few = runtime.microseconds_per_inference(weather(2), repeats=20)
    assert 1 < few < 100_000
    runtime.run(weather(2))


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    with pytest.raises(ArtifactRefused, match=r"model\.tflite is not a TFLite model"):
        open_runtime(path, "tflite")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ArtifactRefused, match="is not a file"):
        open_runtime(tmp_path / "none.tflite", "tflite")


def test_an_artifact_of_another_contract_is_refused_with_the_names():
    document = dict(CONTRACT.document)
    document["outputs"] = [o for o in document["outputs"] if o["name"] != "wind"]
    document["inputs"] = [{**i, "name": "place"} if i["name"] == "site" else i for i in document["inputs"]]
    with pytest.raises(ArtifactRefused) as refused:
        open_runtime(tflite("fp32")[0], "tflite", contract=parse_contract(document))
    for part in (
        "input place is missing",
        "input site is not in the contract",
        "output wind is not in the contract",
    ):
        assert part in str(refused.value)


def test_an_input_of_another_shape_is_refused():
    inputs = weather(3) | {"site": np.zeros((3, 2), np.float32)}
    with pytest.raises(ArtifactRefused, match=r"Input site must have shape \(case, 3\); given is \(3, 2\)"):
        open_runtime(tflite("fp32")[0], "tflite").run(inputs)


def test_inputs_that_disagree_on_the_cases_are_refused():
    inputs = weather(3) | {"site": np.zeros((2, 3), np.float32)}
    with pytest.raises(ArtifactRefused, match="same number of cases"):
        open_runtime(tflite("fp32")[0], "tflite").run(inputs)


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(ArtifactRefused, match="'gguf' has no runtime here; this version runs tflite, coreml"):
        open_runtime(tflite("fp32")[0], "gguf")
