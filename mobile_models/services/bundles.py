"""Bundles: verify and store them, verify them again, revoke them.

Nothing leaves the server that did not come in here.
"""

import hashlib
import logging
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from mobile_models import storage, transitions, verification
from mobile_models.errors import BundleRefused
from mobile_models.models import Bundle, Revocation
from mobile_models.selectors import served_contracts
from mobile_models.services.steps import change, fresh, recorded, step
from mobile_models.signing.publishing import publish_soon
from mobile_models.stores.folder import digest_of
from mobile_models.targeting import FORMATS, platforms_of
from packager.archive import MAX_BYTES
from packager.bundle import Bundle as Archive
from packager.bundle import open_bundle
from packager.errors import PackagerError
from packager.report import model_card

logger = logging.getLogger(__name__)

GOLDEN = "golden.json"


def register_bundle(*, path: Path, by: User | None = None) -> Bundle:
    """Verify an archive by running it, store it, and make its row last: nobody sees half a bundle.

    The same bytes again give the same row.

    Raises:
        BundleRefused: damaged, foreign, too large, not what it says, revoked, of a format that no platform
            takes, or of a contract that is not served here.
        StorageFailed, VerifierFailed: it could not be stored or judged; nothing was changed.
        NotPermitted: the person may not register bundles.
    """
    transitions.check_permission(transitions.REGISTER, by)
    _check_size(path)
    with storage.staged(path) as blob:
        known = Bundle.objects.filter(sha256=blob.sha256).select_related("revocation").first()
        if known:
            _check_not_revoked(known)
        if known and known.state == Bundle.State.VERIFIED and storage.is_stored(blob.sha256):
            return known
        archive = _checked_archive(blob.archive)
        storage.publish(blob)
        return _write_row(blob, archive, by)


def reverify_bundle(*, bundle: Bundle, by: User | None = None) -> Bundle:
    """Run a stored bundle again; one that fails is no longer offered.

    Raises:
        BundleRefused: it failed; its row says why.
        NotPermitted, TransitionNotAllowed: as `transitions.check`.
    """
    transitions.check(transitions.REVERIFY, bundle, by)
    refusal = _refusal(bundle)
    state = Bundle.State.REFUSED if refusal else Bundle.State.VERIFIED
    with step(transitions.REVERIFY, bundle, by=by, reason=refusal):
        change(bundle, state=state, refused_because=refusal)
        publish_soon()
    if refusal:
        raise BundleRefused(refusal)
    return bundle


def revoke_bundle(*, bundle: Bundle, reason: str, by: User | None = None) -> Revocation:
    """Kill a bundle: no device may run it any more; each falls back to its last good one.

    Raises:
        NotPermitted, TransitionNotAllowed, ParameterInvalid: as `transitions.check`.
    """
    with step(transitions.REVOKE, bundle, by=by, reason=reason):
        revocation = Revocation.objects.create(bundle=bundle, reason=reason, revoked_by=by)
        change(bundle, state=Bundle.State.REFUSED, refused_because=f"Revoked. {reason}")
        publish_soon()
    return revocation


def _check_not_revoked(bundle: Bundle) -> None:
    if hasattr(bundle, "revocation"):
        raise BundleRefused(
            f"Bundle {bundle} was revoked ({bundle.revocation.reason}). Package the model anew."
        )


def _checked_archive(path: Path) -> Archive:
    verification.verify_archive(path)
    try:
        archive = open_bundle(path)
    except PackagerError as error:
        raise BundleRefused(str(error)) from error
    _check_platforms(archive)
    served = served_contracts()
    if archive.contract.digest not in served:
        names = ", ".join(
            f"{contract.name} {contract.version} ({digest[:12]})" for digest, contract in served.items()
        )
        raise BundleRefused(
            f"The bundle is for contract {archive.contract.name} {archive.contract.version} "
            f"({archive.contract.digest[:12]}); this server serves inputs for {names}. "
            "Package the model for a contract that is served."
        )
    return archive


def _check_platforms(archive: Archive) -> None:
    """Refuse what no catalog could list: the machines for ONNX and TFLite Micro ask for no updates here."""
    if not platforms_of(str(archive.manifest["variant"]), archive.format):
        taken = ", ".join(sorted({format_ for formats in FORMATS.values() for format_ in formats}))
        raise BundleRefused(
            f"The bundle's format is {archive.format}, which no platform of the catalog takes; "
            f"they take {taken}. Bring its archive to the machine that runs it yourself."
        )


def _refusal(bundle: Bundle) -> str:
    """Why a stored bundle is no good; empty when it is."""
    try:
        _checked_archive(_intact(bundle))
    except BundleRefused as error:
        return str(error)
    return ""


def _intact(bundle: Bundle) -> Path:
    path = storage.blob_path(bundle.sha256)
    if not path.is_file() or digest_of(path) != bundle.sha256:
        raise BundleRefused("The stored bytes are gone or changed. Register the bundle again.")
    return path


def _check_size(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BundleRefused(
            f"{path.name} cannot be read: {error.strerror}. Give the path of a bundle."
        ) from error
    if size > MAX_BYTES:
        raise BundleRefused(
            f"{path.name} has {size} bytes; a bundle has at most {MAX_BYTES}. Choose a smaller variant."
        )


def _write_row(blob: storage.StagedBlob, archive: Archive, by: User | None) -> Bundle:
    manifest = dict(archive.manifest)
    card = storage.put_bytes(model_card(manifest))
    described = {
        "size": blob.size,
        "wire_sha256": blob.wire_sha256,
        "wire_size": blob.wire_size,
        "encodings": blob.encodings,
        "name": manifest["name"],
        "variant": manifest["variant"],
        "format": archive.format,
        "platforms": platforms_of(manifest["variant"], archive.format),
        "contract_sha256": archive.contract.digest,
        "golden_sha256": hashlib.sha256(archive.members[GOLDEN]).hexdigest(),
        "card_sha256": card,
        "manifest": manifest,
        "refused_because": "",
    }
    with transaction.atomic():
        bundle, created = Bundle.objects.get_or_create(sha256=blob.sha256, defaults=described)
        fresh(bundle)
        _check_not_revoked(bundle)  # while the archive was looked at
        with recorded(transitions.REGISTER.name, bundle, by=by):
            change(bundle, state=Bundle.State.VERIFIED, **described)
        if not created:
            publish_soon()
    logger.info("%s bundle %s", "Registered" if created else "Registered again", bundle)
    return bundle
