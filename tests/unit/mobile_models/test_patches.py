import hashlib
import subprocess
import sys
from pathlib import Path

import bsdiff4
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_models import patches

OLD = bytes(range(256)) * 400
NEW = OLD[:50_000] + b"changed" + OLD[50_003:] + b"added"
ROOT = Path(patches.__file__).resolve().parents[1]


def decode(old, patch):
    """What RFC 9842 section 5 says, with the zstandard library alone."""
    assert patch[:8] == bytes.fromhex("5e2a4d1820000000")
    assert patch[8:40] == hashlib.sha256(old).digest()
    dictionary = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(patch[40:])


def test_a_patch_makes_the_new_out_of_the_old():
    patch = patches.bsdiff(OLD, NEW)
    assert patch.startswith(b"BSDIFF40")
    assert bsdiff4.patch(OLD, patch) == NEW
    assert len(patch) < 300


def test_a_client_of_the_standard_decodes_dcz():
    patch = patches.dictionary_compress(OLD, NEW)
    assert decode(OLD, patch) == NEW
    assert len(patch) < 300


def test_a_plain_zstd_decoder_skips_the_head_of_dcz():
    # The head is a skippable frame, so a decoder that has the dictionary needs not know of it.
    patch = patches.dictionary_compress(b"", NEW)
    assert zstandard.ZstdDecompressor().stream_reader(patch, read_across_frames=True).read() == NEW


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=2000), st.binary(min_size=1, max_size=2000))
def test_any_two_can_be_patched(old, new):
    assert bsdiff4.patch(old, patches.bsdiff(old, new)) == new
    assert decode(old, patches.dictionary_compress(old, new)) == new
    assert patches.apply_dcz(old, patches.dictionary_compress(old, new)) == new


def test_another_dictionary_is_refused_before_anything_is_decoded():
    patch = patches.dictionary_compress(OLD, NEW)
    with pytest.raises(ValueError, match="against this dictionary"):
        patches.apply_dcz(OLD[1:], patch)


MIB = 2**20


@pytest.mark.parametrize(
    ("old", "new", "window"),
    [
        (0, 1, 2**10),
        (50_000, 50_000, 2**16),
        (8 * MIB, 8 * MIB, 8 * MIB),
        # All of the new archive, as far as the standard allows: a quarter more than the old one.
        (1 * MIB, 20 * MIB, 8 * MIB),
        (20 * MIB, 20 * MIB, 16 * MIB),
        (27 * MIB, 20 * MIB, 32 * MIB),
        (250 * MIB, 250 * MIB, 128 * MIB),
    ],
)
def test_the_window_is_what_every_client_can_decode(old, new, window):
    assert 2 ** patches.window_log(old, new) == window
    assert window <= max(8 * MIB, min(old * 5 // 4, 128 * MIB))


def test_a_frame_says_the_window_that_was_asked_for():
    frame = patches.dictionary_compress(b"x", bytes(9 * MIB))[40:]
    assert zstandard.get_frame_parameters(frame).window_size == 8 * MIB


def run(tmp_path, kind, *, old_bytes=OLD, memory=2**30, seconds=60):
    old, new, patch = tmp_path / "old", tmp_path / "new", tmp_path / "patch"
    old.write_bytes(old_bytes)
    new.write_bytes(NEW)
    command = [sys.executable, "-m", "mobile_models.patches", kind, str(old), str(new), str(patch)]
    done = subprocess.run(
        [*command, str(memory), str(seconds)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done, patch


def test_a_process_of_its_own_makes_a_patch(tmp_path):
    done, patch = run(tmp_path, patches.DCZ)
    assert done.returncode == 0, done.stderr
    assert decode(OLD, patch.read_bytes()) == NEW


def test_the_process_takes_no_more_memory_than_it_was_given(tmp_path):
    done, patch = run(tmp_path, patches.BSDIFF, old_bytes=OLD * 100, memory=64 * MIB)
    assert done.returncode
    assert "MemoryError" in done.stderr
    assert not patch.exists()


def test_a_patch_that_makes_something_else_is_never_written(tmp_path, monkeypatch):
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "new").write_bytes(NEW)
    monkeypatch.setitem(patches.KINDS, patches.BSDIFF, (patches.bsdiff, lambda *_: b"something else"))
    monkeypatch.setattr(patches.resource, "setrlimit", lambda *_: None)
    names = [str(tmp_path / name) for name in ("old", "new", "patch")]
    with pytest.raises(ArithmeticError):
        patches.main(patches.BSDIFF, *names, "0", "0")
    assert not (tmp_path / "patch").exists()
