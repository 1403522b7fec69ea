import re
import shutil
import subprocess

import numpy as np
import pytest

from packager.contract import REFERENCE_CONTRACT
from packager.errors import ArtifactRefused, ConversionFailed
from packager.export.isolated import ConversionRequest, convert
from packager.export.micro import export_micro, measure_arena, operations_of
from packager.export.micro_source import header, source
from packager.export.tflite import export_tflite
from packager.runtimes.micro import open_interpreter, read_model
from tests.students import CONTRACT, bytes_of, micro, small_student, student_folder, tflite, weather

USE = """
#include "model.h"
struct Resolver {
METHODS};
alignas(16) unsigned char arena[kSkyfoldArenaBytes];
int main() {
  Resolver resolver;
  if (skyfold_add_operations(resolver) != 0) return 1;
  if (reinterpret_cast<std::uintptr_t>(skyfold_model) % 16 != 0) return 2;
  return skyfold_model[4] == 'T' && skyfold_model[5] == 'F' && skyfold_model[6] == 'L' ? 0 : 3;
}
"""


def test_the_source_holds_the_int8_model_and_nothing_else(tmp_path):
    path, facts = micro()
    assert sorted(file.name for file in path.iterdir()) == ["model.cc", "model.h"]
    whole = tmp_path / "whole.tflite"
    export_tflite(
        small_student(),
        CONTRACT,
        whole,
        quantization="w8a8",
        calibration=weather(100, seed=5),
        float_results=False,
    )
    assert read_model(path).content == whole.read_bytes()
    assert facts["model_bytes"] == whole.stat().st_size
    assert facts["scheme"] == "w8a8"


def test_the_arena_is_the_smallest_in_which_the_model_runs():
    path, facts = micro()
    model = read_model(path)
    assert model.arena_bytes == facts["arena_bytes"]
    open_interpreter(model.content, model.arena_bytes).invoke()
    with pytest.raises(ArtifactRefused, match="in an arena of"):
        open_interpreter(model.content, model.arena_bytes - 32).invoke()


def test_the_header_names_inputs_outputs_and_operations():
    path, facts = micro()
    text = (path / "model.h").read_text()
    for spec in (*CONTRACT.inputs, *CONTRACT.outputs):
        assert re.search(rf"kSkyfold(Input|Output){spec.name.title().replace('_', '')} = \d", text), spec.name
    assert f"kSkyfoldOperations = {len(facts['kernels'])};" in text
    assert text.count("resolver.Add") == len(facts["kernels"])
    assert {"resolver.AddConv2D()", "resolver.AddFullyConnected()"} <= set(
        re.findall(r"resolver\.\w+\(\)", text)
    )


def test_a_compiler_takes_the_source_and_finds_the_model_aligned(tmp_path):
    compiler = shutil.which("g++") or shutil.which("c++")
    assert compiler, "a C++ compiler is needed to try the generated source"
    path, _ = micro()
    methods = sorted(set(re.findall(r"resolver\.(\w+)\(\)", (path / "model.h").read_text())))
    use = USE.replace("METHODS", "".join(f"  int {name}() {{ return 0; }}\n" for name in methods))
    (tmp_path / "use.cc").write_text(use)
    program = tmp_path / "use"
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{path}"]
    subprocess.run(
        [compiler, *flags, tmp_path / "use.cc", path / "model.cc", "-o", program], check=True, timeout=60
    )
    assert subprocess.run([program], check=False, timeout=10).returncode == 0


def test_an_operation_that_micro_has_not_is_named(tmp_path):
    import tensorflow as tf
    import tf_keras
    from tf_keras import layers

    inputs = {spec.name: layers.Input(spec.shape[1:], name=spec.name) for spec in CONTRACT.inputs}
    signs = layers.Lambda(tf.sign, name="tail_sign")(layers.Dense(8, name="body_in")(inputs["site"]))
    outputs = {
        spec.name: layers.Reshape(spec.shape[1:], name=f"tail_{spec.name}")(
            layers.Dense(int(np.prod(spec.shape)), name=f"body_{spec.name}")(signs)
        )
        for spec in CONTRACT.outputs
    }
    with pytest.raises(ConversionFailed, match="no operation SIGN, which this student needs"):
        export_micro(
            tf_keras.Model(inputs, outputs), CONTRACT, tmp_path / "model.micro", calibration=weather(5)
        )
    assert not (tmp_path / "model.micro").exists()


def test_a_model_that_does_not_run_at_all_is_refused(monkeypatch):
    monkeypatch.setattr("packager.export.micro.LARGEST_ARENA", 1024)
    with pytest.raises(ConversionFailed, match="TFLite Micro cannot run this student"):
        measure_arena(tflite("w8a8")[0].read_bytes())


def test_another_process_writes_the_same_bytes(tmp_path):
    np.savez(tmp_path / "calibration.npz", **weather(100, seed=5))
    request = ConversionRequest(
        student=student_folder(),
        contract=REFERENCE_CONTRACT,
        target="micro",
        output=tmp_path / "model.micro",
        calibration=tmp_path / "calibration.npz",
    )
    assert convert(request) == micro()[1]
    assert bytes_of(tmp_path / "model.micro") == bytes_of(micro()[0])


def test_a_released_artifact_keeps_its_scales(tmp_path):
    facts = export_micro(
        small_student(), CONTRACT, tmp_path / "next.micro", calibration=None, frozen=micro()[0]
    )
    assert bytes_of(tmp_path / "next.micro") == bytes_of(micro()[0])
    assert facts["arena_bytes"] == micro()[1]["arena_bytes"]


def test_an_unknown_quantization_names_the_known_ones(tmp_path):
    with pytest.raises(ConversionFailed, match="'fp32' is not known; choose one of w8a8"):
        export_micro(small_student(), CONTRACT, tmp_path / "x", calibration=None, quantization="fp32")


def test_words_are_little_endian_and_padded():
    text = source(bytes(range(1, 11)))
    assert "0x807060504030201,0xa09,\n" in text


def test_methods_have_the_resolvers_spelling():
    text = header(
        model_bytes=1, arena_bytes=1, kernels=["DEPTHWISE_CONV_2D", "RELU6", "SPLIT_V"], borders=({}, {})
    )
    for method in ("AddDepthwiseConv2D", "AddRelu6", "AddSplitV"):
        assert f"resolver.{method}()" in text


def test_operations_are_listed_once_and_sorted():
    names = operations_of(tflite("w8a8")[0].read_bytes())
    assert names == sorted(set(names))
    assert {"CONV_2D", "QUANTIZE", "DEQUANTIZE"} <= set(names)
