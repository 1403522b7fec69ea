"""Who belongs to the exposed share of a rollout. Pure: a device decides with it and keeps its secret."""

import hashlib

EVERYONE = 10_000


def bucket(install_secret: bytes, salt: str) -> int:
    """Place an install in 0..9999, the same every time."""
    digest = hashlib.sha256(salt.encode() + install_secret).digest()
    return int.from_bytes(digest[:8], "big") % EVERYONE
