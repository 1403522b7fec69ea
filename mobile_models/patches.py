"""Patches between two archives: bsdiff for clients that apply it, `dcz` for clients of RFC 9842. Pure.

`python -m mobile_models.patches KIND OLD NEW PATCH BYTES SECONDS` makes one in a process of its own, which
may be killed and can take neither more memory nor more time than it was given.
"""

import hashlib
import resource
import sys
from pathlib import Path

import bsdiff4
import zstandard

MEBIBYTE = 2**20
BSDIFF, DCZ = "bsdiff4", "dcz"
# RFC 9842 section 5: a skippable zstd frame of 32 bytes, which hold the dictionary's SHA-256.
DCZ_MAGIC = bytes.fromhex("5e2a4d1820000000")
# Same section: what every client can decode.
WINDOW_FLOOR, WINDOW_CEILING = 8 * MEBIBYTE, 128 * MEBIBYTE
LEVEL = 19


def bsdiff(old: bytes, new: bytes) -> bytes:
    """A patch in the format of bsdiff 4 (`BSDIFF40`) that makes `new` out of `old`."""
    return bytes(bsdiff4.diff(old, new))


def dictionary_compress(old: bytes, new: bytes) -> bytes:
    """`new` under the content coding `dcz`, with `old` as its dictionary."""
    dictionary = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, source_size=len(new), dict_size=len(old), window_log=window_log(len(old), len(new))
    )
    frame = zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters).compress(new)
    return DCZ_MAGIC + hashlib.sha256(old).digest() + frame


def window_log(old_size: int, new_size: int) -> int:
    """Binary logarithm of the window of a `dcz` frame: all of `new` if the standard allows it.

    Within its first window a frame reaches the whole dictionary, behind it none of it.
    """
    allowed = min(max(WINDOW_FLOOR, old_size * 5 // 4), WINDOW_CEILING)
    wanted = max(new_size - 1, 1).bit_length()
    return max(min(wanted, allowed.bit_length() - 1), 10)


def memory_needed(kind: str, old_size: int, new_size: int) -> int:
    """About how many bytes making a patch takes, an interpreter included; a little more than was measured.

    bsdiff sorts the old archive with two tables of eight bytes for each of its own. The tables of zstd do not
    grow with the archives; what it keeps of them does.
    """
    if kind == BSDIFF:
        return 64 * MEBIBYTE + 17 * old_size + 4 * new_size
    return 256 * MEBIBYTE + 3 * (old_size + new_size)


def apply_dcz(old: bytes, patch: bytes) -> bytes:
    """What a client makes of a `dcz` answer.

    Raises:
        ValueError: it is none, or it was made against another dictionary.
        zstandard.ZstdError: its frame is damaged.
    """
    head = DCZ_MAGIC + hashlib.sha256(old).digest()
    if not patch.startswith(head):
        raise ValueError("This is no dcz stream against this dictionary.")
    dictionary = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    decompressor = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=WINDOW_CEILING)
    return bytes(decompressor.decompress(patch[len(head) :]))


# How each kind is made, and applied.
KINDS = {BSDIFF: (bsdiff, bsdiff4.patch), DCZ: (dictionary_compress, apply_dcz)}


def main(kind: str, old: str, new: str, patch: str, memory: str, seconds: str) -> None:
    """Write one patch, with at most so many bytes and seconds, and apply it to be sure of it."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    make, apply = KINDS[kind]
    before, after = Path(old).read_bytes(), Path(new).read_bytes()
    made = make(before, after)
    if apply(before, made) != after:
        raise ArithmeticError("The patch does not make the archive that it was made from.")
    Path(patch).write_bytes(made)


if __name__ == "__main__":
    main(*sys.argv[1:])
