"""Make a peer's artifact in a process of its own: stock tools die on some models, and that is a result.

`python -m packager.comparison.stock REQUEST RESULT` does one; `make_stock` starts it.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from packager.contract import Contract, canonical_json, read_contract
from packager.errors import ConversionFailed
from packager.processes import quiet_environment, run_apart, tail_of
from packager.types import Tensors

# By maker: the module below `packager.comparison`, and the function in it.
MAKERS = {
    "tflite_int8": ("stock_tflite", "full_int8"),
    "litert_dynamic": ("stock_tflite", "litert_dynamic"),
    "litert_static": ("stock_tflite", "litert_static"),
    "pcqat": ("stock_pcqat", "pcqat"),
    "coreml_kmeans4": ("stock_coreml", "kmeans4"),
    "coreml_linear8": ("stock_coreml", "linear8"),
}
TIMEOUT_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class StockRequest:
    """One artifact to make.

    Attributes:
        maker: one of `MAKERS`.
        model: folder of a saved model.
        contract: contract document.
        calibration: `.npz` of representative inputs by contract name.
        lesson: `.npz` of inputs and of targets (`target_<name>`) to fine-tune on; makers that only convert
            leave it alone.
        output: the artifact to write.
    """

    maker: str
    model: Path
    contract: Path
    calibration: Path
    lesson: Path
    output: Path


@dataclass(frozen=True)
class Subject:
    """What a maker is given: the model, its contract, and cases."""

    model: Any
    contract: Contract
    calibration: Tensors
    lesson: Path

    def read_lesson(self) -> tuple[Tensors, Tensors]:
        """Inputs and targets to fine-tune on."""
        stored = _read(self.lesson)
        targets = {k.removeprefix("target_"): v for k, v in stored.items() if k.startswith("target_")}
        return {k: v for k, v in stored.items() if not k.startswith("target_")}, targets


# (subject, path to write) → what was done, as plain values.
Maker = Callable[[Subject, Path], Mapping[str, Any]]


def make_stock(request: StockRequest) -> dict[str, Any]:
    """Make an artifact in a process of its own.

    Returns:
        What the maker says of it.

    Raises:
        ConversionFailed: the tool refused the model, died, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="skyfold-stock-") as name:
        folder = Path(name)
        values = {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in asdict(request).items()}
        (folder / "request.json").write_bytes(canonical_json(values))
        files = [str(folder / "request.json"), str(folder / "result.json")]
        command = [sys.executable, "-m", "packager.comparison.stock", *files]
        status = run_apart(command, folder / "log.txt", TIMEOUT_SECONDS, quiet_environment())
        if status != 0:
            ended = "took too long" if status is None else f"ended with status {status}"
            last = tail_of(folder / "log.txt", 600).splitlines()[-1]
            raise ConversionFailed(f"The stock tool {request.maker} {ended}: {last}")
        result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def main(arguments: list[str]) -> int:
    """Make one artifact in this process."""
    request, result = map(Path, arguments)
    asked = json.loads(request.read_text())
    from packager.student import load_student

    subject = Subject(
        model=load_student(Path(asked["model"])),
        contract=read_contract(Path(asked["contract"])),
        calibration=_read(Path(asked["calibration"])),
        lesson=Path(asked["lesson"]),
    )
    module, function = MAKERS[asked["maker"]]
    maker: Maker = getattr(import_module(f"packager.comparison.{module}"), function)
    result.write_text(json.dumps(dict(maker(subject, Path(asked["output"])))))
    return 0


def _read(path: Path) -> Tensors:
    with np.load(path) as stored:
        return {name: np.asarray(stored[name], np.float32) for name in stored.files}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
