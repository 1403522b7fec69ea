"""The HTTP rules that a download needs, on header values alone: ranges, entity tags, content codings. Pure.

Sources: RFC 9110 sections 8.8.3, 12.5.3, 13 and 14; RFC 9530 for digests; RFC 9842 for dictionaries.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mobile_models.encodings import GZIP, IDENTITY
from mobile_models.errors import NotAcceptable, RangeNotSatisfiable
from mobile_models.patches import DCZ

ONE_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,100})-([0-9]{0,100})|-([0-9]{1,100}))[ \t]*", re.IGNORECASE)
ENTITY_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')
CODING = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:;[ \t]*q=([01](?:\.[0-9]{0,3})?))?[ \t]*", re.IGNORECASE
)
ANY_CODING = "*"
# RFC 9110 section 8.4.1.3.
ALIASES = {"x-gzip": GZIP}
# The plain form is acceptable unless refused, and liked less than whatever the client names.
LEAST = 1e-9
DICTIONARY = re.compile(r"[ ]*:([A-Za-z0-9+/]{43}=):[ ]*")


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


def choose_coding(header: str | None, sizes: Mapping[str, int]) -> str:
    """The content coding to answer with: of those that the client rates best, the one with fewest bytes.

    A coding that the client names goes before one that only `*` or silence allows: whoever says nothing can
    read the plain form, and perhaps no other.

    Args:
        header: value of `Accept-Encoding`, None where there is none.
        sizes: bytes of each form that there is, by coding, `identity` among them. The client must name `dcz`.

    Raises:
        NotAcceptable: the client refuses every one of them.
    """
    weights = _weights(header or "")
    anything = weights.get(ANY_CODING)

    def rating(coding: str) -> tuple[float, bool, bool, int]:
        named = coding in weights
        unnamed = anything if coding != DCZ else None
        if coding == IDENTITY and unnamed is None:
            unnamed = LEAST
        return weights.get(coding, unnamed or 0.0), named, coding == IDENTITY and not named, -sizes[coding]

    best = max(sorted(sizes), key=rating)
    if rating(best)[0] == 0:
        raise NotAcceptable(
            f"Accept-Encoding {(header or '')[:100]!r} allows none of {', '.join(sorted(sizes))}. "
            "Allow one of them; without the header the plain form is sent."
        )
    return best


def names_coding(header: str | None, coding: str) -> bool:
    """Whether a client says that it takes this coding."""
    return _weights(header or "").get(coding, 0.0) > 0


def parse_dictionary(header: str | None) -> str | None:
    """SHA-256 of the dictionary that `Available-Dictionary` offers; None for none, or a malformed one.

    The value is a byte sequence of RFC 9651: base64 between colons, here of 32 bytes.
    """
    match = DICTIONARY.fullmatch(header or "")
    return base64.b64decode(match[1]).hex() if match else None


def digest_field(digest: bytes) -> str:
    """A SHA-256 as the value of `Repr-Digest` or `Content-Digest`."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def _suffix(length: int, size: int) -> Span:
    if length == 0:
        raise RangeNotSatisfiable(size)
    return Span(max(0, size - length), size - 1)


def _tags(header: str) -> set[str]:
    return {match[0] for match in ENTITY_TAG.finditer(header)}


def _weights(header: str) -> dict[str, float]:
    """The weight of each coding that a header names; what is malformed names nothing."""
    found = {}
    for item in header.split(","):
        match = CODING.fullmatch(item)
        if match:
            coding = match[1].lower()
            found[ALIASES.get(coding, coding)] = min(float(match[2] or 1), 1.0)
    return found
