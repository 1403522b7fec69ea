"""What the API says about what is offered beside the catalogs. Pure."""

from collections.abc import Mapping
from typing import Any

from mobile_models.catalog import bundle_url, encodings_of
from mobile_models.device import Device
from mobile_models.errors import DeliveryError, NoBundleForDevice
from mobile_models.models import Bundle
from mobile_models.rollout import EVERYONE
from mobile_models.selectors import Offer, nothing_offered
from mobile_models.targeting import Decision, decide, precision_of


def resolved(offer: Offer, catalog: Mapping[str, Any], device: Device) -> dict[str, Any]:
    """The answer for a device inside every share, and under `otherwise` for one outside all of them.

    Args:
        offer: what the channel offers.
        catalog: the same as a document for the device's platform, as phones see it.
        device: who asks.

    Raises:
        NoLiveRelease: the channel offers nothing.
        NoBundleForDevice: nothing on offer runs on it.
    """
    if not offer.rollouts:
        raise _empty_handed(nothing_offered(offer.channel.name), catalog)
    inside = decide(catalog, device, bucket=None)
    if inside.bundle is None:
        error = NoBundleForDevice(
            f"There is no bundle for this device. {inside.reason} Keep the model that you have unless "
            "`revoked` names it, or ask for a forecast instead."
        )
        raise _empty_handed(error, catalog)
    # The last place of all is inside a share of everyone only.
    outside = decide(catalog, device, bucket=lambda _: EVERYONE - 1)
    staged = outside.release_counter != inside.release_counter
    return {
        **_answer(inside, offer),
        "otherwise": _answer(outside, offer) if staged and outside.bundle else None,
        "revoked": catalog["revoked"],
    }


def overview(offer: Offer) -> dict[str, Any]:
    """Every release on offer in a channel with its bundles for all platforms, newest first."""
    return {
        "channel": offer.channel.name,
        "releases": [
            {
                "release": rollout.release.version,
                "release_counter": rollout.release_counter,
                "state": rollout.state,
                "rollout": {"salt": rollout.salt, "basis_points": rollout.basis_points},
                "conditions": rollout.conditions,
                "bundles": [_described(bundle) for bundle in offer.bundles[rollout.release_id]],
            }
            for rollout in offer.rollouts
        ],
    }


def _empty_handed(error: DeliveryError, catalog: Mapping[str, Any]) -> DeliveryError:
    """An answer without a bundle, which stops those that run a revoked one all the same."""
    error.members = {"revoked": catalog["revoked"]}
    return error


def _described(bundle: Bundle) -> dict[str, Any]:
    """One bundle, whatever the platform."""
    return {
        "name": bundle.name,
        "variant": bundle.variant,
        "format": bundle.format,
        "precision": precision_of(bundle.variant),
        "platforms": bundle.platforms,
        "size": bundle.size,
        "sha256": bundle.sha256,
        "encodings": encodings_of(bundle),
        "contract": bundle.contract,
        "engine_min": bundle.engine_min,
        "url": bundle_url(bundle.sha256),
    }


def _answer(decision: Decision, offer: Offer) -> dict[str, Any]:
    entry = decision.bundle or {}
    rollout = next(one for one in offer.rollouts if one.release_counter == decision.release_counter)
    row = next(one for one in offer.bundles[rollout.release_id] if one.sha256 == entry["sha256"])
    return {
        "release": decision.release,
        "release_counter": decision.release_counter,
        "rollout": {"salt": rollout.salt, "basis_points": rollout.basis_points},
        "bundle": {**_described(row), **entry},
        "url": entry["url"],
        "reason": decision.reason,
    }
