import errno
import os
import shutil
import time
from pathlib import Path

import pytest
import zstandard

from mobile_models import storage
from mobile_models.errors import StorageFailed


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a bundle " * 1000)
    return path


def put(file):
    with storage.staged(file) as blob:
        storage.publish(blob)
    return blob


def everything(store):
    return sorted(path for path in store.rglob("*") if path.is_file())


def test_a_blob_is_kept_under_its_digest_in_both_forms(file):
    blob = put(file)
    assert storage.is_stored(blob.sha256)
    assert storage.blob_path(blob.sha256).read_bytes() == file.read_bytes()
    wire = storage.blob_path(blob.sha256, storage.ZSTD).read_bytes()
    assert zstandard.ZstdDecompressor().decompress(wire) == file.read_bytes()
    assert (blob.size, blob.wire_size) == (9000, len(wire))
    assert storage.digest_of(storage.blob_path(blob.sha256, storage.ZSTD)) == blob.wire_sha256


def test_nothing_is_visible_before_it_is_published(file):
    with storage.staged(file) as blob:
        assert not storage.is_stored(blob.sha256)
    assert not storage.is_stored(blob.sha256)
    assert not blob.folder.exists()


def test_storing_again_changes_nothing(file, store):
    put(file)
    before = {path: path.stat().st_ino for path in everything(store)}
    put(file)
    assert {path: path.stat().st_ino for path in everything(store)} == before


def test_a_rotten_copy_is_replaced(file):
    blob = put(file)
    storage.blob_path(blob.sha256).write_bytes(b"rotten")
    put(file)
    assert storage.blob_path(blob.sha256).read_bytes() == file.read_bytes()


def test_two_that_store_the_same_at_once_both_succeed(file):
    with storage.staged(file) as first, storage.staged(file) as second:
        real = storage._holds
        answers = iter([False])  # the second looks before the first has published
        storage.publish(first)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(storage, "_holds", lambda *given: next(answers, None) or real(*given))
            patch.setattr(Path, "exists", lambda path: False)
            storage.publish(second)
    assert storage.blob_path(first.sha256).read_bytes() == file.read_bytes()


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (storage, "mkdtemp"),
        (shutil, "copyfileobj"),
        (os, "fsync"),
        (zstandard, "ZstdCompressor"),
        (Path, "rename"),
        (storage, "_sync_folder"),
    ],
)
def test_a_full_disk_at_any_step_leaves_nothing(file, store, monkeypatch, owner, step):
    monkeypatch.setattr(owner, step, full)
    with pytest.raises(StorageFailed, match="No space left on device"):
        put(file)
    monkeypatch.undo()
    assert everything(store) == []


def test_a_full_disk_leaves_the_old_copy(file, store, monkeypatch):
    blob = put(file)
    monkeypatch.setattr(Path, "rename", full)
    put(file)
    assert storage.blob_path(blob.sha256).read_bytes() == file.read_bytes()


def test_a_file_that_is_gone_is_said_so(tmp_path, store):
    with pytest.raises(StorageFailed, match="No such file"):
        put(tmp_path / "missing")
    assert everything(store) == []


def test_what_a_crash_left_is_removed_after_an_hour(file, store):
    put(file)
    incoming = store / "incoming"
    old, young = incoming / "old", incoming / "young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "identity").write_bytes(b"half")
    hours_ago = time.time() - 2 * 3600
    os.utime(old, (hours_ago, hours_ago))
    put(file)
    assert not old.exists()
    assert young.exists()
