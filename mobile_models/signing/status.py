"""What is in force, who signs it, how long it is good, and what waits for signatures."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.utils.timezone import now

from mobile_models.models import PendingMetadata, Release
from mobile_models.signing import pending, store
from mobile_models.signing.documents import Charter
from mobile_models.signing.pending import Standing
from mobile_models.signing.roles import ROLES

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """A key of a role and who holds it."""

    keyid: str
    holder: str
    uri: str


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """A role as it is in force."""

    role: str
    version: int
    threshold: int
    expires: datetime
    days_left: float
    keys: tuple[KeyStatus, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A set that waits for signatures: of a release, or of a change of keys."""

    purpose: str
    roles: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The whole repository."""

    initialised: bool
    development: bool
    roles: tuple[RoleStatus, ...]
    waiting: tuple[Waiting, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def status() -> Status:
    """What there is; a repository that was never made has no roles."""
    waiting = tuple(_waiting())
    if not store.is_initialised():
        return Status(initialised=False, development=False, roles=(), waiting=waiting)
    charter = store.charter()
    roles = tuple(_role(role, charter) for role in ROLES)
    return Status(initialised=True, development=charter.development, roles=roles, waiting=waiting)


def _role(role: str, charter: Charter) -> RoleStatus:
    row = store.newest(role)
    if row is None:
        raise RuntimeError(f"{role} is not published although the root is")
    trust = charter.roles[role]
    holders = [(key.keyid, charter.holder(key.keyid)) for key in trust.keys]
    return RoleStatus(
        role=role,
        version=row.version,
        threshold=trust.threshold,
        expires=row.expires,
        days_left=round((row.expires - now()).total_seconds() / DAY_SECONDS, 2),
        keys=tuple(KeyStatus(keyid, holder.name, holder.uri) for keyid, holder in holders),
    )


def _waiting() -> Iterator[Waiting]:
    for release_id in (
        PendingMetadata.objects.order_by("release_id").values_list("release_id", flat=True).distinct()
    ):
        release = Release.objects.filter(pk=release_id).first()
        rows = list(pending.waiting(release))
        yield Waiting(f"release {release}" if release else "a change of keys", tuple(pending.standings(rows)))
