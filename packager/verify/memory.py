"""Peak memory of opening an artifact and running one case, measured in a process of its own.

`python -m packager.verify.memory ARTIFACT FORMAT CONTRACT` imports the engine first and then watches how far
the process's resident memory grows above that. The runtime has no public way to ask for its arena alone.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import numpy as np

from packager.contract import Contract, canonical_json, read_contract

# What runs a format on a device too. Our own evaluator of Core ML runs on none, so its memory says nothing.
ENGINES = {"tflite": "ai_edge_litert.interpreter", "onnx": "onnxruntime"}
ROOT = Path(__file__).resolve().parents[2]
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
TIMEOUT_SECONDS = 120
CASES = 1


def peak_memory_kib(artifact: Path, format: str, contract: Contract) -> int | None:  # noqa: A002
    """How many KiB the process grows at most while it opens an artifact and runs one case.

    Returns:
        None where the engine that runs it here is not what a device runs, or where this system does not tell.
    """
    if format not in ENGINES:
        return None
    with tempfile.TemporaryDirectory(prefix="skyfold-memory-") as folder:
        document = Path(folder) / "contract.json"
        document.write_bytes(canonical_json(contract.document))
        command = [sys.executable, "-m", __name__, str(artifact.resolve()), format, str(document)]
        try:
            done = subprocess.run(  # noqa: S603 - our own module, arguments are files of ours
                command,
                cwd=ROOT,
                env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"},
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    if done.returncode:
        return None
    peak: int | None = json.loads(done.stdout.splitlines()[-1])
    return peak


def main(arguments: list[str]) -> int:
    """Measure in this process and print one number, or null where the system does not tell."""
    artifact, format_, document = arguments
    from packager.runtimes import open_runtime

    import_module(ENGINES[format_])
    contract = read_contract(Path(document))
    inputs = {spec.name: np.zeros((CASES, *spec.shape[1:]), np.float32) for spec in contract.inputs}
    before = _start()
    open_runtime(Path(artifact), format_, contract=contract).run(inputs)
    after = _resident("VmHWM")
    grown = None if before is None or after is None else max(after - before, 0)
    print(json.dumps(grown))  # noqa: T201
    return 0


def _start() -> int | None:
    """Forget the peak so far, and give what is resident now.

    `ru_maxrss` will not do: a process starts with the peak of the one that started it, gigabytes here.
    """
    with suppress(OSError):
        CLEAR.write_text("5")
        return _resident("VmRSS")
    return None


def _resident(field: str) -> int | None:
    with suppress(OSError):
        for line in STATUS.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
