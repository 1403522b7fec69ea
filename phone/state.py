"""What the phone keeps in a folder, so that a kill at any moment leaves it whole.

state.json             which bundle is current and which was before, release, counter; replaced by rename
bundles/<sha256>.zip   archives, put there by rename after every check passed
partial/<sha256>.part  bytes of an unfinished download, only ever appended to
partial/<sha256>.json  what they are part of: written before the first byte
secret                 random, never leaves the device: places it in or outside a rollout's share
"""

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from phone.bundle import PhoneBundle, read_bundle
from phone.errors import BundleRefused, NothingInstalled

SHARES = 10_000


@dataclass(frozen=True)
class Record:
    """The contents of state.json; digests name bundles, `release_counter` never goes down."""

    current: str | None = None
    last_good: str | None = None
    release: str | None = None
    release_counter: int = 0


class State:
    """The phone's folder."""

    def __init__(self, folder: Path) -> None:
        """Open a folder; makes it when it is not there."""
        self.folder = folder
        self.bundles = folder / "bundles"
        self.partial = folder / "partial"
        for needed in (self.bundles, self.partial):
            needed.mkdir(parents=True, exist_ok=True)
        self.record = self._read()

    def usable(self) -> tuple[str, PhoneBundle]:
        """Digest and contents of the current bundle, or of the last good one if that one is damaged.

        Raises:
            NothingInstalled: there is no whole bundle.
        """
        for sha256 in (self.record.current, self.record.last_good):
            bundle = self._whole(sha256)
            if sha256 and bundle:
                return sha256, bundle
        raise NothingInstalled("No usable bundle is installed. Connect to a server that offers one.")

    def activate(self, archive: bytes, sha256: str, release: str, counter: int) -> None:
        """Make a checked archive the current bundle; the one before it becomes the last good one."""
        write_atomically(self._path(sha256), archive)
        previous = self._previous(sha256)
        self._write(Record(sha256, previous, release, counter))
        self.tidy()

    def acknowledge(self, release: str, counter: int) -> None:
        """Note that the installed bundle is also what a newer release offers."""
        if (release, counter) != (self.record.release, self.record.release_counter):
            self._write(replace(self.record, release=release, release_counter=counter))

    def tidy(self) -> None:
        """Remove what no record names: older bundles, finished downloads, leftovers of a kill."""
        kept = {self._path(sha256) for sha256 in (self.record.current, self.record.last_good) if sha256}
        for path in self.bundles.iterdir():
            if path not in kept:
                path.unlink()
        for path in [*self.partial.iterdir(), *self.folder.glob(".*.new")]:
            path.unlink()

    def in_share(self, salt: str, basis_points: int) -> bool:
        """Whether this device belongs to a rollout's share; who does also belongs to every wider one."""
        digest = hashlib.sha256(salt.encode() + self._secret()).digest()
        return int.from_bytes(digest[:8], "big") % SHARES < basis_points

    def _previous(self, sha256: str) -> str | None:
        for candidate in (self.record.current, self.record.last_good):
            if candidate != sha256 and self._whole(candidate):
                return candidate
        return None

    def _whole(self, sha256: str | None) -> PhoneBundle | None:
        if sha256 is None or not self._path(sha256).is_file():
            return None
        archive = self._path(sha256).read_bytes()
        if hashlib.sha256(archive).hexdigest() != sha256:
            return None
        try:
            return read_bundle(archive)
        except BundleRefused:
            return None

    def _path(self, sha256: str) -> Path:
        return self.bundles / f"{sha256}.zip"

    def _read(self) -> Record:
        try:
            return Record(**json.loads((self.folder / "state.json").read_text()))
        except FileNotFoundError:
            return Record()
        except (ValueError, TypeError):
            # A disk error, not a kill: begin again with nothing, the bundle is offered again.
            return Record()

    def _write(self, record: Record) -> None:
        write_atomically(self.folder / "state.json", json.dumps(asdict(record)).encode())
        self.record = record

    def _secret(self) -> bytes:
        path = self.folder / "secret"
        if not path.is_file():
            write_atomically(path, secrets.token_bytes(32))
        return path.read_bytes()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, even when the power fails."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        # A full disk should not stay full of what was not finished.
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
