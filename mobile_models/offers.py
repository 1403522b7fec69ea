"""What the API says about what is offered: plain documents from rows. Pure."""

from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from mobile_models.device import Device
from mobile_models.models import Bundle, Rollout
from mobile_models.selectors import candidate
from mobile_models.targeting import PRECISION_RANK, choose_bundle


def resolved(rollouts: Sequence[Rollout], bundles: dict[int, list[Bundle]], device: Device) -> dict[str, Any]:
    """The offer for a device, and under `otherwise` the one for a device outside the newest rollout's share.

    Raises:
        NoBundleForDevice: the newest release has nothing for it.
    """
    newest, *older = rollouts
    offer = _offer(newest, bundles[newest.release_id], device)
    offer["otherwise"] = _offer(older[-1], bundles[older[-1].release_id], device) if older else None
    return offer


def catalog(channel: str, rollouts: Sequence[Rollout], bundles: dict[int, list[Bundle]]) -> dict[str, Any]:
    """Every release on offer in a channel with its bundles, newest first."""
    return {
        "channel": channel,
        "releases": [
            {**_release(rollout), "bundles": [described(bundle) for bundle in bundles[rollout.release_id]]}
            for rollout in rollouts
        ],
    }


def described(bundle: Bundle) -> dict[str, Any]:
    """One bundle as the API shows it."""
    chosen = candidate(bundle)
    return {
        "name": bundle.name,
        "variant": bundle.variant,
        "format": bundle.format,
        "precision": chosen.precision if chosen.precision in PRECISION_RANK else None,
        "platforms": bundle.platforms,
        "size": bundle.size,
        "sha256": bundle.sha256,
        "encodings": {"zstd": {"size": bundle.wire_size, "sha256": bundle.wire_sha256}},
        "contract": bundle.contract,
        "engine_min": bundle.engine_min,
        "url": reverse("blob", args=[bundle.sha256]),
    }


def _offer(rollout: Rollout, bundles: Sequence[Bundle], device: Device) -> dict[str, Any]:
    by_digest = {bundle.sha256: bundle for bundle in bundles}
    chosen = choose_bundle([candidate(bundle) for bundle in bundles], device)
    bundle = described(by_digest[chosen.sha256])
    return {**_release(rollout), "bundle": bundle, "url": bundle["url"]}


def _release(rollout: Rollout) -> dict[str, Any]:
    return {
        "release": rollout.release.version,
        "release_counter": rollout.release_counter,
        "rollout": {"salt": rollout.salt, "basis_points": rollout.basis_points},
    }
