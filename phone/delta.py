"""Make a bundle's archive out of the installed one and a patch, within bounds.

The format is bsdiff's (`BSDIFF40`): three bzip2 blocks, of which the first says how many bytes to add to the
old file's, how many to insert, and how far to move in the old file. A patch comes from the server and may be
anything; its result counts only if its digest is the signed one, and no step takes more memory than a few
times the signed size.
"""

import bz2
import struct

import numpy as np

from phone.errors import BundleRefused

MAGIC = b"BSDIFF40"
HEADER = 32
STEP = 24
# Honest patches have far fewer steps; one that has more would only burn the battery.
BYTES_PER_STEP = 8


def apply_patch(old: bytes, patch: bytes, size: int) -> bytes:
    """The new archive, `size` bytes long; its digest is for the caller to compare.

    Raises:
        BundleRefused: the patch is damaged, or makes something of another size.
    """
    try:
        control, difference, extra = _blocks(patch, size)
        return _applied(np.frombuffer(old, np.uint8), control, difference, extra, size)
    except (struct.error, OSError, ValueError, EOFError, IndexError) as error:
        raise BundleRefused(f"The patch cannot be read: {type(error).__name__}: {error}.") from error


def _blocks(patch: bytes, size: int) -> tuple[bytes, bytes, bytes]:
    if patch[: len(MAGIC)] != MAGIC:
        raise BundleRefused("The patch is not a bsdiff patch.")
    first, second, makes = (_integer(patch[start : start + 8]) for start in (8, 16, 24))
    if makes != size:
        raise BundleRefused(f"The patch makes {makes} bytes; {size} were signed.")
    if min(first, second) < 0 or HEADER + first + second > len(patch):
        raise BundleRefused("The patch's blocks reach beyond its end.")
    middle, end = HEADER + first, HEADER + first + second
    control = _unpacked(patch[HEADER:middle], STEP * (size // BYTES_PER_STEP + 16))
    return control, _unpacked(patch[middle:end], size), _unpacked(patch[end:], size)


def _applied(
    old: "np.ndarray[tuple[int], np.dtype[np.uint8]]",
    control: bytes,
    difference: bytes,
    extra: bytes,
    size: int,
) -> bytes:
    made = np.zeros(size, np.uint8)
    added, inserted = np.frombuffer(difference, np.uint8), np.frombuffer(extra, np.uint8)
    here = there = taken = put = 0
    for at in range(0, len(control), STEP):
        add, insert, move = (_integer(control[at + start : at + start + 8]) for start in (0, 8, 16))
        if min(add, insert) < 0 or here + add + insert > size or taken + add > len(added):
            raise BundleRefused("The patch writes beyond the end of what it makes.")
        made[here : here + add] = added[taken : taken + add]
        # What lies outside the old file counts as zero, as in every implementation of the format.
        low, high = max(there, 0), min(there + add, len(old))
        if low < high:
            made[here + low - there : here + high - there] += old[low:high]
        here, there, taken = here + add, there + add, taken + add
        if put + insert > len(inserted):
            raise BundleRefused("The patch inserts more bytes than it has.")
        made[here : here + insert] = inserted[put : put + insert]
        here, put, there = here + insert, put + insert, there + move
    if here != size:
        raise BundleRefused(f"The patch makes {here} bytes; {size} were signed.")
    return made.tobytes()


def _unpacked(block: bytes, limit: int) -> bytes:
    """A bzip2 block; stops at the limit, so that a bomb cannot grow."""
    if not block:
        return b""
    unpacker = bz2.BZ2Decompressor()
    content = unpacker.decompress(block, max_length=limit + 1)
    if len(content) > limit or not unpacker.eof:
        raise BundleRefused(f"A block of the patch unpacks to more than {limit} bytes, or is cut off.")
    return content


def _integer(eight: bytes) -> int:
    """Sign and magnitude, little-endian: the format's own way."""
    (value,) = struct.unpack("<Q", eight)
    magnitude = int(value & 0x7FFFFFFFFFFFFFFF)
    return -magnitude if value >> 63 else magnitude
