import sys
import time
from pathlib import Path

import numpy as np
import pytest

from packager.contract import REFERENCE_CONTRACT
from packager.errors import ConversionFailed
from packager.export import isolated
from packager.export.isolated import ConversionRequest, convert
from tests.students import bytes_of, mlpackage, student_folder, tflite, weather


def request(tmp_path, target="tflite", name="model.tflite", **changes):
    return ConversionRequest(
        student=student_folder(),
        contract=REFERENCE_CONTRACT,
        target=target,
        output=tmp_path / name,
        **changes,
    )


def converter(monkeypatch, code):
    """Put a script in the converter's place; it gets the request and the result as arguments."""
    monkeypatch.setattr(isolated, "COMMAND", (sys.executable, "-c", f"import sys, os, json, time\n{code}\n"))


def test_int8_in_another_process_has_the_same_bytes(tmp_path):
    np.savez(tmp_path / "calibration.npz", **weather(100, seed=5))
    facts = convert(
        request(tmp_path, options={"quantization": "w8a8"}, calibration=tmp_path / "calibration.npz")
    )
    assert bytes_of(tmp_path / "model.tflite") == bytes_of(tflite("w8a8")[0])
    assert facts == tflite("w8a8")[1]


def test_a_core_ml_package_from_another_process_has_the_same_bytes(tmp_path):
    facts = convert(request(tmp_path, "coreml", "model.mlpackage", options={"weights": "pal4"}))
    assert bytes_of(tmp_path / "model.mlpackage") == bytes_of(mlpackage("pal4")[0])
    assert facts == mlpackage("pal4")[1]


@pytest.mark.parametrize("signal", ["SIGSEGV", "SIGKILL", "SIGABRT"])
def test_a_converter_that_dies_is_an_error_with_its_last_words(tmp_path, monkeypatch, signal):
    converter(
        monkeypatch,
        "import signal\n"
        "print('at the GRU', file=sys.stderr, flush=True)\n"
        f"os.kill(os.getpid(), signal.{signal})",
    )
    with pytest.raises(ConversionFailed) as failed:
        convert(request(tmp_path))
    for part in ("student to model.tflite", f"died of {signal}", "at the GRU", "change it"):
        assert part in str(failed.value)
    assert list(tmp_path.iterdir()) == []


def test_a_converter_that_hangs_is_killed_with_its_children(tmp_path, monkeypatch):
    converter(
        monkeypatch,
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)",
    )
    with pytest.raises(ConversionFailed, match="took more than 2 s"):
        convert(request(tmp_path, timeout_seconds=2.0))
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        if not _alive(child):
            break
        time.sleep(0.1)
    assert not _alive(child)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_failing_converter_leaves_the_old_artifact(tmp_path, monkeypatch):
    (tmp_path / "model.tflite").write_bytes(b"old")
    converter(
        monkeypatch,
        "output = json.load(open(sys.argv[1]))['output']\n"
        "open(output, 'w').write('half')\n"
        "sys.exit('no operation Erfc')",
    )
    with pytest.raises(ConversionFailed, match="ended with status 1:\nno operation Erfc"):
        convert(request(tmp_path))
    assert (tmp_path / "model.tflite").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


def test_a_converter_that_writes_nothing_is_an_error(tmp_path, monkeypatch):
    converter(monkeypatch, "open(sys.argv[2], 'w').write('{}')")
    with pytest.raises(ConversionFailed, match="printed nothing"):
        convert(request(tmp_path))


def test_an_artifact_replaces_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "model.mlpackage").mkdir()
    (tmp_path / "model.mlpackage" / "old").touch()
    converter(
        monkeypatch,
        "output = json.load(open(sys.argv[1]))['output']\n"
        "os.mkdir(output)\n"
        "open(output + '/new', 'w').close()\n"
        "open(sys.argv[2], 'w').write('{\"scheme\": \"x\"}')",
    )
    assert convert(request(tmp_path, "coreml", "model.mlpackage")) == {"scheme": "x"}
    assert [path.name for path in (tmp_path / "model.mlpackage").iterdir()] == ["new"]


def test_an_unknown_option_is_refused(tmp_path):
    with pytest.raises(
        ConversionFailed, match="Options bits are not known to target coreml; it takes target, torch, weights"
    ):
        convert(request(tmp_path, "coreml", options={"bits": 4}))


def test_a_folder_without_a_student_is_refused(tmp_path):
    nobody = ConversionRequest(tmp_path / "nobody", REFERENCE_CONTRACT, "tflite", tmp_path / "x.tflite")
    with pytest.raises(ConversionFailed, match=r"was refused:\nnobody holds no readable model\.json"):
        convert(nobody)


def test_an_unknown_target_names_the_known_ones(tmp_path):
    with pytest.raises(ConversionFailed, match="'gguf' is not known; choose one of tflite, coreml"):
        convert(request(tmp_path, "gguf"))
