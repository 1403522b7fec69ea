"""What can be done to bundles and releases. Each service owns its transaction."""

import logging
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

from django.db import IntegrityError, transaction
from django.db.models import Max, Q
from django.utils.timezone import now

from mobile_models import storage, verification
from mobile_models.errors import (
    BundleRefused,
    ParameterInvalid,
    ReleaseIncomplete,
    ReleaseNotApproved,
    ReleaseNotDraft,
    RolloutNotActive,
    StateConflict,
    UnknownChannel,
)
from mobile_models.models import Bundle, Channel, Release, Rollout
from mobile_models.rollout import EVERYONE
from mobile_models.selectors import SERVER_VARIANT, served_contracts
from mobile_models.targeting import platforms_of
from packager.archive import MAX_BYTES
from packager.bundle import Bundle as Archive
from packager.bundle import open_bundle
from packager.errors import PackagerError

logger = logging.getLogger(__name__)

ROLLED_OUT = (Release.State.APPROVED, Release.State.LIVE, Release.State.SUPERSEDED)


def register_bundle(*, path: Path) -> Bundle:
    """Verify an archive by running it, store it, and make its row last: nobody sees half a bundle.

    The same bytes again give the same row.

    Raises:
        BundleRefused: damaged, foreign, too large, not what it says, or of a contract not served here.
        StorageFailed, VerifierFailed: it could not be stored or judged; nothing was changed.
    """
    _check_size(path)
    with storage.staged(path) as blob:
        known = Bundle.objects.filter(sha256=blob.sha256, state=Bundle.State.VERIFIED).first()
        if known and storage.is_stored(blob.sha256):
            return known
        archive = _checked_archive(blob.archive)
        storage.publish(blob)
        return _write_row(blob, archive)


def reverify_bundle(*, bundle: Bundle) -> Bundle:
    """Run a stored bundle again; one that fails is no longer offered.

    Raises:
        BundleRefused: it failed; its row says why.
    """
    try:
        _checked_archive(_intact(bundle))
    except BundleRefused as error:
        Bundle.objects.filter(pk=bundle.pk).update(state=Bundle.State.REFUSED, refused_because=str(error))
        raise
    Bundle.objects.filter(pk=bundle.pk).update(state=Bundle.State.VERIFIED, refused_because="")
    bundle.refresh_from_db()
    return bundle


def create_release(*, bundles: Sequence[Bundle], version: str | None = None, notes: str = "") -> Release:
    """Draft a release of these bundles; without a version it gets today's date and the next number.

    Raises:
        ReleaseIncomplete: no bundles, two of one variant, a refused one, or bundles of different contracts.
        StateConflict: the version is taken.
    """
    _check_set(bundles)
    for _ in range(10):
        chosen = version or _next_version()
        try:
            with transaction.atomic():
                release = Release.objects.create(version=chosen, notes=notes)
                release.bundles.set(bundles)
        except IntegrityError:
            if version:
                break
            continue  # another draft took the number in between
        return release
    raise StateConflict(
        f"There is a release {chosen} already. Choose another version, or none for the next one."
    )


def approve_release(*, release: Release) -> Release:
    """Fix a draft's bundles for good, so that it can be rolled out.

    Raises:
        ReleaseIncomplete: it lacks the server's model, or its bundles do not belong together.
        ReleaseNotDraft: it is not a draft.
    """
    bundles = list(release.bundles.all())
    _check_set(bundles)
    if not any(bundle.variant == SERVER_VARIANT for bundle in bundles):
        raise ReleaseIncomplete(
            f"Release {release.version} has no {SERVER_VARIANT} bundle; server and phones must forecast with "
            "one generation. Draft a release that has one."
        )
    if not _move(release, [Release.State.DRAFT], Release.State.APPROVED):
        raise ReleaseNotDraft(f"Release {release.version} is {release.state}; only a draft can be approved.")
    return release


def start_rollout(*, release: Release, channel: Channel | str, basis_points: int = EVERYONE) -> Rollout:
    """Offer a release to a share of a channel.

    To everyone: it takes the place of whatever the channel offered. To a share: it stands in front of the
    release that everyone has. Rolling back is this too: an older release gets a new, higher counter.

    Raises:
        ParameterInvalid: the share is not 1 to 10000 basis points.
        UnknownChannel: no channel has this name.
        ReleaseNotApproved: the release was never approved, or was withdrawn.
    """
    _check_share(basis_points)
    with transaction.atomic():
        audience = _locked_channel(channel)
        release.refresh_from_db()
        if not _move(release, ROLLED_OUT, Release.State.LIVE):
            raise ReleaseNotApproved(
                f"Release {release.version} is {release.state}; approved, live and superseded ones can be "
                "rolled out. Approve it first, or choose another."
            )
        _replace(audience, release, basis_points)
        newest = audience.rollouts.aggregate(counter=Max("release_counter"))["counter"]
        return Rollout.objects.create(
            channel=audience,
            release=release,
            basis_points=basis_points,
            salt=token_hex(8),
            release_counter=(newest or 0) + 1,
        )


def widen_rollout(*, rollout: Rollout, basis_points: int) -> Rollout:
    """Offer a release to a larger share; every device that had it keeps its place.

    Raises:
        ParameterInvalid: the share is not larger, or over 10000.
        RolloutNotActive: the rollout was halted or replaced.
    """
    _check_share(basis_points)
    with transaction.atomic():
        _locked_channel(rollout.channel)
        rollout.refresh_from_db()
        if rollout.state != Rollout.State.ACTIVE:
            raise RolloutNotActive(_not_active(rollout))
        if basis_points <= rollout.basis_points:
            raise ParameterInvalid(
                f"basis_points: {basis_points} was given; allowed is more than the {rollout.basis_points} of "
                "now. To offer it to fewer, halt this rollout and start another."
            )
        _replace(rollout.channel, rollout.release, basis_points, keep=rollout)
        Rollout.objects.filter(pk=rollout.pk).update(basis_points=basis_points, state_changed_at=now())
        rollout.refresh_from_db()
    return rollout


def halt_rollout(*, rollout: Rollout, reason: str) -> Rollout:
    """Stop offering the release; devices that installed it keep it.

    Raises:
        RolloutNotActive: it was halted or replaced before.
    """
    with transaction.atomic():
        _locked_channel(rollout.channel)
        active = Rollout.objects.filter(pk=rollout.pk, state=Rollout.State.ACTIVE)
        halted = active.update(state=Rollout.State.HALTED, halt_reason=reason, state_changed_at=now())
        rollout.refresh_from_db()
        if not halted:
            raise RolloutNotActive(_not_active(rollout))
        _settle([rollout.release_id])
    return rollout


def withdraw_release(*, release: Release, reason: str = "") -> Release:
    """Take a release off every channel, for good; it cannot be rolled out again.

    Raises:
        StateConflict: it was withdrawn before.
    """
    with transaction.atomic():
        others = [state for state in Release.State if state != Release.State.WITHDRAWN]
        if not _move(release, others, Release.State.WITHDRAWN, withdrawn_because=reason):
            raise StateConflict(f"Release {release.version} is withdrawn already.")
        active = Rollout.objects.filter(release=release, state=Rollout.State.ACTIVE)
        active.update(
            state=Rollout.State.HALTED,
            halt_reason=f"Release withdrawn. {reason}".strip(),
            state_changed_at=now(),
        )
    return release


def _checked_archive(path: Path) -> Archive:
    verification.verify_archive(path)
    try:
        archive = open_bundle(path)
    except PackagerError as error:
        raise BundleRefused(str(error)) from error
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


def _intact(bundle: Bundle) -> Path:
    path = storage.blob_path(bundle.sha256)
    if not path.is_file() or storage.digest_of(path) != bundle.sha256:
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


def _write_row(blob: storage.StagedBlob, archive: Archive) -> Bundle:
    manifest = dict(archive.manifest)
    bundle, created = Bundle.objects.update_or_create(
        sha256=blob.sha256,
        defaults={
            "size": blob.size,
            "wire_sha256": blob.wire_sha256,
            "wire_size": blob.wire_size,
            "name": manifest["name"],
            "variant": manifest["variant"],
            "format": archive.format,
            "platforms": platforms_of(manifest["variant"], archive.format),
            "contract_sha256": archive.contract.digest,
            "manifest": manifest,
            "state": Bundle.State.VERIFIED,
            "refused_because": "",
        },
    )
    logger.info("%s bundle %s", "Registered" if created else "Registered again", bundle)
    return bundle


def _check_set(bundles: Sequence[Bundle]) -> None:
    variants = [bundle.variant for bundle in bundles]
    twice = sorted({variant for variant in variants if variants.count(variant) > 1})
    refused = [str(bundle) for bundle in bundles if bundle.state != Bundle.State.VERIFIED]
    problems = {
        "A release needs at least one bundle; none was given.": not bundles,
        f"A release has one bundle per variant; {', '.join(twice)} came twice.": bool(twice),
        f"A release holds verified bundles only; refused are {', '.join(refused)}.": bool(refused),
        "The bundles are for different contracts; a release serves one.": len(
            {b.contract_sha256 for b in bundles}
        )
        > 1,
    }
    for sentence, wrong in problems.items():
        if wrong:
            raise ReleaseIncomplete(f"{sentence} Choose the bundles again.")


def _next_version() -> str:
    today = f"{now():%Y.%m.%d}-"
    numbers = [
        int(version.removeprefix(today))
        for version in Release.objects.filter(version__startswith=today).values_list("version", flat=True)
        if version.removeprefix(today).isdecimal()
    ]
    return f"{today}{max(numbers, default=0) + 1}"


def _check_share(basis_points: int) -> None:
    if not 1 <= basis_points <= EVERYONE:
        raise ParameterInvalid(
            f"basis_points: {basis_points} was given; allowed are 1 to {EVERYONE}, which is everyone."
        )


def _locked_channel(channel: Channel | str) -> Channel:
    """The channel's row, locked: two rollouts of one channel must not get one counter."""
    wanted = Q(name=channel) if isinstance(channel, str) else Q(pk=channel.pk)
    found = Channel.objects.select_for_update().filter(wanted).first()
    if found is None:
        names = ", ".join(Channel.objects.values_list("name", flat=True))
        raise UnknownChannel(f"channel: {str(channel)!r} was given; allowed are {names or 'none yet'}.")
    return found


def _replace(channel: Channel, release: Release, basis_points: int, keep: Rollout | None = None) -> None:
    """Complete the rollouts that this one takes the place of; only a full one survives a staged one."""
    replaced = channel.rollouts.filter(state=Rollout.State.ACTIVE)
    if basis_points < EVERYONE:
        replaced = replaced.filter(Q(basis_points__lt=EVERYONE) | Q(release=release))
    if keep is not None:
        replaced = replaced.exclude(pk=keep.pk)
    releases = list(replaced.exclude(release=release).values_list("release_id", flat=True))
    replaced.update(state=Rollout.State.COMPLETE, state_changed_at=now())
    _settle(releases)


def _settle(release_ids: Sequence[int]) -> None:
    """Mark live releases that no rollout offers any more."""
    live = Release.objects.filter(pk__in=release_ids, state=Release.State.LIVE)
    live.exclude(rollouts__state=Rollout.State.ACTIVE).update(
        state=Release.State.SUPERSEDED, state_changed_at=now()
    )


def _move(release: Release, before: Sequence[str], after: str, **fields: str) -> bool:
    """Change a release's state if it is one of `before`; says whether it was, and refreshes the row."""
    moved = Release.objects.filter(pk=release.pk, state__in=before)
    changed = moved.update(state=after, state_changed_at=now(), **fields)
    release.refresh_from_db()
    return bool(changed)


def _not_active(rollout: Rollout) -> str:
    return f"The rollout of {rollout} is {rollout.state}; only an active one can be widened or halted."
