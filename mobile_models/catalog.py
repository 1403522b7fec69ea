"""The catalog: what a channel offers to a platform, as the document that is signed.

There is no clock in it: equal rows give equal bytes.
"""

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path
from typing import Any

from mobile_models import selectors
from mobile_models.conditions import parse_conditions
from mobile_models.device import parse_platform
from mobile_models.models import Bundle, Delta, Rollout
from mobile_models.policy import parse_policy
from mobile_models.signing import store
from mobile_models.signing.files import described
from mobile_models.signing.roles import bundle_path
from mobile_models.versions import parse_version

SCHEMA = Path(__file__).parent / "schemas" / "catalog.schema.json"
# Phones refuse a catalog with more to one bundle; the newest are kept.
MOST_DELTAS = 20
# Addresses are written here and not reversed: what is signed must not depend on who builds it.
REPORTS = {"url": "/v1/reports", "token_url": "/v1/reports/token"}


def build_catalog(channel: str, platform: str) -> dict[str, Any]:
    """The catalog of a channel for a platform. Five queries.

    Raises:
        ParameterInvalid: the platform is unknown, or the name cannot be a channel's.
        UnknownChannel: no channel has this name; lists those that exist.
    """
    return takeable(selectors.offer_of(channel), parse_platform(platform))


@cache
def schema() -> Mapping[str, Any]:
    """The JSON Schema (2020-12) that every catalog meets."""
    read: dict[str, Any] = json.loads(SCHEMA.read_text())
    return read


def document(offer: selectors.Offer, platform: str) -> dict[str, Any]:
    """A catalog from rows that were read."""
    releases = (_release(rollout, offer, platform) for rollout in offer.rollouts)
    return {
        "catalog": 1,
        "channel": offer.channel.name,
        "platform": platform,
        "releases": [release for release in releases if release["bundles"]],
        "policy": parse_policy(offer.channel.policy),
        "revoked": sorted(bundle.sha256 for bundle in offer.revoked if platform in bundle.platforms),
        "reports": REPORTS,
    }


def takeable(offer: selectors.Offer, platform: str) -> dict[str, Any]:
    """A catalog as it is signed: where there is a repository, what its offline keys signed. One query."""
    catalog = document(offer, platform)
    signed = store.newest_targets(platform)
    return catalog if signed is None else only_signed(catalog, set(signed.targets))[0]


def only_signed(catalog: Mapping[str, Any], signed: AbstractSet[str]) -> tuple[dict[str, Any], list[str]]:
    """A catalog without the bundles that no offline key signed, and their digests. Pure."""
    left_out = []
    releases = []
    for release in catalog["releases"]:
        kept = [bundle for bundle in release["bundles"] if bundle["target"] in signed]
        left_out += [bundle["sha256"] for bundle in release["bundles"] if bundle["target"] not in signed]
        releases.append({**release, "bundles": kept})
    return {**catalog, "releases": [release for release in releases if release["bundles"]]}, left_out


def bundle_url(sha256: str) -> str:
    """Where a bundle's bytes are."""
    return f"/v1/blobs/{sha256}"


def _release(rollout: Rollout, offer: selectors.Offer, platform: str) -> dict[str, Any]:
    """One release on offer; without bundles where it is not for the platform."""
    conditions = parse_conditions(rollout.conditions)
    revoked = {bundle.sha256 for bundle in offer.revoked}
    meant = not conditions.platforms or platform in conditions.platforms
    bundles = [
        _bundle(bundle, rollout, platform)
        for bundle in offer.bundles[rollout.release_id]
        if meant and platform in bundle.platforms and bundle.sha256 not in revoked
    ]
    return {
        "release": rollout.release.version,
        "release_counter": rollout.release_counter,
        "state": str(rollout.state),
        "rollout": {"salt": rollout.salt, "basis_points": rollout.basis_points},
        "conditions": conditions.document(),
        "bundles": bundles,
    }


def _bundle(bundle: Bundle, rollout: Rollout, platform: str) -> dict[str, Any]:
    targeting = bundle.manifest.get("targeting", {})
    return {
        # The offline keys sign the same words, and a phone compares.
        **described(bundle, rollout.release.version),
        "release_counter": rollout.release_counter,
        "contract_version": bundle.contract["version"],
        "engine_min": bundle.engine_min,
        "os_min": _os_min(bundle, platform),
        "app_range": _app_range(targeting),
        "ram_min_mb": targeting.get("ram_min_mb"),
        "accelerators": sorted(targeting.get("accelerators", [])),
        "regions": sorted(targeting.get("regions", [])),
        "perf_class": sorted(targeting.get("perf_class", [])),
        "size": bundle.size,
        "sha256": bundle.sha256,
        "target": bundle_path(platform, bundle.sha256),
        "url": bundle_url(bundle.sha256),
        "encodings": encodings_of(bundle),
        "deltas": _deltas(bundle),
    }


def encodings_of(bundle: Bundle) -> dict[str, Any]:
    """Size and SHA-256 of each compressed form of a bundle."""
    return bundle.encodings or {"zstd": {"size": bundle.wire_size, "sha256": bundle.wire_sha256}}


def _os_min(bundle: Bundle, platform: str) -> str | None:
    oldest = str(bundle.engine_min.get(platform, ""))
    return oldest if parse_version(oldest) else None


def _app_range(targeting: Mapping[str, Any]) -> dict[str, Any] | None:
    given = targeting.get("app_range")
    return {"min": given.get("min"), "max": given.get("max")} if given else None


def _deltas(target: Bundle) -> list[dict[str, Any]]:
    """The ways to a bundle from older ones; the rows come newest first."""
    listed = [_delta(delta, target) for delta in target.deltas_to.all()[:MOST_DELTAS]]
    return sorted(listed, key=lambda delta: (delta["base"], delta["kind"]))


def _delta(delta: Delta, target: Bundle) -> dict[str, Any]:
    """How a device that has the base gets the target; dcz is negotiated at the bundle's own url."""
    common = {"base": delta.base.sha256, "kind": delta.kind, "size": delta.size}
    if delta.kind == Delta.Kind.DCZ:
        return common
    return {**common, "sha256": delta.sha256, "url": f"{bundle_url(target.sha256)}/delta/{delta.base.sha256}"}
