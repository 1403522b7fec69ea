"""A checked model from elsewhere, kept in a folder of the workspace as our own models are."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packager.contract import Contract, canonical_json
from packager.teacher.foreign.detection import detect_format
from packager.teacher.foreign.isolated import Question, ask
from packager.teacher.foreign.side_file import read_teacher_contract, side_file_of
from packager.types import Tensors

KIND = "foreign"
CHECKED_CASES = 16


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A model that somebody gave, with its side file.

    Attributes:
        path: the model's file or folder.
        format: which adapter reads it.
        side: the side file's document, checked against the contract.
    """

    path: Path
    format: str
    side: dict[str, Any]

    @property
    def identity(self) -> dict[str, Any]:
        """What a stage that is made of it depends on."""
        return {"format": self.format, "sha256": digest_of(self.path), "side": self.side}


def find_foreign(path: Path, side_file: Path | None, contract: Contract) -> ForeignFile:
    """A model with its side file, which lies beside it when none is named.

    Raises:
        TeacherRefused: either is missing or not what it must be.
    """
    format_ = detect_format(path)
    side = read_teacher_contract(side_file or side_file_of(path), contract)
    return ForeignFile(path, format_, dict(side.document))


def keep_foreign(given: ForeignFile, contract: Contract, inputs: Tensors, folder: Path) -> dict[str, Any]:
    """Check a model on a few cases and copy it into a new folder.

    Args:
        given: the model.
        contract: what it must take and give.
        inputs: some cases, by contract name; a few of them are asked.
        folder: gets the copy, and `model.json`.

    Returns:
        The description that `model.json` holds.

    Raises:
        TeacherRefused: it is no teacher for this contract.
        RuntimeUnavailable: its library is not installed.
    """
    few = {name: values[:CHECKED_CASES] for name, values in inputs.items()}
    question = Question(given.path, given.format, given.side, contract.document, check=True)
    _, facts = ask(question, few)
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"foreign{given.path.suffix}"
    if given.path.is_dir():
        shutil.copytree(given.path, copy)
    else:
        shutil.copyfile(given.path, copy)
    description = {
        "kind": KIND,
        "format": given.format,
        "file": copy.name,
        "name": given.path.name,
        "side": given.side,
        "contract": dict(contract.document),
        **facts,
    }
    (folder / "model.json").write_bytes(canonical_json(description))
    return description


def foreign_description(folder: Path) -> dict[str, Any] | None:
    """What `keep_foreign` wrote; None where the folder holds one of our own models, or none."""
    path = folder / "model.json"
    description: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return description if description.get("kind") == KIND else None


def foreign_forecasts(folder: Path, description: dict[str, Any]) -> Callable[[Tensors], Tensors]:
    """Runs a kept model, each call in a process of its own."""
    question = Question(
        folder / description["file"], description["format"], description["side"], description["contract"]
    )
    return lambda inputs: ask(question, inputs)[0]


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder with their names."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else ""
        digest.update(name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
