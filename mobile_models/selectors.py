"""What is offered, read from the rows."""

import re
from pathlib import Path

from mobile_models import storage
from mobile_models.device import PLATFORMS, parse_version
from mobile_models.errors import (
    NoLiveRelease,
    ParameterInvalid,
    ReleaseIncomplete,
    UnknownChannel,
    UnknownDigest,
)
from mobile_models.models import CHANNEL_NAME, DEFAULT_CHANNEL, Bundle, Channel, Release, Rollout
from mobile_models.rollout import EVERYONE
from mobile_models.targeting import Candidate
from packager.contract import Contract, contract_with_guidance, reference_contract

SHA256 = re.compile(r"[0-9a-f]{64}")
SERVER_VARIANT = "server_fp32"
# The contracts of each model that this server serves inputs for, by the name that the API uses.
MODELS = {"point": (reference_contract, contract_with_guidance)}


def served_contracts() -> dict[str, Contract]:
    """The contracts that this server serves inputs for, by digest."""
    contracts = [read() for readers in MODELS.values() for read in readers]
    return {contract.digest: contract for contract in contracts}


def offered_rollouts(channel: str = DEFAULT_CHANNEL) -> list[Rollout]:
    """What a channel offers, newest first: perhaps a staged rollout, then the one that everyone may have.

    One query. An older rollout behind a full one is not offered.

    Raises:
        ParameterInvalid: the name cannot be a channel's.
        UnknownChannel: no channel has this name; lists those that exist.
        NoLiveRelease: the channel offers nothing.
    """
    if not re.fullmatch(CHANNEL_NAME, channel):
        raise ParameterInvalid(
            f"channel: {channel[:60]!r} was given; allowed are at most 40 lower-case letters, digits and "
            "dashes, a letter first."
        )
    active = Rollout.objects.filter(channel__name=channel, state=Rollout.State.ACTIVE).select_related(
        "release"
    )
    rollouts = list(active.order_by("-release_counter"))
    if not rollouts:
        raise _nothing_offered(channel)
    full = [position for position, rollout in enumerate(rollouts) if rollout.basis_points == EVERYONE]
    return rollouts[: full[0] + 1] if full else rollouts


def live_release(channel: str = DEFAULT_CHANNEL) -> Release:
    """The release that most of a channel runs and the server forecasts with: not the staged one of two.

    Raises:
        UnknownChannel, NoLiveRelease: as `offered_rollouts`.
    """
    return offered_rollouts(channel)[-1].release


def offered_bundles(releases: list[Release]) -> dict[int, list[Bundle]]:
    """The verified bundles of each release, by the release's key. One query."""
    links = Release.bundles.through.objects.filter(
        release__in=releases, bundle__state=Bundle.State.VERIFIED
    ).select_related("bundle")
    found: dict[int, list[Bundle]] = {release.pk: [] for release in releases}
    for link in links.order_by("bundle__variant"):
        found[link.release_id].append(link.bundle)
    return found


def server_bundle(release: Release) -> Bundle:
    """The bundle that the server itself forecasts with.

    Raises:
        ReleaseIncomplete: the release has none.
    """
    found = release.bundles.filter(variant=SERVER_VARIANT, state=Bundle.State.VERIFIED).first()
    if found is None:
        raise ReleaseIncomplete(
            f"Release {release.version} has no verified {SERVER_VARIANT} bundle; the server cannot forecast. "
            "Roll out a release that has one."
        )
    return found


def stored_bundle(sha256: str) -> Bundle:
    """The bundle with this digest. One query.

    Raises:
        UnknownDigest: it is no digest, or no verified bundle has it.
    """
    if not SHA256.fullmatch(sha256):
        raise UnknownDigest(
            f"{sha256[:80]!r} is not a digest; allowed are 64 lower-case hexadecimal digits. "
            "The catalog at /v1/catalog lists those on offer."
        )
    bundle = Bundle.objects.filter(sha256=sha256, state=Bundle.State.VERIFIED).first()
    if bundle is None:
        raise UnknownDigest(
            f"No bundle has the digest {sha256}. The catalog at /v1/catalog lists those on offer."
        )
    return bundle


def candidate(bundle: Bundle) -> Candidate:
    """What targeting needs to know of a bundle."""
    minimums = {platform: parse_version(str(bundle.engine_min.get(platform, ""))) for platform in PLATFORMS}
    return Candidate(
        sha256=bundle.sha256,
        variant=bundle.variant,
        format=bundle.format,
        platforms=tuple(bundle.platforms),
        wire_size=bundle.wire_size,
        os_min={platform: version for platform, version in minimums.items() if version is not None},
    )


def blob_path(sha256: str) -> Path:
    """The file of a stored bundle's archive.

    Raises:
        UnknownDigest: the store does not hold it.
    """
    path = storage.blob_path(sha256)
    if not SHA256.fullmatch(sha256) or not path.is_file():
        raise UnknownDigest(f"The store holds no blob {sha256[:80]!r}. Register its bundle again.")
    return path


def _nothing_offered(channel: str) -> NoLiveRelease | UnknownChannel:
    names = list(Channel.objects.values_list("name", flat=True))
    if channel not in names:
        return UnknownChannel(
            f"channel: {channel!r} was given; allowed are {', '.join(names) or 'none yet'}."
        )
    return NoLiveRelease(
        f"Channel {channel} offers no release. Approve a release and start a rollout of it to this channel."
    )
