"""Blobs in a folder: the embedded default."""

import hashlib
import os
import shutil
import time
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, BinaryIO

from django.conf import settings
from django.core.files.storage import FileSystemStorage

BLOCK = 64 * 1024
STALE_SECONDS = 3600


class FolderStorage(FileSystemStorage):
    """Files below `BLOBS_DIR`. Each is written beside the others, synced, and becomes visible by one rename.

    A crash leaves at most a file in `incoming`, which is removed after an hour.
    """

    @property
    def base_location(self) -> Path:
        """The folder, as the settings name it now."""
        return Path(settings.BLOBS_DIR)

    @property
    def location(self) -> str:
        """The folder as an absolute path."""
        return str(self.base_location.resolve())

    def get_available_name(self, name: str, max_length: int | None = None) -> str:  # noqa: ARG002
        """The name itself: a name is a digest, so what is there has these very bytes or is rotten."""
        return name

    def exists(self, name: str) -> bool:
        """Whether the file is there. A folder of this name is how bundles were stored once, and none."""
        return self._file(name).is_file()

    def holds(self, name: str, *, sha256: str, size: int) -> bool:
        """Whether these very bytes are there: reads them."""
        path = self._file(name)
        return path.is_file() and path.stat().st_size == size and digest_of(path) == sha256

    def open_at(self, name: str, first: int, length: int) -> BinaryIO:  # noqa: ARG002
        """The file, `first` bytes skipped."""
        file = self._file(name).open("rb")
        file.seek(first)
        return file

    def local_path(self, name: str, into: Path) -> Path:  # noqa: ARG002
        """The file itself."""
        return self._file(name)

    def _save(self, name: str, content: IO[Any]) -> str:
        target = self._file(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=incoming(), delete=False) as file:
            staged = Path(file.name)
            try:
                shutil.copyfileobj(content, file, BLOCK)
                file.flush()
                os.fsync(file.fileno())
                staged.chmod(0o644)
                if target.is_dir():
                    shutil.rmtree(target)
                staged.rename(target)
            except BaseException:
                staged.unlink(missing_ok=True)
                raise
        _sync_folder(target.parent)
        return name

    def _file(self, name: str) -> Path:
        return Path(self.path(name))


def incoming() -> Path:
    """The folder beside the blobs in which files are made; clears away what crashes left in it."""
    folder = Path(settings.BLOBS_DIR) / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    clear_older(folder, STALE_SECONDS)
    return folder


def clear_older(folder: Path, seconds: float) -> None:
    """Remove what nobody touched in a folder for so long."""
    for path in folder.iterdir():
        try:
            abandoned = time.time() - path.stat().st_mtime > seconds
        except FileNotFoundError:  # another process was faster
            continue
        if abandoned:
            _remove(path)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
