"""Releases: draft, submit, return, approve, withdraw."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from mobile_models import audit, transitions
from mobile_models.errors import ReleaseIncomplete, StateConflict
from mobile_models.models import DEFAULT_CHANNEL, Bundle, Release, Rollout
from mobile_models.selectors import SERVER_VARIANT
from mobile_models.services.gating import judge_release, pass_gate
from mobile_models.services.steps import change, locked_channel, locked_channels, recorded, step
from mobile_models.signing.publishing import publish_soon


def create_release(
    *, bundles: Sequence[Bundle], version: str | None = None, notes: str = "", by: User | None = None
) -> Release:
    """Draft a release of these bundles; without a version it gets today's date and the next number.

    Raises:
        ReleaseIncomplete: no bundles, two of one variant, a refused one, or bundles of different contracts.
        StateConflict: the version is taken.
        NotPermitted: the person may not draft releases.
    """
    transitions.check_permission(transitions.DRAFT, by)
    _check_set(bundles)
    for _ in range(10):
        chosen = version or _next_version()
        try:
            with transaction.atomic():
                return _draft(chosen, bundles, notes, by)
        except IntegrityError:
            if version:
                break  # else another draft took the number in between
    raise StateConflict(
        f"There is a release {chosen} already. Choose another version, or none for the next one."
    )


def submit_release(*, release: Release, by: User | None = None, reason: str = "") -> Release:
    """Hand a draft over for review; from now on its bundles are fixed.

    Raises:
        ReleaseIncomplete: it lacks the server's model, or its bundles do not belong together.
        NotPermitted, TransitionNotAllowed: as `transitions.check`.
    """
    with step(transitions.SUBMIT, release, by=by, reason=reason):
        check_complete(release)
        change(release, state=Release.State.IN_REVIEW, submitted_by=by, gate=judge_release(release))
    return release


def return_release(*, release: Release, reason: str, by: User | None = None) -> Release:
    """Send a release in review back to who drafted it.

    Raises:
        NotPermitted, TransitionNotAllowed, ParameterInvalid: as `transitions.check`.
    """
    with step(transitions.RETURN, release, by=by, reason=reason):
        change(release, state=Release.State.DRAFT, submitted_by=None)
    return release


def approve_release(
    *, release: Release, by: User | None = None, override_reason: str = "", reason: str = ""
) -> Release:
    """Let a reviewed release be rolled out, if it is not measurably worse than the one that is live now.

    Args:
        release: in review.
        by: who approves; two-person approval needs somebody who neither made nor submitted it.
        override_reason: why to approve it although the gate fails; for people who may override it.
        reason: anything else to keep in the audit log.

    Raises:
        GateFailed: the gate fails and no reason to override it was given.
        ReleaseIncomplete: it lacks the server's model, or its bundles do not belong together.
        NotPermitted, TransitionNotAllowed: as `transitions.check`.
    """
    with transaction.atomic():
        # What is live does not change between the comparison and the approval.
        locked_channel(DEFAULT_CHANNEL)
        told = " ".join(text for text in (override_reason.strip(), reason.strip()) if text)
        with step(transitions.APPROVE, release, by=by, reason=told):
            check_complete(release)
            gate = judge_release(release)
            overridden = pass_gate(release, gate, by=by, override_reason=override_reason)
            change(
                release,
                state=Release.State.APPROVED,
                approved_by=by,
                approved_at=now(),
                gate=gate,
                override_reason=overridden,
            )
    return release


def withdraw_release(*, release: Release, reason: str, by: User | None = None) -> Release:
    """Take a release off every channel, for good; it cannot be rolled out again.

    Raises:
        NotPermitted, TransitionNotAllowed, ParameterInvalid: as `transitions.check`.
    """
    with transaction.atomic():
        locked_channels()
        with step(transitions.WITHDRAW, release, by=by, reason=reason):
            change(release, state=Release.State.WITHDRAWN, withdrawn_because=reason)
            why = f"Release withdrawn. {reason}"
            for rollout in Rollout.objects.filter(release=release, state__in=transitions.OPEN):
                with recorded(transitions.HALT.name, rollout, by=by, reason=why):
                    change(rollout, state=Rollout.State.HALTED, halt_reason=why, next_stage_at=None)
        publish_soon()
    return release


def check_complete(release: Release) -> None:
    """Refuse a release that cannot be offered.

    Raises:
        ReleaseIncomplete: it lacks the server's model, or its bundles do not belong together.
    """
    bundles = list(release.bundles.all())
    _check_set(bundles)
    if not any(bundle.variant == SERVER_VARIANT for bundle in bundles):
        raise ReleaseIncomplete(
            f"Release {release.version} has no {SERVER_VARIANT} bundle; server and phones must forecast with "
            "one generation. Draft a release that has one."
        )


def _draft(version: str, bundles: Sequence[Bundle], notes: str, by: User | None) -> Release:
    release = Release.objects.create(version=version, notes=notes, made_by=by)
    release.bundles.set(bundles)
    audit.record(action=transitions.DRAFT.name, row=release, by=by, before={}, after=audit.snapshot(release))
    return release


def _check_set(bundles: Sequence[Bundle]) -> None:
    variants = [bundle.variant for bundle in bundles]
    twice = sorted({variant for variant in variants if variants.count(variant) > 1})
    refused = [str(bundle) for bundle in bundles if bundle.state != Bundle.State.VERIFIED]
    problems: dict[str, Any] = {
        "A release needs at least one bundle; none was given.": not bundles,
        f"A release has one bundle per variant; {', '.join(twice)} came twice.": twice,
        f"A release holds verified bundles only; refused are {', '.join(refused)}.": refused,
        "The bundles are for different contracts; a release serves one.": len(
            {bundle.contract_sha256 for bundle in bundles}
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
