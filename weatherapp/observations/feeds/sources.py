"""Where feeds get their files from: a folder, a file, or HTTP.

A source gives what is new since the validators of the last pass. What could not be read stands in `troubles`;
what is left for the next pass in `waiting`. Nothing is remembered as read before it is stored: the caller
keeps the new validators once it has.
"""

import hashlib
import re
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from weatherapp.observations.errors import FeedUnreadable

MAX_BYTES = 64 * 1024 * 1024  # of one document, unpacked
MAX_BYTES_PER_PASS = 128 * 1024 * 1024
MAX_FILES_PER_PASS = 200
SETTLE_SECONDS = 2.0  # a file that was written to so lately may still grow
UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".swp", ".lock", "~")
GZIP_MAGIC = b"\x1f\x8b"
SEEN_CHARACTERS = 80

Validators = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Document:
    """What a source gave under one name.

    Attributes:
        name: path or URL.
        content: unpacked.
        whole: False where the end is missing.
        modified: when the file was last written, aware UTC; None where that is not known.
    """

    name: str
    content: bytes
    whole: bool = True
    modified: datetime | None = None

    @property
    def filename(self) -> str:
        """The last part of the name, without a query."""
        return shown(self.name).rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Reading:
    """One look at a source.

    Attributes:
        documents: new or changed ones.
        validators: what to give the next look, once the documents are stored; by `remembered_as`.
        troubles: what could not be read, in sentences.
        waiting: what was left for the next look.
        unchanged: how many documents were as before.
        more: whether this look ended because it had read enough.
    """

    documents: tuple[Document, ...] = ()
    validators: Validators = field(default_factory=dict)
    troubles: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    unchanged: int = 0
    more: bool = False


class Source(Protocol):
    """Something that has documents."""

    def read(self, validators: Validators) -> Reading:
        """Give what is new since the validators of an earlier reading.

        Raises:
            FeedUnreadable: nothing of it can be read.
        """
        ...


def shown(name: str) -> str:
    """A path, or an address without its user and its query, which may hold a key and is long."""
    return re.sub(r"//[^/]*@", "//", name.split("?", 1)[0]) if "://" in name else name


def remembered_as(name: str) -> str:
    """What a document is remembered by: a name of its own, fit to be stored and shown."""
    if shown(name) == name:
        return name
    return f"{shown(name)} {hashlib.sha256(name.encode()).hexdigest()[:16]}"


def everything(_name: str) -> bool:
    """Accept every file name."""
    return True


@dataclass(frozen=True)
class FolderSource:
    """Files of a folder, or one file.

    A file is read again when its size or its time of change differs from the last pass. Files under a
    temporary name, and those written to in the last seconds, are left for the next pass.
    """

    path: Path
    accepts: Callable[[str], bool] = everything
    clock: Callable[[], float] = time.time

    def read(self, validators: Validators) -> Reading:
        """As `Source.read`; the validators are size and time of change per path."""
        files = self._files()
        look = _Look()
        for file in files:
            self._look_at(file, validators, look)
        if look.troubles and not look.documents and not look.unchanged:
            raise FeedUnreadable(" ".join(look.troubles))
        return look.reading()

    def _files(self) -> list[Path]:
        try:
            if self.path.is_file():
                return [self.path]
            return sorted(file for file in self.path.iterdir() if file.is_file() and self.accepts(file.name))
        except OSError as error:
            raise FeedUnreadable(
                f"{self.path} cannot be read ({error.strerror}). Name a file or folder that is there, "
                "and that this server may read."
            ) from error

    def _look_at(self, file: Path, validators: Validators, look: "_Look") -> None:
        key = str(file)
        try:
            before = _signature(file)
            if validators.get(key) == before:
                look.keep(key, before)
            elif self._unfinished(file):
                look.waiting.append(f"{file.name} (still being written)")
            elif look.full(before["size"]):
                look.waiting.append(f"{file.name} (this pass has read enough)")
                look.more = True
            else:
                document = unpacked(key, file.read_bytes(), modified=_time(before))
                if _signature(file) != before:
                    look.waiting.append(f"{file.name} (changed while it was read)")
                else:
                    look.add(document, key, before)
        except FileNotFoundError:
            look.waiting.append(f"{file.name} (gone)")
        except OSError as error:
            look.troubles.append(f"{file.name} cannot be read: {error.strerror}.")
        except FeedUnreadable as error:
            look.troubles.append(str(error))

    def _unfinished(self, file: Path) -> bool:
        if file.name.startswith(".") or file.name.endswith(UNFINISHED):
            return True
        # Whoever names one file has finished writing it.
        return file != self.path and self.clock() - file.stat().st_mtime < SETTLE_SECONDS


class _Look:
    """A reading in the making."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.validators: dict[str, Mapping[str, Any]] = {}
        self.troubles: list[str] = []
        self.waiting: list[str] = []
        self.unchanged = 0
        self.more = False
        self.bytes = 0

    def keep(self, key: str, validator: Mapping[str, Any]) -> None:
        self.validators[key] = validator
        self.unchanged += 1

    def add(self, document: Document, key: str, validator: Mapping[str, Any]) -> None:
        self.documents.append(document)
        self.bytes += len(document.content)
        if not document.whole:
            self.troubles.append(f"{document.filename} is cut off; what is there was read.")
        if validator:
            self.validators[key] = validator

    def full(self, size: int) -> bool:
        return bool(self.documents) and (
            len(self.documents) >= MAX_FILES_PER_PASS or self.bytes + size > MAX_BYTES_PER_PASS
        )

    def reading(self) -> Reading:
        return Reading(
            documents=tuple(self.documents),
            validators=self.validators,
            troubles=tuple(self.troubles),
            waiting=tuple(self.waiting),
            unchanged=self.unchanged,
            more=self.more,
        )


def gather(names: Iterable[str], read: Callable[[str], tuple[Document | None, Mapping[str, Any]]]) -> Reading:
    """Read several documents; one that fails does not stop the others.

    Args:
        names: of the documents.
        read: gives the document, or None where it is unchanged, and its validator.

    Raises:
        FeedUnreadable: none could be read.
    """
    look = _Look()
    for name in names:
        try:
            document, validator = read(name)
        except FeedUnreadable as error:
            look.troubles.append(str(error))
            continue
        if document is None:
            look.keep(remembered_as(name), validator)
        else:
            look.add(document, remembered_as(name), validator)
    if look.troubles and not look.documents and not look.unchanged:
        raise FeedUnreadable(" ".join(look.troubles[:3]))
    return look.reading()


def unpacked(name: str, content: bytes, *, modified: datetime | None = None) -> Document:
    """Unpack gzip where it is used, and refuse pages that are meant for people.

    Raises:
        FeedUnreadable: too large, not gzip though it begins so, empty, or HTML.
    """
    whole = True
    if content.startswith(GZIP_MAGIC):
        content, whole = _gunzip(name, content)
    if len(content) > MAX_BYTES:
        raise FeedUnreadable(_too_large(name))
    refuse_page(name, content)
    return Document(name, content, whole, modified)


def refuse_page(name: str, content: bytes) -> None:
    """Refuse what is empty, or HTML or XML: an error page, a login page, a listing.

    Raises:
        FeedUnreadable: says what was seen.
    """
    start = content[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise FeedUnreadable(f"{shown(name)} is empty.")
    if start.startswith(b"<"):
        seen = " ".join(start[:SEEN_CHARACTERS].decode("latin-1").split())
        raise FeedUnreadable(
            f"{shown(name)} gave a page instead of data; it begins {seen!r}. Check the address."
        )


def _gunzip(name: str, content: bytes) -> tuple[bytes, bool]:
    """Unpack all members; gives what could be unpacked, and whether that is all."""
    parts: list[bytes] = []
    size = 0
    while content.startswith(GZIP_MAGIC):
        stream = zlib.decompressobj(wbits=31)
        try:
            part = stream.decompress(content, MAX_BYTES + 1 - size)
        except zlib.error as error:
            if parts:
                return b"".join(parts), False
            raise FeedUnreadable(f"{shown(name)} is damaged: {error}. Fetch it again.") from error
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise FeedUnreadable(_too_large(name))
        if not stream.eof:
            return b"".join(parts), False
        content = stream.unused_data
    return b"".join(parts), True


def _too_large(name: str) -> str:
    return f"{shown(name)} is larger than {MAX_BYTES // 2**20} MiB. Split it, or ask for less."


def _signature(file: Path) -> dict[str, int]:
    status = file.stat()
    return {"size": status.st_size, "changed": status.st_mtime_ns}


def _time(signature: Mapping[str, int]) -> datetime:
    return datetime.fromtimestamp(signature["changed"] / 1e9, UTC)
