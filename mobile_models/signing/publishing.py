"""Publish what is offered: catalogs, then the metadata that names them, in one transaction.

Everything is compared before anything is signed, so publishing twice publishes once. A process that dies on
the way leaves the previous metadata in force: its rows were never committed.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.timezone import now
from securesystemslib.signer import Signature, Signer
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata as Signed
from tuf.api.metadata import Snapshot, Targets, Timestamp

from mobile_models import audit, catalog, selectors
from mobile_models.device import PLATFORMS
from mobile_models.models import Channel, TargetDocument
from mobile_models.signing import documents, store
from mobile_models.signing.documents import Charter, charter_of, document_file, same
from mobile_models.signing.online import online_signer
from mobile_models.signing.roles import (
    PLATFORM_ROLES,
    ROLLOUT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    catalog_path,
    expiry,
    lifetime,
)
from packager.contract import canonical_json

logger = logging.getLogger(__name__)


def publish() -> bool:
    """Make what is served say what is offered; False if it did already, or if nothing was initialised.

    Raises:
        KeyRefused: the online key cannot be used; nothing was changed.
    """
    with transaction.atomic():
        return store.lock() and bring_up_to_date()


def publish_soon() -> None:
    """Publish when the transaction that changes the offer is committed; a failure does not undo it.

    Beat publishes every minute, so what failed here is tried again.
    """
    transaction.on_commit(publish, robust=True)


def bring_up_to_date() -> bool:
    """Sign again whatever of the online roles is missing, changed, half expired or signed by a key of before.

    To be called with the lock held.
    """
    root, targets = store.root().signed, store.targets().signed
    charter = charter_of(root, targets)
    step = _Step(charter)
    catalogs, unsigned = wanted_catalogs()
    if unsigned:
        logger.error(
            "Left out of the catalogs, because no offline key signed them: %s. Run `manage.py sign_release` "
            "for their release.",
            ", ".join(unsigned),
        )
    step.renew(
        ROLLOUT,
        targets.verify_delegate,
        lambda version, expires: documents.rollout_document(
            [document_file(path, content) for path, content in catalogs.items()],
            version=version,
            expires=expires,
            audit=audit.head(),
        ),
    )
    step.renew(
        SNAPSHOT,
        root.verify_delegate,
        lambda version, expires: documents.snapshot_document(_contents(), version=version, expires=expires),
    )
    step.renew(
        TIMESTAMP,
        root.verify_delegate,
        lambda version, expires: documents.timestamp_document(
            _version_and_content(SNAPSHOT), version=version, expires=expires
        ),
    )
    if ROLLOUT in step.renewed:
        _keep(catalogs)
    return bool(step.renewed)


def is_half_gone(role: str) -> bool:
    """Whether less than half of a role's lifetime is left."""
    row = store.newest(role)
    return row is None or row.expires - now() < lifetime(role) / 2


Verify = Callable[[str, bytes, dict[str, Signature]], None]
Build = Callable[[int, datetime], Targets | Snapshot | Timestamp]


@dataclass
class _Step:
    """One round of renewal; the online key is opened only if something needs it."""

    charter: Charter

    def __post_init__(self) -> None:
        self.renewed: list[str] = []
        self._signer: Signer | None = None

    def renew(self, role: str, verify: Verify, build: Build) -> None:
        """Write the next version of a role if the one in force will not do."""
        row = store.newest(role)
        document = build(row.version + 1 if row else 1, expiry(role))
        if row and not is_half_gone(role) and self._will_do(role, bytes(row.content), verify, document):
            return
        metadata: Signed[Any] = Signed(document)
        metadata.sign(self._online(role))
        verify(role, metadata.signed_bytes, metadata.signatures)
        store.write(role, metadata)
        self.renewed.append(role)

    def _will_do(self, role: str, content: bytes, verify: Verify, wanted: Any) -> bool:
        metadata: Signed[Any] = Signed.from_bytes(content)
        try:
            verify(role, metadata.signed_bytes, metadata.signatures)
        except UnsignedMetadataError:  # its key was replaced
            return False
        return same(metadata.signed, wanted)

    def _online(self, role: str) -> Signer:
        if self._signer is None:
            self._signer = online_signer(self.charter.roles[role].keys)
        return self._signer


def wanted_catalogs() -> tuple[dict[str, bytes], list[str]]:
    """Every catalog by its path, and the digests on offer that no offline key signed, which are in none.

    Four queries, and four or five for each channel.
    """
    found: dict[str, bytes] = {}
    unsigned: list[str] = []
    signed = {platform: set(store.targets(platform).signed.targets) for platform in PLATFORMS}
    for channel in Channel.objects.order_by("name").values_list("name", flat=True):
        offer = selectors.offer_of(channel)
        for platform in PLATFORMS:
            document, left_out = catalog.only_signed(catalog.document(offer, platform), signed[platform])
            found[catalog_path(platform, channel)] = canonical_json(document)
            unsigned += left_out
    return found, unsigned


def _keep(catalogs: Mapping[str, bytes]) -> None:
    for path, content in catalogs.items():
        TargetDocument.objects.get_or_create(
            path=path, sha256=document_file(path, content).hashes["sha256"], defaults={"content": content}
        )


def _contents() -> dict[str, tuple[int, bytes]]:
    return {role: _version_and_content(role) for role in (TARGETS, ROLLOUT, *PLATFORM_ROLES)}


def _version_and_content(role: str) -> tuple[int, bytes]:
    row = store.newest(role)
    if row is None:
        raise RuntimeError(f"{role} is published before what names it")
    return row.version, bytes(row.content)
