"""A folder of finished stages. A stage whose inputs did not change is not done again, whoever asks."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from packager.contract import canonical_json

ROOT = Path(__file__).resolve().parents[1]
RECORD = "stage.json"
# A week: the longest stage of the longest profile takes hours.
ABANDONED_SECONDS = 7 * 86_400
SOURCE_SUFFIXES = {".py", ".json", ".yaml"}


@dataclass(frozen=True)
class Stage:
    """A finished stage: its folder of files, its facts as plain values, its cost, and what it was made of."""

    name: str
    key: str
    folder: Path
    facts: Mapping[str, Any]
    seconds: float
    cached: bool
    inputs: Mapping[str, Any] = field(default_factory=dict)


class Workspace:
    """Stages below one folder, each in `<name>/<key>/`; the key is a digest of what the stage depends on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stage(self, name: str, inputs: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any]]) -> Stage:
        """Do a stage, or find it done.

        Args:
            name: of the stage; a path segment.
            inputs: everything that its result depends on, as plain values; upstream stages by their keys.
            make: fills an empty folder and gives the facts. It is renamed into place afterwards: a stage that
                died half way leaves nothing that looks finished.
        """
        key = _key(name, inputs)
        folder = self._folder(name, key)
        cached = (folder / RECORD).exists()
        if not cached:
            self._make(folder, inputs, make)
        return _read(name, folder, cached=cached)

    def finished(self, name: str) -> Iterator[Stage]:
        """Every finished stage of a name, whatever made it."""
        for record in sorted((self.folder / name).glob(f"[!.]*/{RECORD}")):
            yield _read(name, record.parent)

    def known(self, name: str, key: str) -> Stage | None:
        """A finished stage by its key, also if today's program would make another one."""
        folder = self._folder(name, key)
        return _read(name, folder) if (folder / RECORD).exists() else None

    def _folder(self, name: str, key: str) -> Path:
        return self.folder / name / key[:24]

    def _make(
        self, folder: Path, inputs: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any]]
    ) -> None:
        part = folder.with_name(f".{folder.name}-{uuid4().hex}")
        part.mkdir(parents=True)
        _remove_abandoned(folder.parent)
        start = time.monotonic()
        try:
            facts = make(part)
            record = {"inputs": inputs, "facts": facts, "seconds": round(time.monotonic() - start, 2)}
            (part / RECORD).write_text(json.dumps(record, indent=1))
            try:
                part.rename(folder)
            except OSError:
                # Another process finished the same stage first: its result is as good.
                if not (folder / RECORD).exists():
                    raise
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _key(name: str, inputs: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json({"stage": name, **inputs})).hexdigest()


def _read(name: str, folder: Path, *, cached: bool = True) -> Stage:
    record = json.loads((folder / RECORD).read_text())
    inputs = record["inputs"]
    return Stage(name, _key(name, inputs), folder, record["facts"], record["seconds"], cached, inputs)


def _remove_abandoned(folder: Path) -> None:
    """Remove parts that killed processes left behind; nobody works on one stage for so long."""
    for part in folder.glob(".*-*"):
        with suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(part, ignore_errors=True)


@cache
def source_digest(*paths: str) -> str:
    """SHA-256 over the sources below some paths of the project: a changed program makes a changed stage.

    Read once per process: a worker that runs on while its files are replaced still runs the old program, and
    must not keep its results under the new one's name.
    """
    digest = hashlib.sha256()
    for path in paths:
        top = ROOT / path
        files = [top] if top.is_file() else sorted(p for p in top.rglob("*") if p.suffix in SOURCE_SUFFIXES)
        for file in files:
            digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
