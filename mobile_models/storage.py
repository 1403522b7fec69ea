"""The blob store: bytes under their SHA-256, each blob there whole or not at all.

A blob is one file: an archive, one of its compressed forms, a patch, a model card. Rows say which is which;
they are written last, so nobody is sent to a blob that is not there yet. A crash in between leaves whole
blobs without a row, which nobody asks for.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp
from typing import IO, Any, TypedDict, cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages

from mobile_models.encodings import ZSTD, codings_for
from mobile_models.errors import StorageFailed
from mobile_models.stores import BlobStorage, Readable
from mobile_models.stores.folder import BLOCK, digest_of, incoming

ALIAS = "bundles"
ARCHIVE = "archive"


class Encoded(TypedDict):
    """A compressed form of a blob, which is a blob of its own."""

    size: int
    sha256: str


@dataclass(frozen=True)
class StagedBlob:
    """An archive beside the store, in a folder that goes with it. Its forms are made when asked for."""

    folder: Path
    sha256: str
    size: int

    @property
    def archive(self) -> Path:
        """The file itself."""
        return self.folder / ARCHIVE

    @cached_property
    def encodings(self) -> dict[str, Encoded]:
        """Bytes and digest of each compressed form, which lie in the folder under their codings' names."""
        data = self.archive.read_bytes()
        return {coding: self._encode(coding, make(data)) for coding, make in codings_for(self.size).items()}

    @property
    def wire_sha256(self) -> str:
        """SHA-256 of the zstd form."""
        return self.encodings[ZSTD]["sha256"]

    @property
    def wire_size(self) -> int:
        """Bytes of the zstd form."""
        return self.encodings[ZSTD]["size"]

    def _encode(self, coding: str, content: bytes) -> Encoded:
        (self.folder / coding).write_bytes(content)
        return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


class _Reader:
    """A blob that is read: a disk or a bucket may also fail after it was opened."""

    def __init__(self, source: Readable, sha256: str) -> None:
        self._source = source
        self._sha256 = sha256

    def read(self, size: int, /) -> bytes:
        with _reading(self._sha256):
            return self._source.read(size)

    def close(self) -> None:
        self._source.close()


def store() -> BlobStorage:
    """The storage that the settings choose."""
    return cast("BlobStorage", storages[ALIAS])


def name_of(sha256: str) -> str:
    """What a blob is called in the storage."""
    return f"{sha256[:2]}/{sha256}"


def blob_path(sha256: str) -> Path:
    """The file of a blob on this machine, fetched first if it lies in a bucket.

    Says nothing about whether it is there; its content is checked only when it was fetched.

    Raises:
        StorageFailed: the bucket does not answer, or it gave other bytes.
    """
    with _reading(sha256):
        return store().local_path(name_of(sha256), Path(settings.BLOB_CACHE_DIR))


def is_stored(sha256: str) -> bool:
    """Whether the store holds a blob."""
    with _reading(sha256):
        return store().exists(name_of(sha256))


def size_of(sha256: str) -> int:
    """Bytes of a stored blob.

    Raises:
        StorageFailed: it is gone.
    """
    with _reading(sha256):
        return store().size(name_of(sha256))


def open_blob(sha256: str, first: int, length: int) -> Readable:
    """A stored blob from its byte `first` on; reading it raises the same.

    Raises:
        StorageFailed: it is gone.
    """
    with _reading(sha256):
        return _Reader(store().open_at(name_of(sha256), first, length), sha256)


def signed_url(sha256: str, *, method: str, seconds: int, headers: Mapping[str, str]) -> str:
    """An address of the bucket that gives a blob to whoever has it, for so long and with these headers.

    Raises:
        StorageFailed: there are no keys to sign with.
    """
    with _reading(sha256):
        return store().signed_url(name_of(sha256), method=method, seconds=seconds, headers=headers)


@contextmanager
def staged(path: Path) -> Iterator[StagedBlob]:
    """Copy a file beside the store, so that what is checked there is what is published.

    Raises:
        StorageFailed: the file cannot be read, or the folder cannot be written.
    """
    with _writing():
        folder = Path(mkdtemp(dir=incoming()))
    try:
        yield _fill(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(blob: StagedBlob) -> None:
    """Put an archive and its compressed forms into the store, the archive last.

    Raises:
        StorageFailed: the store cannot be written; the archive did not become visible.
    """
    with _writing():
        for coding, form in blob.encodings.items():
            _put_file(blob.folder / coding, form["sha256"])
        _put_file(blob.archive, blob.sha256)


def put_bytes(content: bytes) -> str:
    """Store bytes as a blob; gives their SHA-256. The same bytes again change nothing.

    Raises:
        StorageFailed: the store cannot be written.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    with _writing():
        _put(BytesIO(content), sha256, len(content))
    return sha256


def _fill(folder: Path, path: Path) -> StagedBlob:
    with _writing():
        with path.open("rb") as source, (folder / ARCHIVE).open("wb") as target:
            shutil.copyfileobj(source, target, BLOCK)
            target.flush()
            os.fsync(target.fileno())
        return StagedBlob(folder, digest_of(folder / ARCHIVE), (folder / ARCHIVE).stat().st_size)


def _put_file(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        _put(file, sha256, path.stat().st_size)


def _put(content: IO[Any], sha256: str, size: int) -> None:
    name = name_of(sha256)
    if not store().holds(name, sha256=sha256, size=size):
        store().save(name, File(content))


@contextmanager
def _reading(sha256: str) -> Iterator[None]:
    """Turn what a disk or a bucket says while it is read into the error that callers know."""
    try:
        yield
    except FileNotFoundError as error:
        raise StorageFailed(f"The store has lost the blob {sha256}. Register the bundle again.") from error
    except OSError as error:
        raise StorageFailed(
            f"The store cannot be read: {error.strerror or error}. Try again; look at its disk or its bucket."
        ) from error


@contextmanager
def _writing() -> Iterator[None]:
    """The same while it is written."""
    try:
        yield
    except OSError as error:
        raise StorageFailed(
            f"The bundle could not be stored: {error.strerror or error}. Nothing was changed. "
            "Give the store free space and write permission, then register the bundle again."
        ) from error
