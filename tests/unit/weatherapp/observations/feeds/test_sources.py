import gzip
import os
from pathlib import Path

import pytest

from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds import sources
from weatherapp.observations.feeds.sources import FolderSource

LONG_AGO = 1_700_000_000


def put(folder: Path, name: str, content: bytes, *, changed: float = LONG_AGO) -> Path:
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (changed, changed))
    return path


def names(reading):
    return [document.filename for document in reading.documents]


def test_files_are_read_once_and_again_when_they_change(tmp_path):
    put(tmp_path, "a.txt", b"one")
    put(tmp_path, "b.txt", b"two")
    source = FolderSource(tmp_path)
    first = source.read({})
    assert names(first) == ["a.txt", "b.txt"]
    again = source.read(first.validators)
    assert (names(again), again.unchanged) == ([], 2)
    put(tmp_path, "a.txt", b"one and more", changed=LONG_AGO + 1)
    later = source.read(again.validators)
    assert names(later) == ["a.txt"]
    assert set(later.validators) == {str(tmp_path / "a.txt"), str(tmp_path / "b.txt")}


@pytest.mark.parametrize("name", [".hidden", "a.txt.tmp", "b.part", "c.csv.filepart", "d~"])
def test_files_under_a_temporary_name_wait(tmp_path, name):
    put(tmp_path, name, b"half of it")
    reading = FolderSource(tmp_path).read({})
    assert names(reading) == []
    assert name in reading.waiting[0]


def test_a_file_that_was_just_written_to_waits_but_one_that_is_named_does_not(tmp_path):
    path = put(tmp_path, "fresh.txt", b"text")
    source = FolderSource(tmp_path, clock=lambda: LONG_AGO + 1)
    assert "being written" in source.read({}).waiting[0]
    assert names(FolderSource(path, clock=lambda: LONG_AGO + 1).read({})) == ["fresh.txt"]
    assert names(FolderSource(tmp_path, clock=lambda: LONG_AGO + 60).read({})) == ["fresh.txt"]


def test_a_file_that_grows_while_it_is_read_waits(tmp_path, monkeypatch):
    path = put(tmp_path, "a.txt", b"text")
    signatures = iter([{"size": 4, "changed": 1}, {"size": 9, "changed": 2}])
    monkeypatch.setattr(sources, "_signature", lambda file: next(signatures))
    reading = FolderSource(path).read({})
    assert names(reading) == []
    assert "changed while it was read" in reading.waiting[0]


def test_a_page_among_data_is_trouble_and_the_data_is_read(tmp_path):
    put(tmp_path, "a.txt", b"data")
    put(tmp_path, "b.txt", b"\xef\xbb\xbf \n<!DOCTYPE html><title>Log in</title>")
    reading = FolderSource(tmp_path).read({})
    assert names(reading) == ["a.txt"]
    assert "Log in" in reading.troubles[0]
    assert str(tmp_path / "b.txt") not in reading.validators


def test_a_source_with_nothing_that_can_be_read_is_unreadable(tmp_path):
    put(tmp_path, "b.txt", b"<html>")
    with pytest.raises(FeedUnreadable, match="a page instead of data"):
        FolderSource(tmp_path).read({})
    put(tmp_path, "b.txt", b"  \n")
    with pytest.raises(FeedUnreadable, match="is empty"):
        FolderSource(tmp_path).read({})
    with pytest.raises(FeedUnreadable, match="cannot be read"):
        FolderSource(tmp_path / "missing").read({})


def test_gzip_is_unpacked_member_by_member(tmp_path):
    put(tmp_path, "a.gz", gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    (document,) = FolderSource(tmp_path).read({}).documents
    assert (document.content, document.whole) == (b"one\ntwo\n", True)


def test_gzip_that_is_cut_off_is_read_as_far_as_it_goes_and_told(tmp_path):
    text = b"".join(b"line %d\n" % number for number in range(2000))
    put(tmp_path, "a.gz", gzip.compress(text)[:-400])
    reading = FolderSource(tmp_path).read({})
    (document,) = reading.documents
    assert not document.whole
    assert document.content
    assert text.startswith(document.content)
    assert "cut off" in reading.troubles[0]


def test_damaged_gzip_is_unreadable(tmp_path):
    packed = bytearray(gzip.compress(b"text" * 100))
    packed[2] = 0xFF
    put(tmp_path, "a.gz", bytes(packed))
    with pytest.raises(FeedUnreadable, match="damaged"):
        FolderSource(tmp_path).read({})


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_BYTES", 1000)
    put(tmp_path, "bomb.gz", gzip.compress(bytes(100_000)))
    with pytest.raises(FeedUnreadable, match="larger than"):
        FolderSource(tmp_path).read({})


def test_a_pass_ends_when_it_has_read_enough_and_the_next_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_FILES_PER_PASS", 2)
    for number in range(3):
        put(tmp_path, f"{number}.txt", b"text")
    source = FolderSource(tmp_path)
    first = source.read({})
    assert (names(first), first.more) == (["0.txt", "1.txt"], True)
    second = source.read(first.validators)
    assert (names(second), second.more) == (["2.txt"], False)
