"""What is offered, read from the rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Max, Prefetch, Q, QuerySet

from mobile_models import storage
from mobile_models.errors import (
    BundleRevoked,
    NoLiveRelease,
    ParameterInvalid,
    ReleaseIncomplete,
    UnknownChannel,
    UnknownDigest,
)
from mobile_models.models import CHANNEL_NAME, DEFAULT_CHANNEL, Bundle, Channel, Delta, Release, Rollout
from mobile_models.rollout import EVERYONE
from packager.contract import Contract, contract_with_guidance, reference_contract

SHA256 = re.compile(r"[0-9a-f]{64}")
SERVER_VARIANT = "server_fp32"
# The contracts of each model that this server serves inputs for, by the name that the API uses.
MODELS = {"point": (reference_contract, contract_with_guidance)}


# What devices are told of: a paused rollout is for those that have it.
OFFERED = (Rollout.State.ACTIVE, Rollout.State.PAUSED)

# Rollouts that may have put a release on devices.
BEGUN = [state for state in Rollout.State if state != Rollout.State.SCHEDULED]
# Who is further behind downloads the whole.
DELTA_BASES = 5


@dataclass(frozen=True, slots=True)
class Offer:
    """What a channel offers: rollouts newest first, their bundles by the release's key, what is revoked."""

    channel: Channel
    rollouts: Sequence[Rollout]
    bundles: dict[int, list[Bundle]]
    revoked: Sequence[Bundle]


def served_contracts() -> dict[str, Contract]:
    """The contracts that this server serves inputs for, by digest."""
    contracts = [read() for readers in MODELS.values() for read in readers]
    return {contract.digest: contract for contract in contracts}


def offer_of(channel: str) -> Offer:
    """All that a channel offers, which may be nothing. Four queries; a fifth where it is nothing.

    Raises:
        ParameterInvalid: the name cannot be a channel's.
        UnknownChannel: no channel has this name; lists those that exist.
    """
    rollouts = _open_rollouts(channel)
    return Offer(
        channel=rollouts[0].channel if rollouts else named_channel(channel),
        rollouts=rollouts,
        bundles=offered_bundles([rollout.release for rollout in rollouts]),
        revoked=list(Bundle.objects.filter(revocation__isnull=False).only("sha256", "platforms")),
    )


def offered_rollouts(channel: str = DEFAULT_CHANNEL) -> list[Rollout]:
    """What a channel offers, newest first: perhaps staged rollouts, then the one that everyone may have.

    One query. An older rollout behind one for everyone is not offered.

    Raises:
        ParameterInvalid, UnknownChannel: as `offer_of`.
        NoLiveRelease: the channel offers nothing.
    """
    rollouts = _open_rollouts(channel)
    if not rollouts:
        named_channel(channel)
        raise nothing_offered(channel)
    return rollouts


def live_release(channel: str = DEFAULT_CHANNEL) -> Release:
    """The release that most of a channel runs and the server forecasts with: not a staged one.

    Raises:
        UnknownChannel, NoLiveRelease: as `offered_rollouts`.
    """
    rollouts = offered_rollouts(channel)
    return next((rollout for rollout in rollouts if _is_for_everyone(rollout)), rollouts[-1]).release


def offered_bundles(releases: list[Release]) -> dict[int, list[Bundle]]:
    """The verified bundles of each release with the deltas to them, by the release's key. Two queries."""
    deltas = Delta.objects.filter(offered=True).select_related("base").order_by("-pk")
    deltas = deltas.only("target_id", "kind", "size", "sha256", "base__sha256")
    links = (
        Release.bundles.through.objects.filter(release__in=releases, bundle__state=Bundle.State.VERIFIED)
        .select_related("bundle")
        .prefetch_related(Prefetch("bundle__deltas_to", queryset=deltas))
    )
    found: dict[int, list[Bundle]] = {release.pk: [] for release in releases}
    for link in links.order_by("bundle__variant"):
        found[link.release_id].append(link.bundle)
    return found


def named_channel(name: str) -> Channel:
    """The channel with this name.

    Raises:
        UnknownChannel: there is none; lists those that exist.
    """
    channels = {channel.name: channel for channel in Channel.objects.all()}
    if name not in channels:
        raise UnknownChannel(f"channel: {name!r} was given; allowed are {', '.join(channels) or 'none yet'}.")
    return channels[name]


def server_bundle(release: Release) -> Bundle:
    """The bundle that the server itself forecasts with.

    Raises:
        ReleaseIncomplete: the release has none.
    """
    usable = release.bundles.filter(state=Bundle.State.VERIFIED, revocation__isnull=True)
    found = usable.filter(variant=SERVER_VARIANT).first()
    if found is None:
        raise ReleaseIncomplete(
            f"Release {release.version} has no verified {SERVER_VARIANT} bundle; the server cannot forecast. "
            "Roll out a release that has one."
        )
    return found


def known_bundles() -> QuerySet[Bundle]:
    """All bundles, with what is needed to see whether they may be sent."""
    return Bundle.objects.select_related("revocation")


def stored_bundle(sha256: str) -> Bundle:
    """The bundle with this digest, if it may be sent. One query; none for what is no digest.

    Raises:
        UnknownDigest: it is no digest, or no verified bundle has it.
        BundleRevoked: no device may run it any more.
    """
    is_digest = SHA256.fullmatch(sha256)
    return sendable(known_bundles().filter(sha256=sha256).first() if is_digest else None, sha256)


def bundle_or_carded(sha256: str) -> Bundle | None:
    """The bundle that a digest is of, or whose model card it is of. One query; none for what is no digest.

    A card is told of a revoked bundle too: people read it to learn what was wrong.
    """
    if not SHA256.fullmatch(sha256):
        return None
    shown = Q(state=Bundle.State.VERIFIED) | Q(revocation__isnull=False)
    return known_bundles().filter(Q(sha256=sha256) | Q(card_sha256=sha256) & shown).first()


def sendable(bundle: Bundle | None, sha256: str) -> Bundle:
    """The bundle that was found for a digest, if it may be sent.

    Raises:
        UnknownDigest, BundleRevoked: as `stored_bundle`.
    """
    if bundle is not None and hasattr(bundle, "revocation"):
        raise BundleRevoked(
            f"Bundle {sha256} was revoked: {bundle.revocation.reason.rstrip('. ')}. Fall back to the last "
            "good one, and ask the catalog at /v1/catalog what is on offer."
        )
    if bundle is None or bundle.state != Bundle.State.VERIFIED:
        seen = f"No bundle has the digest {sha256}."
        if not SHA256.fullmatch(sha256):
            seen = f"{sha256[:80]!r} is not a digest; allowed are 64 lower-case hexadecimal digits."
        raise UnknownDigest(f"{seen} The catalog at /v1/catalog lists those on offer.")
    return bundle


def offered_delta(sha256: str, base: str, kind: str) -> Delta | None:
    """The patch of a kind that makes one bundle out of another, if it is offered. At most one query."""
    if not (SHA256.fullmatch(sha256) and SHA256.fullmatch(base)):
        return None
    offered = Delta.objects.filter(offered=True, kind=kind)
    return (
        offered.filter(target__sha256=sha256, base__sha256=base).select_related("target__revocation").first()
    )


def verified_bundles() -> QuerySet[Bundle]:
    """The bundles that devices may run."""
    return Bundle.objects.filter(state=Bundle.State.VERIFIED, revocation__isnull=True)


def bases_of(bundle: Bundle) -> QuerySet[Bundle]:
    """The bundles of this variant that phones come from: the last five that were rolled out before it.

    Newest first. What other channels get afterwards is no base: else one that stays on offer would gather
    patches without end.
    """
    begun = Rollout.objects.filter(release__bundles=bundle, state__in=BEGUN)
    last = begun.aggregate(started=Max("started"))["started"]
    others = verified_bundles().filter(name=bundle.name, variant=bundle.variant)
    released = others.exclude(pk=bundle.pk).filter(releases__rollouts__state__in=BEGUN)
    released = released.annotate(rolled_out=Max("releases__rollouts__started")).order_by("-rolled_out")
    return (released.filter(rolled_out__lt=last) if last else released)[:DELTA_BASES]


def rolled_out_bundles() -> QuerySet[Bundle]:
    """The bundles that phones download now or soon."""
    soon = [Rollout.State.SCHEDULED, *OFFERED]
    bundles = verified_bundles().filter(releases__rollouts__state__in=soon)
    return bundles.exclude(variant=SERVER_VARIANT).distinct()


def blob_path(sha256: str) -> Path:
    """The file of a stored bundle's archive.

    Raises:
        UnknownDigest: the store does not hold it.
    """
    path = storage.blob_path(sha256) if SHA256.fullmatch(sha256) else None
    if path is None or not path.is_file():
        raise UnknownDigest(f"The store holds no blob {sha256[:80]!r}. Register its bundle again.")
    return path


def nothing_offered(channel: str) -> NoLiveRelease:
    """What to say of a channel without a release."""
    return NoLiveRelease(
        f"Channel {channel} offers no release. Approve a release and start a rollout of it to this channel."
    )


def _open_rollouts(channel: str) -> list[Rollout]:
    if not re.fullmatch(CHANNEL_NAME, channel):
        raise ParameterInvalid(
            f"channel: {channel[:60]!r} was given; allowed are at most 40 lower-case letters, digits and "
            "dashes, a letter first."
        )
    offered = Rollout.objects.filter(channel__name=channel, state__in=OFFERED)
    rollouts = list(offered.select_related("channel", "release").order_by("-release_counter"))
    full = [position for position, rollout in enumerate(rollouts) if _is_for_everyone(rollout)]
    return rollouts[: full[0] + 1] if full else rollouts


def _is_for_everyone(rollout: Rollout) -> bool:
    return rollout.basis_points == EVERYONE and not rollout.conditions
