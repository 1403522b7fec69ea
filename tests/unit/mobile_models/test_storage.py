import errno
import os
import shutil
import time
from pathlib import Path

import brotli
import pytest
import zstandard

from mobile_models import encodings, storage
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


def test_a_blob_is_kept_under_its_digest_and_so_is_each_of_its_forms(file, store):
    blob = put(file)
    assert storage.is_stored(blob.sha256)
    assert storage.blob_path(blob.sha256).read_bytes() == file.read_bytes()
    assert set(blob.encodings) == {"zstd", "br", "gzip"}
    for form in blob.encodings.values():
        path = storage.blob_path(form["sha256"])
        assert storage.digest_of(path) == form["sha256"]
        assert path.stat().st_size == form["size"]
    assert (blob.size, blob.wire_size) == (9000, blob.encodings["zstd"]["size"])
    assert len(everything(store)) == 4


def test_any_client_decodes_the_forms(file):
    content = file.read_bytes()
    assert zstandard.ZstdDecompressor().decompress(encodings.to_zstd(content)) == content
    assert brotli.decompress(encodings.to_brotli(content)) == content
    assert encodings.gzip.decompress(encodings.to_gzip(content)) == content


def test_the_forms_are_the_same_at_any_time(file, monkeypatch):
    first = put(file).encodings
    monkeypatch.setattr(time, "time", lambda: 4e9)
    with storage.staged(file) as blob:
        assert blob.encodings == first


def test_a_zstd_form_needs_no_window_that_a_client_may_refuse():
    # RFC 9659 section 3: at most 8 MiB, whatever the size.
    frame = encodings.to_zstd(bytes(20 * 2**20))
    assert zstandard.get_frame_parameters(frame).window_size <= 8 * 2**20


def test_an_archive_too_large_for_brotli_does_without(monkeypatch):
    assert "br" in encodings.codings_for(encodings.BROTLI_MAX_BYTES)
    assert set(encodings.codings_for(encodings.BROTLI_MAX_BYTES + 1)) == {"zstd", "gzip"}


def test_nothing_is_visible_before_it_is_published(file, store):
    with storage.staged(file) as blob:
        assert blob.encodings
        assert not storage.is_stored(blob.sha256)
    assert not storage.is_stored(blob.sha256)
    assert everything(store) == []


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


def test_a_folder_in_which_a_bundle_was_stored_once_gives_way_to_it(file, store):
    with storage.staged(file) as blob:
        former = store / blob.sha256[:2] / blob.sha256
        former.mkdir(parents=True)
        (former / "identity").write_bytes(file.read_bytes())
        assert not storage.is_stored(blob.sha256)
        storage.publish(blob)
    assert former.read_bytes() == file.read_bytes()


def test_two_that_store_the_same_at_once_both_succeed(file, monkeypatch):
    with storage.staged(file) as first, storage.staged(file) as second:
        storage.publish(first)
        # The second looked before the first had published.
        monkeypatch.setattr(type(storage.store()), "holds", lambda *_, **__: False)
        storage.publish(second)
    assert storage.blob_path(first.sha256).read_bytes() == file.read_bytes()


def test_bytes_are_stored_under_their_digest(store):
    sha256 = storage.put_bytes(b"a card")
    assert storage.blob_path(sha256).read_bytes() == b"a card"
    assert storage.digest_of(storage.blob_path(sha256)) == sha256
    assert storage.size_of(sha256) == 6
    assert storage.put_bytes(b"a card") == sha256
    assert len(everything(store)) == 1


def test_a_stored_blob_may_be_read_by_the_web_server(file):
    assert storage.blob_path(put(file).sha256).stat().st_mode & 0o777 == 0o644


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (storage, "mkdtemp"),
        (shutil, "copyfileobj"),
        (os, "fsync"),
        (zstandard, "ZstdCompressor"),
        (Path, "write_bytes"),
        (Path, "rename"),
    ],
)
def test_a_full_disk_at_any_step_leaves_nothing(file, store, monkeypatch, owner, step):
    monkeypatch.setattr(owner, step, full)
    with pytest.raises(StorageFailed, match="No space left on device"):
        put(file)
    monkeypatch.undo()
    assert everything(store) == []


@pytest.mark.parametrize("renames", range(4))
def test_a_disk_that_fills_up_half_way_leaves_whole_blobs_and_no_archive(file, store, monkeypatch, renames):
    real, left = Path.rename, iter(range(renames))

    def rename(path, target):
        return full() if next(left, None) is None else real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(StorageFailed):
        put(file)
    monkeypatch.undo()
    with storage.staged(file) as blob:
        assert not storage.is_stored(blob.sha256)
    kept = everything(store)
    assert len(kept) == renames
    assert all(storage.digest_of(path) == path.name for path in kept)


@pytest.mark.parametrize(("owner", "step"), [(os, "fsync"), (Path, "chmod"), (Path, "rename")])
@pytest.mark.parametrize("calls", range(5))
def test_a_process_that_dies_at_any_step_leaves_whole_blobs_and_no_half_archive(
    file, store, owner, step, calls
):
    child = os.fork()
    if child == 0:
        die_at(owner, step, calls)
        put(file)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    seen = [path for path in everything(store) if "incoming" not in path.parts]
    assert all(storage.digest_of(path) == path.name for path in seen)
    assert os.WEXITSTATUS(status) == (9 if calls < {"fsync": 9, "chmod": 4, "rename": 4}[step] else 0)
    with storage.staged(file) as blob:
        assert storage.is_stored(blob.sha256) == (len(seen) == 4)
    put(file)
    assert storage.is_stored(blob.sha256)


def die_at(owner, step, calls):
    real, left = getattr(owner, step), iter(range(calls))

    def call(*given, **named):
        if next(left, None) is None:
            os._exit(9)
        return real(*given, **named)

    setattr(owner, step, call)


def test_a_full_disk_leaves_the_old_copy(file, monkeypatch):
    blob = put(file)
    monkeypatch.setattr(Path, "rename", full)
    put(file)
    assert storage.blob_path(blob.sha256).read_bytes() == file.read_bytes()


def test_a_file_that_is_gone_is_said_so(tmp_path, store):
    with pytest.raises(StorageFailed, match="No such file"):
        put(tmp_path / "missing")
    assert everything(store) == []


def test_a_blob_that_is_gone_is_said_so(store):
    for read in (storage.size_of, lambda sha256: storage.open_blob(sha256, 0, 1)):
        with pytest.raises(StorageFailed, match="lost the blob 0000"):
            read("0" * 64)


def test_what_a_crash_left_is_removed_after_an_hour(file, store):
    put(file)
    incoming = store / "incoming"
    old, young, file_of_old = incoming / "old", incoming / "young", incoming / "half"
    for folder in (old, young):
        folder.mkdir()
        (folder / "archive").write_bytes(b"half")
    file_of_old.write_bytes(b"half")
    hours_ago = time.time() - 2 * 3600
    for path in (old, file_of_old):
        os.utime(path, (hours_ago, hours_ago))
    put(file)
    assert not old.exists()
    assert not file_of_old.exists()
    assert young.exists()
