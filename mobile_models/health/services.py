"""Whether a rollout may go on, from what devices on both sides of it report."""

from mobile_models.models import Rollout, RolloutHealth

# A figure is suspect long before it is proven: nothing is widened on top of it meanwhile.
SUSPICION = 10.0


def is_healthy(rollout: Rollout) -> bool:
    """Whether there is evidence enough, from both sides, that the rollout may be widened."""
    rows = RolloutHealth.objects.filter(rollout=rollout)
    return rows.exists() and not rows.filter(evidence__gte=SUSPICION).exists()


def evaluate_rollouts() -> None:
    """Fold what came in since the last look into the evidence; halt what is worse than its control."""
