"""Where the bytes lie: a folder by default, or a bucket that speaks S3. Both are storages of Django."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Protocol


class Readable(Protocol):
    """What is read in blocks and then closed: a file, or the body of a bucket's answer."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""

    def close(self) -> None:
        """Let go of the file or the connection."""


class BlobStorage(Protocol):
    """What this project asks of a storage beyond what Django does. A name is whole there or not there.

    Everything raises OSError when the storage fails, FileNotFoundError for a name that it does not hold.
    """

    def save(self, name: str, content: IO[Any]) -> str:
        """Write a file under a name; one that is there already is replaced at once."""

    def exists(self, name: str) -> bool:
        """Whether the name is there."""

    def size(self, name: str) -> int:
        """How many bytes."""

    def holds(self, name: str, *, sha256: str, size: int) -> bool:
        """Whether these bytes are there under the name, as far as can be told without fetching them."""

    def open_at(self, name: str, first: int, length: int) -> Readable:
        """The file from its byte `first` on, at least `length` of them if it has so many."""

    def local_path(self, name: str, into: Path) -> Path:
        """The file on this machine: where it lies, or fetched below `into`. It may not be there."""

    def signed_url(self, name: str, *, method: str, seconds: int, headers: Mapping[str, str]) -> str:
        """An address that gives the file to whoever has it, for so long, with these headers. Of a bucket."""
