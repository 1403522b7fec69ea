"""Download an archive so that no byte is fetched twice and none is believed before its digest."""

import base64
import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path
from typing import BinaryIO

from phone.errors import BundleRefused, ConnectionLost, ServerRefused
from phone.forms import Form, unpacked
from phone.state import write_atomically
from phone.transport import PLAIN, Deadline, Server, read_blocks

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.2
# A phone has no room for more, whatever a server says.
MAX_BYTES = 64 * 1024 * 1024
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")
WHOLE, PART, BAD_RANGE, OUT_OF_ORDER = 200, 206, 416, 500


@dataclass(frozen=True)
class Wanted:
    """What was promised, and the form that is asked for, if one is."""

    url: str
    sha256: str
    size: int
    form: Form | None = None


@dataclass
class Transfer:
    """What a download cost: bytes of bodies, where it went on after a break, digests that were compared."""

    bytes_received: int = 0
    resumed_at: list[int] = field(default_factory=list)
    attempts: int = 0
    digests: int = 0
    encoding: str = "identity"

    def add(self, other: "Transfer") -> None:
        """Count another download's cost too; the encoding is the later one's."""
        self.bytes_received += other.bytes_received
        self.resumed_at += other.resumed_at
        self.attempts += other.attempts
        self.digests += other.digests
        self.encoding = other.encoding


@dataclass(frozen=True)
class _Validator:
    """What the bytes of a partial download are part of."""

    etag: str
    encoding: str
    repr_digest: str | None


class Download:
    """One archive on its way; what arrived survives a kill of the process."""

    def __init__(
        self, server: Server, wanted: Wanted, folder: Path, *, break_after_bytes: int | None = None
    ) -> None:
        """Take up a download where it was left.

        Args:
            server: where to ask.
            wanted: what was promised.
            folder: where partial downloads are kept.
            break_after_bytes: drop the first connection after so many bytes, to show how it goes on.

        Raises:
            BundleRefused: larger than a phone has room for.
        """
        if max(wanted.size, wanted.form.size if wanted.form else 0) > MAX_BYTES:
            raise BundleRefused(f"The bundle has {wanted.size} bytes; this phone takes at most {MAX_BYTES}.")
        self._server = server
        self._wanted = wanted
        self._part = folder / f"{wanted.sha256}.part"
        self._about = folder / f"{wanted.sha256}.json"
        self._break_after = break_after_bytes
        self.transfer = Transfer()
        for other in set(folder.iterdir()) - {self._part, self._about}:
            other.unlink()

    def fetch(self, deadline: Deadline) -> bytes:
        """The archive, every digest of it compared.

        Raises:
            BundleRefused: it is not what was promised; nothing of it is kept.
            ConnectionLost: too many breaks; what arrived is kept.
            DeadlineExceeded, ServerRefused: as said there.
        """
        while not self._complete():
            self.transfer.attempts += 1
            try:
                self._receive(deadline)
            except ConnectionLost:
                if self.transfer.attempts >= ATTEMPTS:
                    raise
                pause = FIRST_PAUSE_SECONDS * 2 ** (self.transfer.attempts - 1)
                time.sleep(min(pause, deadline.left()))
        try:
            return self._checked()
        except BundleRefused:
            self.discard()
            raise

    def discard(self) -> None:
        """Forget what arrived."""
        self._about.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)

    def _validator(self) -> _Validator | None:
        try:
            return _Validator(**json.loads(self._about.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _complete(self) -> bool:
        validator = self._validator()
        return validator is not None and self._have() >= self._total(validator.encoding)

    def _total(self, encoding: str) -> int:
        form = self._wanted.form
        return form.size if form is not None and form.encoding == encoding else self._wanted.size

    def _receive(self, deadline: Deadline) -> None:
        validator, have = self._validator(), self._have()
        # Without If-Range a changed representation could be spliced onto the old part; without the same
        # Accept-Encoding the range would count in other bytes.
        form = self._wanted.form
        headers = {"Accept-Encoding": form.encoding, **form.headers} if form else {**PLAIN}
        # A weak tag does not promise equal bytes: such a download can only be begun again.
        if validator and have and validator.etag.startswith('"'):
            headers |= {"Range": f"bytes={have}-", "If-Range": validator.etag}
        with self._server.stream(self._wanted.url, headers, deadline) as response:
            if response.status == PART and validator and "Range" in headers:
                self._check_part(response, validator, have)
                self.transfer.resumed_at.append(have)
            elif response.status == WHOLE:
                validator = self._begin(response)
            elif response.status == BAD_RANGE:
                self.discard()
                raise ConnectionLost("The server knows no such range; the download begins again.")
            elif response.status >= OUT_OF_ORDER:
                raise ConnectionLost(f"{self._wanted.url}: {response.status} {response.reason}.")
            else:
                raise ServerRefused(f"{self._wanted.url}: {response.status} {response.reason}.")
            self.transfer.encoding = validator.encoding
            with self._part.open("ab") as file:
                self._append(file, response, self._total(validator.encoding), deadline)
        if not self._complete():
            raise ConnectionLost("The server sent less than the whole and said that it was done.")

    def _begin(self, response: HTTPResponse) -> _Validator:
        self.discard()
        encoding = response.headers.get("Content-Encoding", "identity")
        asked = {"identity", self._wanted.form.encoding} if self._wanted.form else {"identity"}
        if encoding not in asked:
            raise ServerRefused(
                f"The server sent the bundle in encoding {encoding!r}, which was not asked for."
            )
        total = self._total(encoding)
        if response.length not in {None, total}:
            raise BundleRefused(f"The server announces {response.length} bytes; {total} were promised.")
        headers = response.headers
        validator = _Validator(headers.get("ETag", ""), encoding, headers.get("Repr-Digest"))
        write_atomically(self._about, json.dumps(vars(validator)).encode())
        return validator

    def _check_part(self, response: HTTPResponse, validator: _Validator, have: int) -> None:
        total = self._total(validator.encoding)
        said = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        same = response.headers.get("ETag") == validator.etag
        same &= response.headers.get("Content-Encoding", "identity") == validator.encoding
        if not same or said is None or (int(said[1]), int(said[3])) != (have, total):
            self.discard()
            raise ServerRefused(
                f"Bytes {have}- of {validator.etag} were asked for; the server sent "
                f"{response.headers.get('Content-Range')} of {response.headers.get('ETag')}. Nothing is kept."
            )

    def _append(self, file: BinaryIO, response: HTTPResponse, total: int, deadline: Deadline) -> None:
        content = hashlib.sha256()
        for block in read_blocks(response, deadline):
            room = total - file.tell()
            if len(block) > room:
                file.close()
                self.discard()
                raise BundleRefused(f"The server sent more than the {total} bytes that it promised.")
            kept = block[: self._until_break()]
            file.write(kept)
            file.flush()
            content.update(kept)
            self.transfer.bytes_received += len(kept)
            if self._break_after is not None and self.transfer.bytes_received >= self._break_after:
                self._break_after = None
                raise ConnectionLost(f"The connection was dropped on purpose after {file.tell()} bytes.")
        if not self._same_digest(response.headers.get("Content-Digest"), content.digest()):
            file.close()
            self.discard()
            raise BundleRefused("What arrived has another digest than its Content-Digest says.")

    def _until_break(self) -> int | None:
        return None if self._break_after is None else self._break_after - self.transfer.bytes_received

    def _checked(self) -> bytes:
        validator, content = self._validator(), self._part.read_bytes()
        encoding, digest = validator.encoding if validator else "identity", hashlib.sha256(content)
        if validator and not self._same_digest(validator.repr_digest, digest.digest()):
            raise BundleRefused("The download has another digest than its Repr-Digest says.")
        form = self._wanted.form
        if form is not None and encoding == form.encoding:
            if form.sha256 is not None:
                self._compare(digest.hexdigest(), form.sha256, f"{encoding} form")
            content = unpacked(form, content, self._wanted.size)
        self._compare(hashlib.sha256(content).hexdigest(), self._wanted.sha256, "archive")
        return content

    def _compare(self, digest: str, promised: str, what: str) -> None:
        if digest != promised:
            raise BundleRefused(
                f"The {what} has SHA-256 {digest}; {promised} was promised. Nothing was kept."
            )
        self.transfer.digests += 1

    def _same_digest(self, header: str | None, digest: bytes) -> bool:
        """Compare with an RFC 9530 field; a field without SHA-256 says nothing."""
        found = re.search(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):", header or "")
        if found is None:
            return True
        self.transfer.digests += 1
        return base64.b64encode(digest).decode() == found[1]
