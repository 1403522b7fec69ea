"""Whether an update may be downloaded now. Pure. The installed model stays in use, whatever the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Situation:
    """What the phone is in: its network, its power and its free storage."""

    network: Literal["unmetered", "metered", "none"] = "unmetered"
    charging: bool = True
    free_storage_mb: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to go on; if not, why, and after how many seconds time alone would change that."""

    allowed: bool
    reason: str | None = None
    seconds: int | None = None


ALLOWED = Verdict(allowed=True)


def judge(policy: Mapping[str, Any], situation: Situation, *, size: int, waited: float) -> Verdict:
    """Ask a catalog's policy.

    Args:
        policy: the catalog's.
        situation: the phone's.
        size: bytes of the archive, which must fit beside the one that is installed.
        waited: seconds since this release was first offered here.
    """
    for verdict in (
        _network(policy, situation, waited),
        _charging(policy, situation),
        _storage(policy, situation, size),
    ):
        if not verdict.allowed:
            return verdict
    return ALLOWED


def _network(policy: Mapping[str, Any], situation: Situation, waited: float) -> Verdict:
    if situation.network == "none":
        return Verdict(allowed=False, reason="There is no network; the download waits for one.")
    if situation.network == "unmetered" or policy["network"] == "any":
        return ALLOWED
    if policy["network"] == "unmetered":
        return Verdict(
            allowed=False, reason="The network is metered; the download waits for an unmetered one."
        )
    left = round((policy["any_after_seconds"] or 0) - waited)
    if left <= 0:
        return ALLOWED
    return Verdict(
        allowed=False,
        reason=f"The network is metered; the download waits {left} s more for an unmetered one.",
        seconds=left,
    )


def _charging(policy: Mapping[str, Any], situation: Situation) -> Verdict:
    if situation.charging or not policy["charging"]:
        return ALLOWED
    return Verdict(allowed=False, reason="The phone runs on its battery; the download waits for the charger.")


def _storage(policy: Mapping[str, Any], situation: Situation, size: int) -> Verdict:
    # While it is checked, an archive lies there twice: as it came, and unpacked.
    needed = policy["free_storage_mb"] + -(-2 * size // MEBIBYTE)
    if situation.free_storage_mb is None or situation.free_storage_mb >= needed:
        return ALLOWED
    return Verdict(
        allowed=False,
        reason=f"{situation.free_storage_mb} MiB of storage are free; the download waits for {needed}.",
    )
