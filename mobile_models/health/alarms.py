"""What the health test has people look at."""

from collections.abc import Iterable

from django.urls import reverse

from mobile_models.alarms import Alarm, register
from mobile_models.health.figures import ALL, RATIO, TOO_MANY
from mobile_models.models import RolloutHealth
from mobile_models.selectors import OFFERED

SENTENCES = {
    RATIO: "{exposed} of {all} devices say that they are exposed: {decision} for its share. ",
    ALL: "Reports speak against it, {evidence:.3g} to 1, and forgers or a single place could be why. ",
}
FORGED = "Somebody may be forging reports: it neither goes on nor is halted by itself."
SILENT = "Exposed devices fall silent, or do not know the share of now yet. It does not go on by itself."
UNPROVEN = "Look at its reports, then halt it or widen it."


@register
def doubtful_rollouts() -> Iterable[Alarm]:
    """Rollouts whose reports do not add up, or speak against it without proof."""
    rows = RolloutHealth.objects.filter(
        rollout__state__in=OFFERED, metric__in=(ALL, RATIO), decision__gt=""
    ).select_related("rollout__release", "rollout__channel")
    for row in rows:
        exposed = row.exposed.get("count", 0)
        said = SENTENCES[row.metric].format(
            exposed=exposed,
            all=exposed + row.control.get("count", 0),
            decision=row.decision,
            evidence=row.evidence,
        )
        advice = UNPROVEN if row.metric == ALL else FORGED if row.decision == TOO_MANY else SILENT
        yield Alarm(
            "sample ratio mismatch" if row.metric == RATIO else "unproven fault",
            "critical" if row.metric == ALL or row.decision == TOO_MANY else "warning",
            f"The rollout of {row.rollout}: {said}{advice}",
            reverse("admin:mobile_models_rollout_change", args=[row.rollout_id]),
        )
