"""Signed metadata: what the server says counts only if the keys behind the embedded root said it.

python-tuf's own client does the checking, unmodified (The Update Framework, specification 1.0). It works on a
copy of what this phone trusts. The copy takes the place of the original once everything that was asked for
has been verified; when anything is refused, what was trusted before is trusted still, to the byte. Only new
roots are kept in any case: each is signed by the one before, and forgetting that a key was revoked would give
its thief another try.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    RepositoryError,
    SlowRetrievalError,
)
from tuf.api.metadata import Metadata, TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from phone.bundle import MISSHAPEN
from phone.errors import CatalogRefused, DeadlineExceeded, MetadataExpired, MetadataRefused, PhoneError
from phone.state import write_atomically
from phone.transport import PLAIN, REFUSED, Deadline, Server, read_blocks

METADATA, TARGETS = "v1/tuf/metadata", "v1/tuf/targets"
# No repository of this kind comes near: seven roles, a few dozen bundles, a key or five for each.
LIMITS = UpdaterConfig(
    max_root_rotations=64,
    max_delegations=8,
    root_max_length=128 * 1024,
    timestamp_max_length=16 * 1024,
    snapshot_max_length=128 * 1024,
    targets_max_length=2 * 1024 * 1024,
)
CATALOG_LIMIT = 4 * 1024 * 1024
# The order in which the client itself writes: a kill between two leaves what a kill of the client leaves.
FIRST = ("timestamp.json", "snapshot.json", "targets.json")


class Trust:
    """The metadata that this phone trusts, in a folder, and the root that it started from."""

    def __init__(self, folder: Path, root: bytes) -> None:
        """Open the folder; makes it when it is not there.

        Args:
            folder: where trusted metadata is kept.
            root: what came with the app.
        """
        self.folder = folder
        self._root = root
        self._copy = folder.with_name(f"{folder.name}.new")
        (folder / "root_history").mkdir(parents=True, exist_ok=True)

    @contextmanager
    def check(self, server: Server, deadline: Deadline) -> Iterator["Signed"]:
        """Ask for news; what is verified inside becomes trusted when the block ends without an error.

        Raises:
            MetadataRefused: something is not signed as it must be; nothing but new roots is kept.
            ConnectionLost, DeadlineExceeded, ServerRefused: no answer, or too slow.
        """
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self.folder, self._copy)
        try:
            yield Signed(server, self._copy, self._root, deadline)
            self._keep(sorted(self._copy.glob("*.json"), key=_written))
        except (RepositoryError, DownloadError, *MISSHAPEN) as error:
            raise _refusal(error) from error
        finally:
            self._keep(sorted(self._copy.glob("root_history/*.root.json")))
            shutil.rmtree(self._copy, ignore_errors=True)

    def stale_since(self, now: datetime) -> datetime | None:
        """When the trusted metadata ran out, if it has: until then its keys vouched for its being new."""
        expiries = [_expiry(path) for path in map(self.folder.joinpath, FIRST) if path.is_file()]
        return min((moment for moment in expiries if moment <= now), default=None)

    def versions(self) -> dict[str, int]:
        """The version of each role that is trusted."""
        roots = [int(path.name.split(".")[0]) for path in self.folder.glob("root_history/*.root.json")]
        others = {path.stem: _signed(path)["version"] for path in sorted(self.folder.glob("*.json"))}
        return {"root": max(roots, default=0)} | others

    def _keep(self, paths: list[Path]) -> None:
        for path in paths:
            target = self.folder / path.relative_to(self._copy)
            # `root.json` is the client's link into the history; it makes it anew.
            if not path.is_symlink() and not _same(path, target):
                write_atomically(target, path.read_bytes())


class Signed:
    """What the server's signed metadata says now."""

    def __init__(self, server: Server, folder: Path, root: bytes, deadline: Deadline) -> None:
        """Bring the folder's metadata up to date.

        Raises:
            RepositoryError, DownloadError: it cannot be.
        """
        self._folder = folder
        self._updater = Updater(
            str(folder),
            server.url + METADATA,
            target_dir=str(folder),
            target_base_url=server.url + TARGETS,
            fetcher=Fetcher(server, deadline),
            config=LIMITS,
            bootstrap=root,
        )
        self._updater.refresh()

    def document(self, path: str) -> Any:
        """A JSON document among the targets, its length and digest as signed.

        Raises:
            CatalogRefused: it is not signed, too long, or not JSON.
        """
        target = self.target(path)
        if target is None:
            raise CatalogRefused(f"Nobody signed {path}. Ask for a platform and channel that the server has.")
        if target.length > CATALOG_LIMIT:
            raise CatalogRefused(
                f"{path} has {target.length} bytes; this phone reads at most {CATALOG_LIMIT}."
            )
        file = self._folder / "document"
        self._updater.download_target(target, str(file))
        try:
            return json.loads(file.read_bytes())
        except (ValueError, RecursionError) as error:
            raise CatalogRefused(f"{path} is not JSON: {error}.") from error

    def target(self, path: str) -> TargetFile | None:
        """What was signed about a target, by the role that may speak for it."""
        return self._updater.get_targetinfo(path)


class Fetcher(FetcherInterface):
    """How the client asks: with the phone's deadline. The client itself counts bytes against its limits."""

    def __init__(self, server: Server, deadline: Deadline) -> None:
        """Ask a server until a deadline."""
        self._server = server
        self._deadline = deadline

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            with self._server.stream(url, PLAIN, self._deadline) as response:
                if response.status >= REFUSED:
                    raise DownloadHTTPError(f"{url}: {response.status}", response.status)
                yield from read_blocks(response, self._deadline)
        except DeadlineExceeded as error:
            raise SlowRetrievalError(str(error)) from error
        except PhoneError as error:
            raise DownloadError(str(error)) from error


def _refusal(error: Exception) -> PhoneError:
    if isinstance(error.__cause__, PhoneError):
        return error.__cause__
    sentence = f"{error}".rstrip(".") or type(error).__name__
    if isinstance(error, ExpiredMetadataError):
        return MetadataExpired(f"{sentence}. Nothing newer was offered; the installed model stays in use.")
    return MetadataRefused(f"{sentence}. What was trusted before is trusted still.")


def _written(path: Path) -> int:
    return FIRST.index(path.name) if path.name in FIRST else len(FIRST)


def _same(path: Path, target: Path) -> bool:
    return target.is_file() and target.read_bytes() == path.read_bytes()


def _signed(path: Path) -> dict[str, Any]:
    signed: dict[str, Any] = json.loads(path.read_bytes())["signed"]
    return signed


def _expiry(path: Path) -> datetime:
    expires: datetime = Metadata[Any].from_bytes(path.read_bytes()).signed.expires
    return expires.astimezone(UTC)
