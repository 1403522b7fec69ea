"""What the clock does: renew what expires, publish what was missed, forget what nobody asks for any more."""

import logging
from datetime import timedelta

from django.utils.timezone import now

from mobile_models.models import Metadata, TargetDocument
from mobile_models.signing import changes, store
from mobile_models.signing.founding import development_signers
from mobile_models.signing.publishing import is_half_gone, publish
from mobile_models.signing.roles import OFFLINE, ROLLOUT, SNAPSHOT, TIMESTAMP

logger = logging.getLogger(__name__)
# A phone asks for what its timestamp leads to within minutes. Heads of the audit log stay in every rollout.
KEPT = timedelta(days=30)


def refresh() -> bool:
    """Publish what differs or is half expired; development keys renew their part by themselves.

    Raises:
        KeyRefused: the online key cannot be used; nothing was changed.
    """
    if not store.is_initialised():
        return False
    ageing = store.charter().development and any(is_half_gone(role) for role in OFFLINE)
    if ageing:
        changes.renew(signers=development_signers())
    return publish() or ageing


def forget() -> int:
    """Delete old snapshots, timestamps and catalogs that are no longer in force; says how many."""
    before = now() - KEPT
    count = 0
    for role in (SNAPSHOT, TIMESTAMP):
        row = store.newest(role)
        if row is not None:
            old = Metadata.objects.filter(role=role, version__lt=row.version, created__lt=before)
            count += old.delete()[0]
    if store.newest(ROLLOUT) is not None:
        named = [file.hashes["sha256"] for file in store.targets(ROLLOUT).signed.targets.values()]
        old_documents = TargetDocument.objects.filter(created__lt=before).exclude(sha256__in=named)
        count += old_documents.delete()[0]
    return count
