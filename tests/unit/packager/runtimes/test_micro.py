import shutil

import numpy as np
import pytest

from packager.contract import parse_contract
from packager.errors import ArtifactRefused
from packager.runtimes import open_runtime
from tests.students import CONTRACT, expected, micro, tflite, weather


@pytest.fixture
def artifact(tmp_path):
    return shutil.copytree(micro()[0], tmp_path / "model.micro")


def test_it_computes_what_keras_does_about_as_well_as_litert():
    runtimes = open_runtime(micro()[0], "micro"), open_runtime(tflite("w8a8")[0], "tflite")
    small, phone = (runtime.run(weather(40)) for runtime in runtimes)
    for name, wanted in expected(40).items():
        assert small[name].shape == wanted.shape
        moved, litert = (np.abs(outputs[name] - wanted).mean() for outputs in (small, phone))
        assert 0 < moved < 1.3 * litert, name


def test_outputs_survive_the_next_run():
    runtime = open_runtime(micro()[0], "micro")
    first = runtime.run(weather(1, seed=1))
    kept = first["temperature"].copy()
    runtime.run(weather(1, seed=2))
    np.testing.assert_array_equal(first["temperature"], kept)


def test_no_speed_is_claimed():
    assert open_runtime(micro()[0], "micro").microseconds_per_inference(weather(1)) is None


def test_a_missing_half_is_refused(artifact):
    (artifact / "model.h").unlink()
    with pytest.raises(ArtifactRefused, match=r"not a folder with a readable model\.cc and model\.h"):
        open_runtime(artifact, "micro")


def test_a_header_of_another_model_is_refused(artifact):
    text = (artifact / "model.h").read_text()
    size = micro()[1]["model_bytes"]
    (artifact / "model.h").write_text(text.replace(f"ModelBytes = {size};", f"ModelBytes = {size + 64};"))
    with pytest.raises(ArtifactRefused, match=rf"model\.h says {size + 64}"):
        open_runtime(artifact, "micro")


def test_an_arena_that_is_too_small_is_refused(artifact):
    text = (artifact / "model.h").read_text()
    arena = micro()[1]["arena_bytes"]
    (artifact / "model.h").write_text(text.replace(f"ArenaBytes = {arena};", "ArenaBytes = 4096;"))
    with pytest.raises(ArtifactRefused, match="cannot run the model in an arena of 4096 bytes"):
        open_runtime(artifact, "micro")


def test_words_that_are_no_model_are_refused(artifact):
    text = (artifact / "model.cc").read_text()
    first = text.index("0x")
    (artifact / "model.cc").write_text(text[:first] + "0x0," + text[text.index(",", first) + 1 :])
    with pytest.raises(ArtifactRefused, match="holds no TFLite model"):
        open_runtime(artifact, "micro")


def test_an_artifact_of_another_contract_is_refused_with_the_names():
    document = dict(CONTRACT.document)
    document["inputs"] = [{**i, "name": "place"} if i["name"] == "site" else i for i in document["inputs"]]
    with pytest.raises(ArtifactRefused, match="input place is missing"):
        open_runtime(micro()[0], "micro", contract=parse_contract(document))
