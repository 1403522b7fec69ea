"""Peak memory of opening an artifact and running one case, measured in a process of its own.

`python -m packager.verify.memory ARTIFACT FORMAT CONTRACT RESULT` imports the engine first and then watches
how far the process's resident memory grows above that. The runtime has no public way to ask for its arena
alone, and what it loads of its own code on the way counts too: compare figures, do not add them up.
"""

import json
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import numpy as np

from packager.contract import Contract, canonical_json, read_contract
from packager.processes import quiet_environment, run_apart

# What runs a format on a device too. Our own evaluator of Core ML runs on none, so its memory says nothing.
ENGINES = {"tflite": "ai_edge_litert.interpreter", "onnx": "onnxruntime"}
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
    with tempfile.TemporaryDirectory(prefix="skyfold-memory-") as name:
        folder = Path(name)
        (folder / "contract.json").write_bytes(canonical_json(contract.document))
        files = [str(artifact.resolve()), format, str(folder / "contract.json"), str(folder / "peak.json")]
        command = [sys.executable, "-m", "packager.verify.memory", *files]
        if run_apart(command, folder / "log.txt", TIMEOUT_SECONDS, quiet_environment()) != 0:
            return None
        peak: int | None = json.loads((folder / "peak.json").read_text())
    return peak


def main(arguments: list[str]) -> int:
    """Measure in this process; write one number, or null where the system does not tell."""
    artifact, format_, document, result = arguments
    from packager.runtimes import open_runtime

    import_module(ENGINES[format_])
    contract = read_contract(Path(document))
    inputs = {spec.name: np.zeros((CASES, *spec.shape[1:]), np.float32) for spec in contract.inputs}
    before = _start()
    open_runtime(Path(artifact), format_, contract=contract).run(inputs)
    after = _resident("VmHWM")
    grown = None if before is None or after is None else max(after - before, 0)
    Path(result).write_text(json.dumps(grown))
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
