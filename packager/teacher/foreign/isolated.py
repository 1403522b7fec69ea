"""Run a model from elsewhere in its own process: one that dies is an error message, not the end of the job.

`ask` starts `python -m packager.teacher.foreign.isolated REQUEST`, with the interpreter that has the model's
library. Inputs and outputs go through `.npz` files.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from packager.contract import canonical_json, parse_contract
from packager.errors import PackagerError, RuntimeUnavailable, TeacherRefused
from packager.processes import ROOT, quiet_environment, run_apart, tail_of
from packager.teacher.foreign import TORCH_FORMATS, open_model
from packager.teacher.foreign.running import check_model, run_model
from packager.teacher.foreign.side_file import parse_teacher_contract
from packager.types import Tensors

REFUSED = 3
# A large teacher labels a year of many stations.
TIMEOUT_SECONDS = 6 * 3600.0
# PyTorch and its converters need other versions of what the rest needs: see docs/adr/0022-pytorch-apart.md.
TORCH_PYTHON = "TORCH_PYTHON"
DEFAULT_TORCH_PYTHON = ROOT / ".venv-torch" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked.

    Attributes:
        model: its file or folder.
        format: which adapter.
        side: the side file's document.
        contract: the contract's document.
        check: ask as `check_model` does, for facts; else for outputs.
    """

    model: Path
    format: str
    side: Mapping[str, Any]
    contract: Mapping[str, Any]
    check: bool = False


def interpreter_for(format: str) -> str:  # noqa: A002 - the format's word
    """The Python that has the library of a format.

    Raises:
        RuntimeUnavailable: PyTorch is not installed.
    """
    if format not in TORCH_FORMATS:
        return sys.executable
    python = Path(os.environ.get(TORCH_PYTHON) or DEFAULT_TORCH_PYTHON)
    if not python.is_file():
        raise RuntimeUnavailable(
            f"PyTorch models need an environment of their own, and {python} does not exist. Make it with "
            f"`make install-torch`, or name another Python that has requirements-torch.txt in {TORCH_PYTHON}."
        )
    return str(python)


def ask(
    question: Question, inputs: Tensors, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> tuple[Tensors, dict[str, Any]]:
    """Ask a model in a process of its own.

    Args:
        question: which model, and how.
        inputs: by contract name, (case, ...), the contract's units.
        timeout_seconds: after this the process is killed.

    Returns:
        Outputs by contract name (none for a check), and facts (none else).

    Raises:
        TeacherRefused: the model is no teacher, died, or took too long.
        RuntimeUnavailable: PyTorch is not installed.
    """
    with TemporaryDirectory(prefix="skyfold-teacher-") as name:
        folder = Path(name)
        np.savez(folder / "inputs.npz", **inputs)  # type: ignore[arg-type]
        (folder / "request.json").write_bytes(
            canonical_json(
                {
                    "model": str(question.model.resolve()),
                    "format": question.format,
                    "side": question.side,
                    "contract": question.contract,
                    "check": question.check,
                }
            )
        )
        command = [interpreter_for(question.format), "-m", "packager.teacher.foreign.isolated", str(folder)]
        status = run_apart(command, folder / "log.txt", timeout_seconds, quiet_environment())
        if status != 0:
            raise _explained(question.model, status, folder, timeout_seconds)
        facts: dict[str, Any] = json.loads((folder / "facts.json").read_text())
        return read_tensors(folder / "outputs.npz"), facts


def read_tensors(path: Path) -> Tensors:
    """Arrays by name from an `.npz` file, as float32."""
    with np.load(path) as stored:
        return {name: np.asarray(stored[name], np.float32) for name in stored.files}


def _explained(model: Path, status: int | None, folder: Path, seconds: float) -> TeacherRefused:
    if status == REFUSED:
        return TeacherRefused(f"{model.name}: {(folder / 'refused.txt').read_text()}")
    if status is None:
        how, then = f"took more than {seconds:.0f} s", "Use a smaller teacher, or a profile with fewer cases."
    elif status < 0:
        how = f"died of {signal.Signals(-status).name}"
        then = "Free memory, or save the model in another format."
    else:
        how, then = f"ended with status {status}", "Read its message above."
    return TeacherRefused(f"{model.name} {how} while it was run:\n{tail_of(folder / 'log.txt')}\n{then}")


def main(arguments: list[str]) -> int:
    """Answer one question in this process; the exit status says how it went."""
    folder = Path(arguments[0])
    request = json.loads((folder / "request.json").read_text())
    try:
        outputs, facts = _answer(request, read_tensors(folder / "inputs.npz"))
    except PackagerError as error:
        (folder / "refused.txt").write_text(str(error))
        return REFUSED
    np.savez(folder / "outputs.npz", **outputs)  # type: ignore[arg-type]
    (folder / "facts.json").write_text(json.dumps(facts))
    return 0


def _answer(request: dict[str, Any], inputs: Tensors) -> tuple[Tensors, dict[str, Any]]:
    contract = parse_contract(request["contract"])
    side = parse_teacher_contract(request["side"], contract)
    model = open_model(Path(request["model"]), request["format"], signature=side.signature)
    if request["check"]:
        return {}, check_model(model, side, contract, inputs)
    return run_model(model, side, contract, inputs), {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
