"""The blob store: bytes under their SHA-256, each blob there whole or not at all.

A blob is a folder with the archive (`identity`) and its compressed form (`zstd`). It is filled beside the
store, synced, and becomes visible by one rename. A crash leaves at most a folder in `incoming`, which is
removed after an hour.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO

import zstandard
from django.conf import settings

from mobile_models.errors import StorageFailed
from packager.bundle import WIRE_LEVEL

IDENTITY, ZSTD = "identity", "zstd"
BLOCK = 64 * 1024
STALE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class StagedBlob:
    """A blob beside the store; `folder` holds both of its forms."""

    folder: Path
    sha256: str
    size: int
    wire_sha256: str
    wire_size: int

    @property
    def archive(self) -> Path:
        """The plain form."""
        return self.folder / IDENTITY


def blob_path(sha256: str, encoding: str = IDENTITY) -> Path:
    """Where a form of a blob lies; says nothing about whether it is there."""
    return _folder(sha256) / encoding


def is_stored(sha256: str) -> bool:
    """Whether the store holds a blob."""
    return blob_path(sha256).is_file()


@contextmanager
def staged(path: Path) -> Iterator[StagedBlob]:
    """Copy a file beside the store, so that what is checked there is what is published.

    Raises:
        StorageFailed: the file cannot be read, or the store cannot be written.
    """
    incoming = settings.BLOBS_DIR / "incoming"
    try:
        incoming.mkdir(parents=True, exist_ok=True)
        _remove_stale(incoming)
        folder = Path(mkdtemp(dir=incoming))
    except OSError as error:
        raise _failed(error) from error
    try:
        yield _fill(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(blob: StagedBlob) -> None:
    """Make a staged blob visible under its digest, by one rename.

    Raises:
        StorageFailed: the store cannot be written; nothing became visible.
    """
    target = _folder(blob.sha256)
    try:
        if _holds(target, blob):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        _sync_folder(blob.folder)
        if target.exists():  # it rotted, or another version of zstd compressed it
            target.rename(Path(mkdtemp(dir=blob.folder.parent)) / "replaced")
        _rename(blob, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise _failed(error) from error


def digest_of(path: Path) -> str:
    """SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fill(folder: Path, path: Path) -> StagedBlob:
    try:
        with path.open("rb") as source, (folder / IDENTITY).open("wb") as target:
            shutil.copyfileobj(source, target, BLOCK)
            _sync(target)
        with (folder / ZSTD).open("wb") as target:
            target.write(
                zstandard.ZstdCompressor(level=WIRE_LEVEL).compress((folder / IDENTITY).read_bytes())
            )
            _sync(target)
    except OSError as error:
        raise _failed(error) from error
    return StagedBlob(
        folder=folder,
        sha256=digest_of(folder / IDENTITY),
        size=(folder / IDENTITY).stat().st_size,
        wire_sha256=digest_of(folder / ZSTD),
        wire_size=(folder / ZSTD).stat().st_size,
    )


def _rename(blob: StagedBlob, target: Path) -> None:
    try:
        blob.folder.rename(target)
    except OSError:
        if not _holds(target, blob):  # else another process stored the same bytes in between
            raise


def _holds(target: Path, blob: StagedBlob) -> bool:
    wanted = {IDENTITY: blob.sha256, ZSTD: blob.wire_sha256}
    return all(
        (target / form).is_file() and digest_of(target / form) == digest for form, digest in wanted.items()
    )


def _folder(sha256: str) -> Path:
    return Path(settings.BLOBS_DIR) / sha256[:2] / sha256


def _remove_stale(incoming: Path) -> None:
    for folder in incoming.iterdir():
        try:
            abandoned = time.time() - folder.stat().st_mtime > STALE_SECONDS
        except FileNotFoundError:  # another process finished with it
            continue
        if abandoned:
            shutil.rmtree(folder, ignore_errors=True)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(error: OSError) -> StorageFailed:
    return StorageFailed(
        f"The bundle could not be stored: {error.strerror or error}. Nothing was changed. "
        "Give the store free space and write permission, then register the bundle again."
    )
