"""Run each conversion in its own process: a converter that dies is an error message, not the end of the job.

`convert` starts `python -m packager.export.isolated REQUEST RESULT`, which rebuilds the student from its
folder, exports it and writes what it found. The artifact is moved to its place only when that process ended
well.
"""

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from packager.contract import Contract, canonical_json, read_contract
from packager.errors import ConversionFailed, PackagerError
from packager.processes import quiet_environment, run_apart, tail_of
from packager.teacher.foreign.isolated import interpreter_for
from packager.teacher.foreign.keeping import foreign_description
from packager.types import Tensors

TARGETS = {
    "tflite": {"quantization", "batch", "torch"},
    "coreml": {"weights", "target", "torch"},
    "onnx": {"quantization"},
    "micro": {"quantization"},
}
COMMAND = (sys.executable, "-m", "packager.export.isolated")
REFUSED = 3


@dataclass(frozen=True, slots=True)
class ConversionRequest:
    """One conversion: which student to which file.

    Attributes:
        student: folder that `packager.student.save_student` wrote.
        contract: contract document.
        target: one of `TARGETS`.
        output: the artifact to write; replaced when it exists.
        options: keyword arguments of the exporter (`quantization`, `batch`, `weights`, `target`).
        calibration: `.npz` of inputs by contract name, for static quantization.
        frozen: the artifact of the release before, whose scales and palettes are kept.
        timeout_seconds: after this the process is killed.
    """

    student: Path
    contract: Path
    target: str
    output: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    calibration: Path | None = None
    frozen: Path | None = None
    timeout_seconds: float = 600.0


def convert(request: ConversionRequest) -> dict[str, Any]:
    """Convert in a process of its own and put the artifact in its place.

    Returns:
        What the exporter said of the quantization.

    Raises:
        ConversionFailed: the converter refused the model, died, or took too long; nothing was written.
    """
    _check(request)
    request.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=request.output.parent, prefix=".converting-") as name:
        folder = Path(name)
        facts = _run(request, folder)
        _replace(folder / request.output.name, request.output)
    return facts


def _check(request: ConversionRequest) -> None:
    if request.target not in TARGETS:
        raise ConversionFailed(f"Target {request.target!r} is not known; choose one of {', '.join(TARGETS)}.")
    unknown = sorted(set(request.options) - TARGETS[request.target])
    if unknown:
        raise ConversionFailed(
            f"Options {', '.join(unknown)} are not known to target {request.target}; "
            f"it takes {', '.join(sorted(TARGETS[request.target]))}."
        )


def _run(request: ConversionRequest, folder: Path) -> dict[str, Any]:
    staged = folder / request.output.name
    (folder / "request.json").write_bytes(canonical_json(_plain(request, staged)))
    log = folder / "log.txt"
    status = run_apart(
        [*_command(request.student), str(folder / "request.json"), str(folder / "result.json")],
        log,
        request.timeout_seconds,
        quiet_environment(),
    )
    if status != 0 or not staged.exists():
        raise ConversionFailed(_explain(request, status, log))
    facts: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return facts


def _command(student: Path) -> list[str]:
    """With the interpreter that has the library of a model from elsewhere."""
    description = foreign_description(student)
    python = [interpreter_for(description["format"])] if description else [COMMAND[0]]
    return python + list(COMMAND[1:])


def _plain(request: ConversionRequest, staged: Path) -> dict[str, Any]:
    values = asdict(request) | {"output": staged, "options": dict(request.options)}
    return {key: str(value.resolve()) if isinstance(value, Path) else value for key, value in values.items()}


def _explain(request: ConversionRequest, status: int | None, log: Path) -> str:
    if status is None:
        how, then = (
            f"took more than {request.timeout_seconds:.0f} s",
            "Allow more time or make the student smaller.",
        )
    elif status < 0:
        how = f"died of {signal.Signals(-status).name}"
        then = (
            "Memory ran out, or the converter cannot handle a layer of this model: free memory or change it."
        )
    elif status == REFUSED:
        how, then = "was refused", "Change what it names."
    else:
        how, then = f"ended with status {status}", "Read the converter's message above."
    return f"Conversion of {request.student.name} to {request.output.name} {how}:\n{tail_of(log)}\n{then}"


def _replace(staged: Path, output: Path) -> None:
    if output.is_dir():
        shutil.rmtree(output)
    staged.replace(output)


def main(arguments: list[str]) -> int:
    """Do one conversion in this process; the exit status says how it went."""
    request_path, result_path = map(Path, arguments)
    request = json.loads(request_path.read_text())
    try:
        facts = _export(request)
    except PackagerError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    result_path.write_text(json.dumps(facts, sort_keys=True))
    return 0


def _export(request: dict[str, Any]) -> dict[str, Any]:
    from packager.compress.state import read_state
    from packager.student import load_student, read_description

    contract = read_contract(Path(request["contract"]))
    if description := foreign_description(Path(request["student"])):
        return _export_foreign(request, description, contract)
    model = load_student(Path(request["student"]))
    output, options = Path(request["output"]), dict(request["options"])
    options["frozen"] = Path(request["frozen"]) if request["frozen"] else None
    if request["target"] == "coreml":
        from packager.export.coreml import export_coreml

        return export_coreml(model, contract, output, **options)
    calibration = _read_tensors(request["calibration"])
    if request["target"] == "onnx":
        from packager.export.onnx import export_onnx

        return export_onnx(model, contract, output, calibration=calibration, **options)
    options["state"] = read_state(read_description(Path(request["student"])))
    if request["target"] == "micro":
        from packager.export.micro import export_micro

        return export_micro(model, contract, output, calibration=calibration, **options)
    from packager.export.tflite import export_tflite

    return export_tflite(model, contract, output, calibration=calibration, **options)


def _export_foreign(
    request: dict[str, Any], description: dict[str, Any], contract: Contract
) -> dict[str, Any]:
    from packager.export.foreign import export_foreign

    return export_foreign(
        Path(request["student"]),
        description,
        contract,
        Path(request["output"]),
        target=request["target"],
        options=request["options"],
        calibration=_read_tensors(request["calibration"]),
    )


def _read_tensors(path: str | None) -> Tensors | None:
    if path is None:
        return None
    with np.load(path) as stored:
        return {name: np.asarray(stored[name], np.float32) for name in stored.files}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
