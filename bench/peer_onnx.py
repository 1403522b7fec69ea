"""`python -m bench.peer_onnx TOOL IN.onnx CALIBRATION.npz OUT.onnx`: quantize with one tool's defaults.

Runs in `.venv-bench`, without any package of this project.
"""

import sys
from collections.abc import Iterator

import numpy as np


class Cases:
    """Calibration cases, one at a time, as Neural Compressor's data loaders give them."""

    batch_size = 1

    def __init__(self, path: str) -> None:
        with np.load(path) as stored:
            self.inputs = {name: stored[name].astype(np.float32) for name in stored.files}

    def __iter__(self) -> Iterator[tuple[dict[str, np.ndarray], int]]:
        for case in self.plain():
            yield case, 0

    def plain(self) -> list[dict[str, np.ndarray]]:
        """One dict per case."""
        count = len(next(iter(self.inputs.values())))
        return [{name: values[i : i + 1] for name, values in self.inputs.items()} for i in range(count)]


def neural_compressor(source: str, cases: Cases, target: str) -> None:
    try:
        from neural_compressor import PostTrainingQuantConfig, quantization
    except ModuleNotFoundError:
        raise
    except ImportError as error:
        raise SystemExit("this version of Neural Compressor no longer has what quantizes ONNX") from error

    made = quantization.fit(source, PostTrainingQuantConfig(approach="static"), calib_dataloader=cases)
    if made is None:
        raise SystemExit("Neural Compressor found no model within its own accuracy criterion.")
    made.save(target)


def nncf(source: str, cases: Cases, target: str) -> None:
    import nncf as tool
    import onnx

    onnx.save(tool.quantize(onnx.load(source), tool.Dataset(cases.plain())), target)


TOOLS = {"neural_compressor": neural_compressor, "nncf": nncf}

if __name__ == "__main__":
    name, given, calibration, wanted = sys.argv[1:]
    TOOLS[name](given, Cases(calibration), wanted)
