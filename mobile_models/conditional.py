"""The HTTP rules that a download needs, on header values alone: ranges, entity tags, content codings. Pure.

Sources: RFC 9110 sections 8.8.3, 12.5.3, 13 and 14; RFC 9530 for digests.
"""

import base64
import re
from dataclasses import dataclass

from mobile_models.errors import RangeNotSatisfiable

ONE_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,100})-([0-9]{0,100})|-([0-9]{1,100}))[ \t]*", re.IGNORECASE)
ENTITY_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')
CODING = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:;[ \t]*q=([01](?:\.[0-9]{0,3})?))?[ \t]*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` to `last` of a representation, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.last - self.first + 1


def parse_range(header: str, size: int) -> Span | None:
    """The one range that a header asks for, cut to the representation.

    A header that is malformed, names another unit or asks for several ranges is ignored, as the standard
    allows: the answer is then the whole representation, which every client must take.

    Args:
        header: value of `Range`, empty where there is none.
        size: bytes of the representation, at least 1.

    Returns:
        The range, or None where the whole is to be sent.

    Raises:
        RangeNotSatisfiable: the range is well-formed and holds no byte of the representation.
    """
    match = ONE_RANGE.fullmatch(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return _suffix(int(suffix), size)
    start, end = int(first), int(last) if last else size - 1
    if last and end < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable(size)
    return Span(start, min(end, size - 1))


def if_range_holds(header: str | None, etag: str) -> bool:
    """Whether a range may be honoured: the client's part is of this very representation.

    The comparison is strong; a weak tag, another one or a date (there is no Last-Modified) does not.
    """
    return header is None or header.strip() == etag


def if_none_match_holds(header: str | None, etag: str) -> bool:
    """Whether the client lacks this representation; compared weakly."""
    if header is None:
        return True
    return header.strip() != "*" and etag not in {tag.removeprefix("W/") for tag in _tags(header)}


def if_match_holds(header: str | None, etag: str) -> bool:
    """Whether the client's precondition names this representation; compared strongly."""
    return header is None or header.strip() == "*" or etag in _tags(header)


def prefers_zstd(header: str | None) -> bool:
    """Whether to send the zstd form: the client names zstd and does not like the plain form better."""
    weights = {}
    for item in (header or "").split(","):
        match = CODING.fullmatch(item)
        if match:
            weights[match[1].lower()] = float(match[2] or 1)
    zstd = weights.get("zstd", 0.0)
    return zstd > 0 and zstd >= weights.get("identity", 0.0)


def digest_field(digest: bytes) -> str:
    """A SHA-256 as the value of `Repr-Digest` or `Content-Digest`."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def _suffix(length: int, size: int) -> Span:
    if length == 0:
        raise RangeNotSatisfiable(size)
    return Span(max(0, size - length), size - 1)


def _tags(header: str) -> set[str]:
    return {match[0] for match in ENTITY_TAG.finditer(header)}
