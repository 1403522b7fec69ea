"""The console's first page: what is live, what goes on, what waits, what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from mobile_models import alarms
from mobile_models.admin import figures
from mobile_models.admin.figures import Fares
from mobile_models.admin_base import bar
from mobile_models.device import PLATFORMS
from mobile_models.models import AuditEntry, Channel, Release, Rollout
from mobile_models.rollout import EVERYONE
from mobile_models.transitions import OPEN

LAST_STEPS = 8


@dataclass(frozen=True)
class Going:
    """A rollout that goes on, with how it fares."""

    rollout: Rollout
    bar: SafeString
    stage: str
    conditions: str
    fares: Fares


@dataclass(frozen=True)
class ChannelLine:
    """What a channel offers to each platform: the version that everyone has."""

    channel: Channel
    cells: Sequence[Rollout | None]


def callback(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the page shows, of what the person may see."""
    user = request.user
    shown: dict[str, Any] = {"platforms": list(PLATFORMS), "alarms": alarms.current()}
    if user.has_perm("mobile_models.view_rollout"):
        rollouts = list(open_rollouts())
        staged = [rollout for rollout in rollouts if is_going(rollout)]
        fares = figures.of_rollouts(staged)
        shown["going"] = [
            Going(
                rollout,
                bar(rollout.basis_points / 100, f"{rollout.basis_points / 100:g} %", "Share of the channel"),
                figures.stage_line(rollout),
                figures.conditions_line(rollout.conditions),
                fares[rollout.pk],
            )
            for rollout in staged
        ]
        shown["channels"] = [_line(channel, rollouts) for channel in Channel.objects.all()]
    if user.has_perm("mobile_models.view_release"):
        shown["waiting"] = list(waiting_releases())
    if user.has_perm("mobile_models.view_auditentry"):
        shown["steps"] = list(AuditEntry.objects.all()[:LAST_STEPS])
    return {**context, **shown, "title": "Delivery"}


def open_rollouts() -> QuerySet[Rollout]:
    """Everything that is offered, or will be, newest first; with the platforms of its bundles."""
    rows = Rollout.objects.filter(state__in=OPEN).select_related("release", "channel")
    return rows.prefetch_related("release__bundles").order_by("channel__name", "-release_counter")


def waiting_releases() -> QuerySet[Release]:
    """Releases that wait for a second person."""
    waiting = Release.objects.filter(state=Release.State.IN_REVIEW)
    return waiting.select_related("made_by", "submitted_by").order_by("state_changed_at")


def is_going(rollout: Rollout) -> bool:
    """Whether somebody should watch it: it is staged, paused, or has not begun."""
    return rollout.state != Rollout.State.ACTIVE or rollout.basis_points < EVERYONE


def _line(channel: Channel, rollouts: Sequence[Rollout]) -> ChannelLine:
    own = [r for r in rollouts if r.channel_id == channel.pk and not is_going(r)]
    return ChannelLine(channel, [next((r for r in own if _reaches(r, p)), None) for p in PLATFORMS])


def _reaches(rollout: Rollout, platform: str) -> bool:
    wanted = rollout.conditions.get("platforms")
    return (not wanted or platform in wanted) and any(
        platform in bundle.platforms for bundle in rollout.release.bundles.all()
    )
