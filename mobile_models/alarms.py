"""What a release manager should look at now. Whoever can tell registers a source; nothing is stored."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.timezone import now

from mobile_models.errors import NotFound, ReleaseIncomplete
from mobile_models.models import Rollout
from mobile_models.rollout import EVERYONE
from mobile_models.selectors import live_release, server_bundle

# Beat looks every minute: what is due for so long waits for something else than the clock.
OVERDUE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing to look at; `url` is the page where something can be done about it."""

    kind: str
    severity: Literal["warning", "critical"]
    text: str
    url: str = ""


Source = Callable[[], Iterable[Alarm]]
SOURCES: list[Source] = []


def register(source: Source) -> Source:
    """Ask this source too, each time; a decorator. Registering twice asks once."""
    if source not in SOURCES:
        SOURCES.append(source)
    return source


def current() -> list[Alarm]:
    """Every alarm of now, the critical ones first."""
    found = [alarm for source in SOURCES for alarm in source()]
    return sorted(found, key=lambda alarm: (alarm.severity != "critical", alarm.kind, alarm.text))


@register
def stalled_rollouts() -> Iterable[Alarm]:
    """Rollouts that were forgotten at a share, that wait to become healthy, or that did not begin."""
    moment = now()
    still = moment - timedelta(hours=settings.ROLLOUT_STALLED_HOURS)
    forgotten = Q(basis_points__lt=EVERYONE, next_stage_at=None) | Q(state=Rollout.State.PAUSED)
    waiting = Q(state=Rollout.State.ACTIVE, next_stage_at__lt=moment - OVERDUE)
    rows = Rollout.objects.select_related("channel", "release").order_by("pk")
    open_rows = rows.filter(state__in=(Rollout.State.ACTIVE, Rollout.State.PAUSED))
    for rollout in open_rows.filter(forgotten, state_changed_at__lt=still):
        yield _stalled(
            rollout,
            f"is {rollout.state} since {rollout.state_changed_at:%d %b %H:%M} UTC. Widen it, or halt it.",
        )
    for rollout in open_rows.filter(waiting):
        yield _stalled(
            rollout,
            f"should have gone on at {rollout.next_stage_at:%d %b %H:%M} UTC: it is not known to be healthy. "
            "Look at its reports, then widen it or halt it.",
        )
    unbegun = Q(state=Rollout.State.SCHEDULED, starts_at__lt=moment - OVERDUE)
    for rollout in rows.filter(unbegun):
        yield _stalled(
            rollout,
            f"should have begun at {rollout.starts_at:%d %b %H:%M} UTC. See whether beat and a worker run, "
            "and whether its release is signed and whole.",
        )


@register
def server_without_model() -> Iterable[Alarm]:
    """The server's own bundle was refused or revoked: its last run stays, and grows old."""
    try:
        release = live_release()
        server_bundle(release)
    except NotFound:
        return  # nothing is live, which is no accident on a new server
    except ReleaseIncomplete as error:
        url = reverse("admin:mobile_models_release_change", args=[release.pk])
        yield Alarm("no forecasts", "critical", f"{error} Until then its last run stays current.", url)


def _stalled(rollout: Rollout, what: str) -> Alarm:
    url = reverse("admin:mobile_models_rollout_change", args=[rollout.pk])
    return Alarm("stalled rollout", "warning", f"The rollout of {rollout} {what}", url)
