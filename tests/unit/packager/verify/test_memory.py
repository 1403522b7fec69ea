"""Peak memory is that of opening and running an artifact, above what the engine alone takes."""

import pytest

from packager.contract import reference_contract
from packager.verify import memory
from packager.verify.memory import peak_memory_kib
from tests.tiny_tflite import build_tflite

CONTRACT = reference_contract()
needs_linux = pytest.mark.skipif(not memory.CLEAR.exists(), reason="only Linux tells a process its own peak")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.tflite"
    path.write_bytes(build_tflite(CONTRACT))
    return path


@needs_linux
def test_the_engine_itself_does_not_count(artifact):
    # The interpreter's own libraries alone are tens of MiB, this process hundreds.
    assert 100 < peak_memory_kib(artifact, "tflite", CONTRACT) < 32 * 1024


@needs_linux
def test_what_is_touched_shows_in_the_peak():
    before = memory._start()
    held = bytearray(b"x" * 16 * 1024 * 1024)
    assert memory._resident("VmHWM") - before >= len(held) // 1024 * 0.9


def test_what_no_device_runs_so_is_not_measured(tmp_path):
    assert peak_memory_kib(tmp_path / "model.mlpackage", "coreml", CONTRACT) is None


def test_an_artifact_that_does_not_run_has_no_figure(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"not a model")
    assert peak_memory_kib(path, "tflite", CONTRACT) is None
