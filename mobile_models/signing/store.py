"""Metadata as rows: the newest version of a role is in force, and what is served is what was signed."""

from typing import TypeVar

from django.db import IntegrityError
from tuf.api.metadata import Metadata as Signed
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from mobile_models.errors import NotInitialised, StateConflict
from mobile_models.models import Metadata
from mobile_models.signing.documents import Charter, charter_of
from mobile_models.signing.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP

Kind = TypeVar("Kind", Root, Snapshot, Targets, Timestamp)


def is_initialised() -> bool:
    """Whether there is a repository."""
    return Metadata.objects.filter(role=ROOT).exists()


def lock() -> bool:
    """Hold everything that is published until the transaction ends; False where nothing was initialised.

    The first root is the one row that always exists, so that is the lock.
    """
    return Metadata.objects.select_for_update().filter(role=ROOT, version=1).first() is not None


def newest(role: str) -> Metadata | None:
    """The row in force."""
    return Metadata.objects.filter(role=role).order_by("-version").first()


def content(role: str) -> bytes:
    """The bytes in force of a role.

    Raises:
        NotInitialised: there is no repository.
    """
    row = newest(role)
    if row is None:
        raise NotInitialised(
            f"No {role} metadata is published. Run `manage.py keys init`, or `manage.py quickstart` for a "
            "demonstration with development keys."
        )
    return bytes(row.content)


def published(role: str, version: int) -> bytes | None:
    """The bytes of one version of a role, if it was ever in force. One query."""
    row = Metadata.objects.filter(role=role, version=version).first()
    return bytes(row.content) if row else None


def root() -> Signed[Root]:
    """The root in force."""
    return Signed[Root].from_bytes(content(ROOT))


def targets(role: str = TARGETS) -> Signed[Targets]:
    """The targets metadata in force of a role."""
    return Signed[Targets].from_bytes(content(role))


def newest_targets(role: str) -> Targets | None:
    """What a role of targets says; None where there is no repository. One query."""
    row = newest(role)
    return Signed[Targets].from_bytes(bytes(row.content)).signed if row else None


def snapshot() -> Signed[Snapshot]:
    """The snapshot in force."""
    return Signed[Snapshot].from_bytes(content(SNAPSHOT))


def timestamp() -> Signed[Timestamp]:
    """The timestamp in force."""
    return Signed[Timestamp].from_bytes(content(TIMESTAMP))


def charter() -> Charter:
    """Who is trusted for what now."""
    return charter_of(root().signed, targets().signed)


def write(role: str, metadata: Signed[Kind]) -> None:
    """Add the next version of a role; the one constraint that matters is that a version has one content.

    Raises:
        StateConflict: another process published this version.
    """
    signed = metadata.signed
    try:
        Metadata.objects.create(
            role=role, version=signed.version, content=metadata.to_bytes(), expires=signed.expires
        )
    except IntegrityError as error:
        raise StateConflict(
            f"Version {signed.version} of {role} was published by another process. Run this again."
        ) from error
