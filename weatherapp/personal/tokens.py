"""Bearer tokens: made once, shown once, kept as a digest. Pure but for the system's randomness."""

import hashlib
import re
from dataclasses import dataclass
from hmac import compare_digest
from secrets import token_hex, token_urlsafe

SECRET_BYTES = 32
TOKEN = re.compile(r"skyfold_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Token:
    """A fresh token; only `prefix` and `sha256` are stored."""

    text: str
    prefix: str
    sha256: str


def make_token() -> Token:
    """A token with 256 random bits behind a prefix that finds its row."""
    prefix = token_hex(6)
    text = f"skyfold_{prefix}_{token_urlsafe(SECRET_BYTES)}"
    return Token(text, prefix, digest(text))


def prefix_of(text: str) -> str | None:
    """The part that finds the row; None where the text cannot be a token."""
    match = TOKEN.fullmatch(text)
    return match[1] if match else None


def digest(text: str) -> str:
    """What is stored of a token. A plain hash: nobody can guess 256 random bits, however fast the hash."""
    return hashlib.sha256(text.encode()).hexdigest()


def matches(text: str, sha256: str) -> bool:
    """Whether a token is the one of a digest, compared in constant time."""
    return compare_digest(digest(text), sha256)
