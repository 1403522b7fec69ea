"""The compressed forms of an archive, made once, when it is registered; equal bytes give equal forms.

`zstd` stays within the window of 8 MiB that RFC 9659 gives every client; level 19 needs no more.
"""

import gzip
from collections.abc import Callable, Mapping

import brotli
import zstandard

from packager.bundle import WIRE_LEVEL

IDENTITY, ZSTD, BROTLI, GZIP = "identity", "zstd", "br", "gzip"
# Brotli at its best takes two seconds for each MiB; an archive so large does without.
BROTLI_MAX_BYTES = 32 * 2**20


def to_zstd(data: bytes) -> bytes:
    """The form that `Content-Encoding: zstd` names."""
    return bytes(zstandard.ZstdCompressor(level=WIRE_LEVEL).compress(data))


def to_brotli(data: bytes) -> bytes:
    """The form that `Content-Encoding: br` names."""
    return bytes(brotli.compress(data, quality=11, lgwin=24))


def to_gzip(data: bytes) -> bytes:
    """The form that `Content-Encoding: gzip` names, without the time, which would differ each time."""
    return gzip.compress(data, compresslevel=9, mtime=0)


CODINGS: Mapping[str, Callable[[bytes], bytes]] = {ZSTD: to_zstd, BROTLI: to_brotli, GZIP: to_gzip}


def codings_for(size: int) -> dict[str, Callable[[bytes], bytes]]:
    """The codings that are worth their time for an archive of so many bytes."""
    return {name: make for name, make in CODINGS.items() if name != BROTLI or size <= BROTLI_MAX_BYTES}
