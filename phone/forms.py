"""The compressed forms that an archive can come in, each unpacked within the signed size."""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import brotli
import zstandard

from phone.errors import BundleRefused

MAX_WINDOW = 8 * 1024 * 1024
# RFC 9842: a skippable zstd frame that names the dictionary.
DCZ_MAGIC = bytes.fromhex("5e2a4d1820000000")
DIGEST_BYTES = 32


@dataclass(frozen=True)
class Form:
    """A compressed form of an archive: its bytes, their digest, and how to unpack at most so many bytes."""

    encoding: str
    size: int
    sha256: str | None
    unpack: Callable[[bytes, int], bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


def dictionary_form(base: bytes, size: int) -> Form:
    """The form that is compressed with the installed archive as its dictionary (RFC 9842, `dcz`)."""
    digest = hashlib.sha256(base).digest()
    named = {"Available-Dictionary": f":{base64.b64encode(digest).decode()}:"}

    def unpack(content: bytes, most: int) -> bytes:
        if content[: len(DCZ_MAGIC) + DIGEST_BYTES] != DCZ_MAGIC + digest:
            raise BundleRefused(
                "The download was compressed with another dictionary than the installed bundle."
            )
        # The same section lets a frame reach back over a quarter more than the dictionary.
        window = max(MAX_WINDOW, len(base) * 5 // 4)
        return unpack_zstd(content[len(DCZ_MAGIC) + DIGEST_BYTES :], most, base, window)

    return Form("dcz", size, None, unpack, named)


def smallest_form(encodings: Mapping[str, Mapping[str, Any]]) -> Form | None:
    """The smallest of the compressed forms that this phone can unpack."""
    known = [
        Form(name, int(form["size"]), str(form["sha256"]), UNPACKERS[name])
        for name, form in encodings.items()
        if name in UNPACKERS
    ]
    return min(known, key=lambda form: (form.size, form.encoding), default=None)


def unpacked(form: Form, content: bytes, size: int) -> bytes:
    """The archive out of a compressed form; no unpacker goes beyond the size, so that no bomb can grow."""
    try:
        archive = form.unpack(content, size + 1)
    except (zstandard.ZstdError, brotli.error, zlib.error, ValueError) as error:
        raise BundleRefused(f"The download is not {form.encoding}: {error}.") from error
    if len(archive) != size:
        raise BundleRefused(f"The download unpacks to {len(archive)} bytes or more; {size} were promised.")
    return archive


def unpack_zstd(content: bytes, most: int, dictionary: bytes = b"", window: int = MAX_WINDOW) -> bytes:
    """At most `most` bytes of what a zstd frame holds; a dictionary is another archive's bytes."""
    known = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    unpacker = zstandard.ZstdDecompressor(dict_data=known if dictionary else None, max_window_size=window)
    with unpacker.stream_reader(content) as reader:
        archive: bytes = reader.read(most)
    return archive


def _unpack_gzip(content: bytes, most: int) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(content, most)


def _unpack_brotli(content: bytes, most: int) -> bytes:
    unpacker, archive = brotli.Decompressor(), b""
    # The limit is one on each piece, rounded up, and not on the whole.
    piece = unpacker.process(content, output_buffer_limit=most)
    while piece and len(archive) <= most:
        archive += piece
        piece = unpacker.process(b"", output_buffer_limit=most)
    return archive[:most]


UNPACKERS: Mapping[str, Callable[[bytes, int], bytes]] = {
    "zstd": unpack_zstd,
    "br": _unpack_brotli,
    "gzip": _unpack_gzip,
}
