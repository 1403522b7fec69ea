"""Run an artifact as a device would: one runtime per format, all with the same three members.

Runtimes are imported where they are opened. The web process opens TFLite artifacts only and never pays for
coremltools.
"""

from pathlib import Path
from typing import Protocol

from packager.contract import Contract, reference_contract
from packager.errors import ArtifactRefused
from packager.types import Tensors

FORMATS = ("tflite", "coreml", "onnx", "micro")
PRECISIONS = ("float32", "float16")


class Runtime(Protocol):
    """An artifact, ready to run."""

    @property
    def format(self) -> str:
        """The artifact's format, one of `FORMATS`."""

    def run(self, inputs: Tensors) -> Tensors:
        """Run every case of the leading axis.

        Args:
            inputs: by contract name, (case, ...), physical units.

        Returns:
            By contract name, (case, lead) or (case, lead, level or class), physical units.
        """

    def microseconds_per_inference(self, inputs: Tensors, *, repeats: int = 200) -> float | None:
        """Median time of one case on one thread; None where this runtime is not what a device runs."""


def open_runtime(
    path: Path,
    format: str,  # noqa: A002 - the manifest's word
    *,
    precision: str = "float32",
    contract: Contract | None = None,
) -> Runtime:
    """Open an artifact and check its inputs and outputs against a contract.

    Args:
        path: the artifact: a `.tflite` or `.onnx` file, a `.mlpackage` or `.micro` folder.
        format: one of `FORMATS`.
        precision: one of `PRECISIONS`; matters for coreml only, see `CoremlRuntime`.
        contract: what the artifact must take and give; the reference contract when not given.

    Raises:
        ArtifactRefused: unreadable, or not of the contract's names, shapes and types.
    """
    agreed = contract or reference_contract()
    if precision not in PRECISIONS:
        raise ArtifactRefused(f"Precision {precision!r} is not known; choose one of {', '.join(PRECISIONS)}.")
    if format == "tflite":
        from packager.runtimes.tflite import TfliteRuntime

        return TfliteRuntime(path, agreed)
    if format == "coreml":
        from packager.runtimes.coreml import CoremlRuntime

        return CoremlRuntime(path, agreed, precision=precision)
    if format == "onnx":
        from packager.runtimes.onnx import OnnxRuntime

        return OnnxRuntime(path, agreed)
    if format == "micro":
        from packager.runtimes.micro import MicroRuntime

        return MicroRuntime(path, agreed)
    raise ArtifactRefused(f"Format {format!r} has no runtime here; this version runs {', '.join(FORMATS)}.")
