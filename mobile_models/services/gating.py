"""The release gate on rows: what a release is held against, and who may pass it all the same."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from mobile_models.errors import GateFailed, NoLiveRelease, NotPermitted
from mobile_models.gate import Limits, Measured, judge
from mobile_models.models import DEFAULT_CHANNEL, Release, Rollout
from mobile_models.selectors import live_release

OVERRIDE = "mobile_models.override_gate"


def judge_release(release: Release) -> dict[str, Any]:
    """Hold a release against the one that is live now: `passed`, and the figures behind it."""
    live = _reference()
    limits = Limits(**settings.RELEASE_GATE)
    result = judge(_measured(release), _measured(live) if live else [], limits)
    return {"live": live.version if live else None, "limits": asdict(limits), **result.document()}


def pass_gate(release: Release, gate: dict[str, Any], *, by: User | None, override_reason: str) -> str:
    """Refuse a release whose gate fails, unless somebody who may override it says why; gives that reason.

    Raises:
        GateFailed: no reason was given.
        NotPermitted: the system, or a person without the permission, gave one.
    """
    if gate["passed"]:
        return ""
    if not override_reason.strip():
        raise GateFailed(
            f"Release {release.version} fails the gate against {gate['live']}. {' '.join(gate['failures'])} "
            "Improve it, or have somebody who may override the gate approve it with a reason."
        )
    if by is None or not by.has_perm(OVERRIDE):
        raise NotPermitted(
            f"{by or 'The system'} may not override the gate; that takes a person with the permission "
            f"{OVERRIDE}. Release {release.version}: {' '.join(gate['failures'])}"
        )
    return override_reason.strip()


def _reference() -> Release | None:
    """What is live. Where nothing is: what was offered last, in the channel of all before the others.

    A release that was withdrawn comes last: taking away what is live does not open the gate.
    """
    try:
        return live_release()
    except NoLiveRelease:
        begun = Rollout.objects.exclude(state=Rollout.State.SCHEDULED).select_related("channel", "release")
        return max(begun, key=_nearness).release if begun else None


def _nearness(rollout: Rollout) -> tuple[bool, bool, int]:
    withdrawn = rollout.release.state == Release.State.WITHDRAWN
    return rollout.channel.name == DEFAULT_CHANNEL, not withdrawn, rollout.pk


def _measured(release: Release) -> list[Measured]:
    return [
        Measured(
            variant=bundle.variant, format=bundle.format, manifest=bundle.manifest, wire_size=bundle.wire_size
        )
        for bundle in release.bundles.order_by("variant")
    ]
