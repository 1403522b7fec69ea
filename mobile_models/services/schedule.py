"""What rollouts do by the clock: begin when they are scheduled, and widen stage by stage."""

import logging

from django.db import transaction
from django.db.models import Q
from django.utils.timezone import now

from mobile_models.errors import DeliveryError
from mobile_models.models import Rollout
from mobile_models.services.rollouts import begin, check_offerable, offer_to
from mobile_models.services.steps import locked, recorded

logger = logging.getLogger(__name__)


def advance_rollouts() -> int:
    """Begin the rollouts whose time has come, and take the stages that are due; gives how many moved.

    Harmless in two workers at once: each looks again under the channel's lock. What fails stays due, and the
    alarms tell of it.
    """
    due = Rollout.objects.filter(_due()).order_by("pk").values_list("pk", flat=True)
    return sum(_advance(key) for key in list(due))


def _due() -> Q:
    moment = now()
    scheduled = Q(state=Rollout.State.SCHEDULED, starts_at__lte=moment)
    return scheduled | Q(state=Rollout.State.ACTIVE, next_stage_at__lte=moment)


def _advance(key: int) -> bool:
    rollout = Rollout.objects.select_related("channel", "release").get(pk=key)
    try:
        with transaction.atomic():
            if rollout.state == Rollout.State.SCHEDULED:
                check_offerable(rollout.release)
            locked(rollout)
            if not Rollout.objects.filter(_due(), pk=key).exists():
                return False
            return _begin(rollout) if rollout.state == Rollout.State.SCHEDULED else _next_stage(rollout)
    except DeliveryError as error:
        logger.warning("The rollout of %s is due and cannot go on: %s", rollout, error)
        return False


def _begin(rollout: Rollout) -> bool:
    with recorded("begin_rollout", rollout, by=None):
        begin(rollout, by=None)
    return True


def _next_stage(rollout: Rollout) -> bool:
    from mobile_models.health.services import is_healthy  # which halts through this package

    stage = rollout.stages[rollout.stage]
    if stage["if_healthy"] and not is_healthy(rollout):
        return False
    with recorded("next_stage", rollout, by=None):
        offer_to(rollout, stage["basis_points"], by=None)
    return True
