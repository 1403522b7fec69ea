"""Where the trials of many workers are kept: a journal file, or PostgreSQL."""

import os
import time
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock, JournalStorage
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from packager.search.errors import SearchInvalid, StorageUnavailable

# Two workers that start at once on an empty database both make the tables, and one of them fails once.
TRIES, WAIT_SECONDS = 4, 0.5


def open_storage(address: str) -> BaseStorage:
    """Open or make a storage that any number of workers share.

    Args:
        address: path of a journal file, or `postgresql://user:password@host:port/name`.

    Raises:
        SearchInvalid: an address of another kind.
        StorageUnavailable: it cannot be read or written.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scheme = urlsplit(address).scheme if "://" in address else ""
    if scheme in {"postgres", "postgresql"}:
        return _open_postgresql(f"postgresql+psycopg://{address.split('://', 1)[1]}")
    if scheme:
        raise SearchInvalid(
            f"Storage {scheme}:// is not known; give the path of a journal file, or postgresql://…"
        )
    return _open_journal(Path(address))


def _open_postgresql(url: str) -> BaseStorage:
    for attempt in range(1, TRIES + 1):
        try:
            # A trial takes minutes: a connection that is kept between two would only be cut by the network.
            return RDBStorage(url, engine_kwargs={"poolclass": NullPool})
        except (SQLAlchemyError, RuntimeError) as error:
            if attempt == TRIES:
                raise StorageUnavailable(_without_secrets(url, error)) from error
            time.sleep(WAIT_SECONDS * attempt)
    raise AssertionError


def _without_secrets(url: str, error: Exception) -> str:
    place = urlsplit(url)
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return (
        f"PostgreSQL at {place.hostname}:{place.port or 5432}{place.path} does not take trials: {reason} "
        "Look at the address, the server and the user's rights."
    )


def _open_journal(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalFileSymlinkLock(str(path))
        backend = JournalFileBackend(str(path), lock_obj=lock)
        _mend(path, lock)
        return JournalStorage(backend)
    except (OSError, ValueError, KeyError) as error:
        raise StorageUnavailable(
            f"{path} is not a journal of trials that can be read and written: {error} Give another --storage."
        ) from error


def _mend(path: Path, lock: JournalFileSymlinkLock) -> None:
    """Cut off a last line that a dying machine left half written: nothing after it could be read."""
    lock.acquire()
    try:
        with path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            whole = _end_of_last_line(file, end)
            if whole < end:
                file.truncate(whole)
    finally:
        lock.release()


def _end_of_last_line(file: BinaryIO, end: int, block: int = 65_536) -> int:
    position = end
    while position > 0:
        start = max(0, position - block)
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0
