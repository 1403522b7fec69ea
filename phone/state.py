"""What the phone keeps in a folder, so that a kill at any moment leaves it whole.

state.json             which bundle is current and which was before, their releases, the highest counter, what
                       is revoked; replaced by rename
bundles/<sha256>.zip   archives, put there by rename after every check passed
trust/                 signed metadata, see phone/trust.py
root.json              the root that came with the app
partial/<sha256>.part  bytes of an unfinished download, only ever appended to
partial/<sha256>.json  what they are part of: written before the first byte
notes/                 what may be lost: see phone/notes.py and phone/reports.py
secret                 random, never leaves the device: places it in or outside a rollout's share
lock                   held during a round: two at once would mix what they trust
"""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from phone.bundle import PhoneBundle, read_bundle
from phone.choice import EVERYONE, Installed
from phone.errors import BundleRefused, NothingInstalled, RootMissing, RoundUnderWay


@dataclass(frozen=True)
class Record:
    """The contents of state.json; digests name bundles, `release_counter` never goes down in a channel."""

    current: str | None = None
    last_good: str | None = None
    release: str | None = None
    release_counter: int = 0
    last_good_release: str | None = None
    last_good_counter: int = 0
    revoked: tuple[str, ...] = ()
    channel: str | None = None


class Usable(NamedTuple):
    """A bundle that may be run, and the release that it came with: none for the one inside the app."""

    sha256: str
    bundle: PhoneBundle
    release: str | None
    release_counter: int | None


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes out of a phone's folder; the end of the process lets go of it.

    Raises:
        RoundUnderWay: another process is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RoundUnderWay(
                f"Another round works in {folder}. Wait until it is over, or name another folder."
            ) from error
        yield


class State:
    """The phone's folder."""

    def __init__(self, folder: Path, *, embedded: Path | None = None) -> None:
        """Open a folder; makes it when it is not there.

        Args:
            folder: where everything is kept.
            embedded: the bundle inside the app, for when there is no other that may be used.
        """
        self.folder = folder
        self.bundles, self.partial, self.notes = (folder / name for name in ("bundles", "partial", "notes"))
        for needed in (self.bundles, self.partial, self.notes):
            needed.mkdir(parents=True, exist_ok=True)
        self._embedded = embedded
        self.record = self._read()

    def root(self, file: Path | None = None) -> bytes:
        """The root of trust that came with the app; a file that is given takes the place of the one before.

        Raises:
            RootMissing: none was ever given.
        """
        kept = self.folder / "root.json"
        if file is not None:
            given = file.read_bytes()
            if not kept.is_file() or kept.read_bytes() != given:
                write_atomically(kept, given)
        if not kept.is_file():
            raise RootMissing(
                "This phone has no root of trust. Give --root FILE: the server's first root, which the app's "
                "maker got by a way that can be trusted and put into the app."
            )
        return kept.read_bytes()

    def usable(self) -> Usable:
        """The current bundle; if it is damaged or revoked the last good one; then the one inside the app.

        Raises:
            NothingInstalled: there is no whole bundle that may be run.
        """
        record = self.record
        for sha256, release, counter in (
            (record.current, record.release, record.release_counter),
            (record.last_good, record.last_good_release, record.last_good_counter),
        ):
            bundle = self._held(sha256)
            if sha256 and bundle:
                return Usable(sha256, bundle, release, counter)
        inside = self._inside()
        if inside is None:
            raise NothingInstalled("No usable bundle is installed. Connect to a server that offers one.")
        return inside

    def installed(self, channel: str) -> Installed | None:
        """What the choice needs to know: the current bundle, and the highest counter of this channel."""
        record = self.record
        if record.current is None or record.channel != channel:
            return None
        return Installed(record.release or "", record.release_counter, record.current)

    def archive(self, sha256: str) -> bytes | None:
        """The bytes of a bundle that this phone holds, if they are whole and it is not revoked."""
        if self._held(sha256):
            return self._path(sha256).read_bytes()
        inside = self._inside()
        return self._embedded.read_bytes() if inside and self._embedded and inside.sha256 == sha256 else None

    def activate(self, archive: bytes, sha256: str, release: str, counter: int, channel: str) -> None:
        """Make a checked archive the current bundle; the one before it becomes the last good one.

        Raises:
            BundleRefused: a higher counter was taken before.
        """
        self._check_counter(release, counter, channel)
        write_atomically(self._path(sha256), archive)
        last_good, last_release, last_counter = self._previous(sha256)
        revoked = self.record.revoked
        self._write(Record(sha256, last_good, release, counter, last_release, last_counter, revoked, channel))
        self.tidy()

    def acknowledge(self, release: str, counter: int, channel: str) -> None:
        """Note that the current bundle is also what a newer release offers.

        Raises:
            BundleRefused: a higher counter was taken before.
        """
        self._check_counter(release, counter, channel)
        noted = replace(self.record, release=release, release_counter=counter, channel=channel)
        if noted != self.record:
            self._write(noted)

    def revoke(self, digests: Sequence[str]) -> None:
        """Take over from a verified catalog which bundles no device may run."""
        revoked = tuple(sorted(digests))
        if revoked != self.record.revoked:
            self._write(replace(self.record, revoked=revoked))

    def tidy(self) -> None:
        """Remove what no record names: older bundles, finished downloads, leftovers of a kill."""
        kept = {self._path(sha256) for sha256 in (self.record.current, self.record.last_good) if sha256}
        for path in self.bundles.iterdir():
            if path not in kept:
                path.unlink()
        for path in self.folder.glob(".*.new"):
            path.unlink()
        self.forget_partial()

    def forget_partial(self) -> None:
        """Remove what arrived of downloads."""
        for path in self.partial.iterdir():
            path.unlink()

    def bucket(self, salt: str) -> int:
        """This device's place in 0..9999 for a rollout: below the share, it belongs to it."""
        digest = hashlib.sha256(salt.encode() + self._secret()).digest()
        return int.from_bytes(digest[:8], "big") % EVERYONE

    def _check_counter(self, release: str, counter: int, channel: str) -> None:
        if channel == self.record.channel and counter < self.record.release_counter:
            raise BundleRefused(
                f"Release {release} has counter {counter}; this phone has seen "
                f"{self.record.release_counter}. An old offer is not taken again."
            )

    def _previous(self, sha256: str) -> tuple[str | None, str | None, int]:
        record = self.record
        for candidate in (
            (record.current, record.release, record.release_counter),
            (record.last_good, record.last_good_release, record.last_good_counter),
        ):
            if candidate[0] != sha256 and self._held(candidate[0]):
                return candidate
        return None, None, 0

    def _held(self, sha256: str | None) -> PhoneBundle | None:
        return None if sha256 in self.record.revoked else self._whole(sha256)

    def _inside(self) -> Usable | None:
        if self._embedded is None:
            return None
        archive = self._embedded.read_bytes()
        sha256 = hashlib.sha256(archive).hexdigest()
        if sha256 in self.record.revoked:
            return None
        return Usable(sha256, read_bundle(archive), None, None)

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
            kept = json.loads((self.folder / "state.json").read_text())
            return Record(**{**kept, "revoked": tuple(kept.get("revoked", ()))})
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
