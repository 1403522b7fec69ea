"""Which devices a bundle is for: what a schema cannot say of it."""

from collections.abc import Mapping
from typing import Any


def empty_range(targeting: Mapping[str, Any]) -> str | None:
    """Why no version of the app is in the range; None where one is, or where there is no range."""
    versions = targeting.get("app_range", {})
    if "min" not in versions or "max" not in versions:
        return None
    if _parts(versions["min"]) <= _parts(versions["max"]):
        return None
    return (
        f"targeting.app_range is from {versions['min']} to {versions['max']}, which holds no version. "
        "Give a max that is not below min."
    )


def _parts(version: str) -> list[int]:
    numbers = [int(part) for part in version.split(".")]
    # 3 and 3.0 are the same version.
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers
