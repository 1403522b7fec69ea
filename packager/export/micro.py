"""TFLite Micro: the int8 model as C++ source for the firmware of a weather station.

The artifact is a folder of two files. `model.cc` alone holds the model, as an aligned array: a `.tflite` file
beside it would double what is downloaded. `model.h` says how long it is, which memory and operations it
needs, and which of the interpreter's inputs and outputs is which.
"""

import tempfile
from pathlib import Path
from typing import Any

import tf_keras
from ai_edge_litert import schema_py_generated as schema

from packager.compress.state import State
from packager.contract import Contract
from packager.errors import ArtifactRefused, ConversionFailed
from packager.export.micro_source import header, source
from packager.export.tflite import export_tflite
from packager.runtimes.micro import HEADER, SOURCE, border_indexes, open_interpreter, read_model
from packager.types import Tensors

QUANTIZATIONS = ("w8a8",)
OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
# Operations with a method of `MicroMutableOpResolver`, as far as a student may need them; whether their
# kernels take its types is seen when it runs.
# Source: tflite-micro, tensorflow/lite/micro/micro_mutable_op_resolver.h.
HELD_NAMES = """
ABS ADD AVERAGE_POOL_2D BATCH_MATMUL BROADCAST_TO CEIL CONCATENATION CONV_2D COS CUMSUM
DEPTHWISE_CONV_2D DEQUANTIZE DIV ELU EXP EXPAND_DIMS FLOOR FULLY_CONNECTED GATHER HARD_SWISH
LEAKY_RELU LOG LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL NEG PACK PAD PADV2 QUANTIZE
REDUCE_MAX REDUCE_MIN RELU RELU6 RESHAPE ROUND RSQRT SELECT_V2 SIN SLICE SOFTMAX SPLIT SPLIT_V SQRT
SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM TANH TRANSPOSE UNPACK
"""
HELD = frozenset(HELD_NAMES.split())
LARGEST_ARENA = 4 * 2**20
# The interpreter places its buffers at multiples of this.
ARENA_STEP = 16


def export_micro(
    model: tf_keras.Model,
    contract: Contract,
    path: Path,
    *,
    calibration: Tensors | None,
    quantization: str = "w8a8",
    state: State | None = None,
    frozen: Path | None = None,
) -> dict[str, Any]:
    """Convert a model to C++ source for TFLite Micro; equal weights give equal bytes.

    Args:
        model: as for `packager.export.tflite.export_tflite`.
        contract: gives names and shapes.
        path: the folder to write; it must not exist.
        calibration: representative inputs, (case, ...), physical units.
        quantization: one of `QUANTIZATIONS`.
        state: what the steps before did to the weights.
        frozen: a folder that was exported in the same way before: its scales are kept.

    Returns:
        What `export_tflite` says, `model_bytes`, `arena_bytes` and the `kernels` that are needed.

    Raises:
        ConversionFailed: unknown quantization, an operation that TFLite Micro has not, or too little memory
            for it; and what `export_tflite` refuses.
    """
    if quantization not in QUANTIZATIONS:
        raise ConversionFailed(
            f"TFLite Micro quantization {quantization!r} is not known; "
            f"choose one of {', '.join(QUANTIZATIONS)}."
        )
    with tempfile.TemporaryDirectory() as name:
        staged, before = Path(name) / "model.tflite", Path(name) / "released.tflite"
        if frozen is not None:
            before.write_bytes(read_model(frozen).content)
        facts = export_tflite(
            model,
            contract,
            staged,
            quantization=quantization,
            # TFLite Micro gives wrong numbers where a convolution's weights are made by another operation.
            float_results=False,
            calibration=calibration,
            state=state,
            frozen=before if frozen is not None else None,
        )
        content = staged.read_bytes()
    kernels = operations_of(content)
    arena = measure_arena(content)
    path.mkdir(parents=True)
    (path / SOURCE).write_text(source(content))
    (path / HEADER).write_text(
        header(model_bytes=len(content), arena_bytes=arena, kernels=kernels, borders=border_indexes(content))
    )
    return facts | {"model_bytes": len(content), "arena_bytes": arena, "kernels": kernels}


def operations_of(content: bytes) -> list[str]:
    """Names of the operations that a model needs, sorted.

    Raises:
        ConversionFailed: names those that TFLite Micro has not.
    """
    model = schema.Model.GetRootAs(bytearray(content))
    codes = (model.OperatorCodes(index) for index in range(model.OperatorCodesLength()))
    names = sorted({OPERATORS[code.BuiltinCode()] for code in codes})
    missing = [name for name in names if name not in HELD]
    if missing:
        raise ConversionFailed(
            f"TFLite Micro has no operation {', '.join(missing)}, which this student needs. Build it "
            "from layers that it has, or export it as tflite."
        )
    return names


def measure_arena(content: bytes) -> int:
    """The smallest memory, in bytes, in which the interpreter runs a model on this machine.

    A machine with shorter pointers needs less.

    Raises:
        ConversionFailed: it does not run in 4 MiB either.
    """
    if not _runs(content, LARGEST_ARENA):
        raise ConversionFailed(
            f"TFLite Micro cannot run this student in {LARGEST_ARENA // 2**20} MiB; its log says why. "
            "Make the student smaller, or export it as tflite."
        )
    too_small, enough = 0, LARGEST_ARENA
    while enough - too_small > ARENA_STEP:
        middle = (too_small + enough) // (2 * ARENA_STEP) * ARENA_STEP
        too_small, enough = (too_small, middle) if _runs(content, middle) else (middle, enough)
    return enough


def _runs(content: bytes, arena: int) -> bool:
    try:
        open_interpreter(content, arena).invoke()
    except (ArtifactRefused, RuntimeError):
        return False
    return True
