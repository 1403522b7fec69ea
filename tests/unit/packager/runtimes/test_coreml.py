import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from packager.contract import parse_contract
from packager.errors import ArtifactRefused
from packager.runtimes import open_runtime
from packager.runtimes.coreml import CASES_AT_ONCE
from packager.runtimes.milprogram import read_program
from tests.students import CONTRACT, expected, largest_difference, mlpackage, weather

MODEL = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
ROOT = Path(__file__).resolve().parents[4]


def opened(weights, precision="float32"):
    return open_runtime(mlpackage(weights)[0], "coreml", precision=precision)


@pytest.fixture
def package(tmp_path):
    shutil.copytree(mlpackage("fp16")[0], tmp_path / "model.mlpackage")
    return tmp_path / "model.mlpackage"


def edit(package, change):
    """Change the model's message in place."""
    from packager.runtimes import milprogram

    model = milprogram._proto("Model_pb2").Model()
    model.ParseFromString((package / MODEL).read_bytes())
    function = model.mlProgram.functions["main"]
    change(model, function.block_specializations[function.opset])
    (package / MODEL).write_bytes(model.SerializeToString())


def test_float32_weights_give_what_keras_gives():
    outputs = opened("fp32").run(weather(70))
    for name, wanted in expected(70).items():
        np.testing.assert_allclose(outputs[name], wanted, rtol=1e-4, atol=1e-3)


def test_many_cases_at_once_equal_one_at_a_time():
    # More cases than one chunk, so that a chunk's border is crossed.
    runtime, inputs = opened("fp16"), weather(CASES_AT_ONCE + 3)
    together = runtime.run(inputs)
    for case in (0, CASES_AT_ONCE - 1, CASES_AT_ONCE + 2):
        alone = runtime.run({name: value[case : case + 1] for name, value in inputs.items()})
        picked = {name: value[case : case + 1] for name, value in together.items()}
        assert max(largest_difference(alone, picked).values()) < 1e-3


def test_rounding_to_fp16_moves_outputs_a_little_and_only_where_fp16_is_declared():
    exact, rounded = opened("fp16").run(weather(70)), opened("fp16", "float16").run(weather(70))
    moved = largest_difference(exact, rounded)
    assert 1e-4 < moved["temperature"] < 1.0
    whole = largest_difference(opened("fp32").run(weather(70)), opened("fp32", "float16").run(weather(70)))
    assert set(whole.values()) == {0.0}


def test_far_sight_does_not_overflow_half_precision():
    inputs = weather(4)
    inputs["history"][:, :, 8] = 160_000.0
    inputs["history_mask"][:, :, 8] = 1.0
    outputs = opened("fp16", "float16").run(inputs)
    assert all(np.isfinite(value).all() for value in outputs.values())


def test_palettized_weights_are_what_coremltools_decompresses(tmp_path):
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load

    # A copy, because coremltools writes the manifest of every package that it opens again.
    package = shutil.copytree(mlpackage("pal4")[0], tmp_path / "model.mlpackage")
    specification = ct.utils.load_spec(str(package))
    program = load(specification, specification.specificationVersion, str((package / WEIGHTS).parent))
    ours = read_program(package).constants
    distinct = []
    for operation in program.functions["main"].operations:
        if operation.op_type == "constexpr_lut_to_dense":
            theirs = operation.materialized_val_inference()
            np.testing.assert_array_equal(ours[operation.outputs[0].name], theirs)
            # As float32: on some processors numpy 2.4 does not sort float16 right.
            distinct.append(len(np.unique(theirs.astype(np.float32))))
    # The projection of all outputs has 256 values.
    *palettes, projection = sorted(distinct)
    assert palettes[-1] <= 16 < projection
    assert len(palettes) == mlpackage("pal4")[1]["matrices"]["pal4"] > 5


def test_a_thousand_cases_take_seconds():
    runtime, inputs = opened("pal4", "float16"), weather(300)
    runtime.run(weather(1))
    started = time.process_time()
    runtime.run(inputs)
    assert time.process_time() - started < 300 * 0.010


def test_numpy_measures_no_phone():
    assert opened("fp16").microseconds_per_inference(weather(1)) is None


def test_opening_a_package_imports_neither_coremltools_nor_tensorflow():
    code = (
        "import sys; from pathlib import Path; from packager.runtimes import open_runtime;"
        f"open_runtime(Path({str(mlpackage('fp16')[0])!r}), 'coreml');"
        "print([m for m in ('coremltools', 'tensorflow', 'tf_keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_operation_is_refused_by_name(package):
    def replace(_, block):
        next(operation for operation in block.operations if operation.type == "conv").type = "lstm"

    edit(package, replace)
    with pytest.raises(ArtifactRefused, match=r"Operations lstm have no kernel here.*softmax"):
        open_runtime(package, "coreml")


def test_an_unknown_compression_is_refused_by_name(package):
    def replace(_, block):
        next(
            operation for operation in block.operations if operation.type == "const"
        ).type = "constexpr_magic"

    edit(package, replace)
    with pytest.raises(ArtifactRefused, match="constexpr_magic does not run here"):
        open_runtime(package, "coreml")


def test_another_contract_is_refused_with_the_names(package):
    document = dict(CONTRACT.document)
    document["outputs"] = [o for o in document["outputs"] if o["name"] != "wind"]
    with pytest.raises(ArtifactRefused, match="output wind is not in the contract"):
        open_runtime(package, "coreml", contract=parse_contract(document))


def test_a_value_that_is_used_before_it_is_made_is_refused(package):
    def drop(_, block):
        del block.operations[next(i for i, item in enumerate(block.operations) if item.type == "conv")]

    edit(package, drop)
    with pytest.raises(ArtifactRefused, match="used before it is made"):
        open_runtime(package, "coreml")


def test_a_dynamic_shape_is_refused(package):
    def open_up(_, block):
        output = next(operation for operation in block.operations if operation.type == "conv").outputs[0]
        output.type.tensorType.dimensions[0].unknown.variadic = False

    edit(package, open_up)
    with pytest.raises(ArtifactRefused, match="dynamic dimension"):
        open_runtime(package, "coreml")


def test_another_kind_of_model_is_refused(package):
    edit(package, lambda model, _: model.neuralNetwork.SetInParent())
    with pytest.raises(ArtifactRefused, match="is a Core ML neuralNetwork; only an mlProgram"):
        open_runtime(package, "coreml")


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_truncated_weights_are_refused(package, keep):
    content = (package / WEIGHTS).read_bytes()
    (package / WEIGHTS).write_bytes(content[:keep])
    with pytest.raises(ArtifactRefused, match="damaged"):
        open_runtime(package, "coreml")


def test_a_damaged_model_is_refused(package):
    (package / MODEL).write_bytes(b"\xff" * 100)
    with pytest.raises(ArtifactRefused, match="no readable Core ML model"):
        open_runtime(package, "coreml")


def test_weights_outside_the_package_are_refused(package):
    def escape(_, block):
        for operation in block.operations:
            if operation.attributes["val"].WhichOneof("value") == "blobFileValue":
                operation.attributes["val"].blobFileValue.fileName = "@model_path/../../../../secret.bin"

    edit(package, escape)
    with pytest.raises(ArtifactRefused, match="outside of the package"):
        open_runtime(package, "coreml")


@pytest.mark.parametrize("path", ["../../elsewhere", "com.apple.CoreML/none.mlmodel", 7])
def test_a_manifest_that_names_no_file_of_the_package_is_refused(package, path):
    document = json.loads((package / "Manifest.json").read_text())
    document["itemInfoEntries"][document["rootModelIdentifier"]]["path"] = path
    (package / "Manifest.json").write_text(json.dumps(document))
    with pytest.raises(ArtifactRefused, match="no file of the package"):
        open_runtime(package, "coreml")


def test_a_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(ArtifactRefused, match="is not a Core ML package"):
        open_runtime(tmp_path, "coreml")


def test_an_unknown_precision_is_refused(package):
    with pytest.raises(ArtifactRefused, match="choose one of float32, float16"):
        open_runtime(package, "coreml", precision="bfloat16")
