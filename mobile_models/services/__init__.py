"""What can be done to bundles, releases and rollouts.

Each service owns its transaction and keeps its step in the audit log.
"""

from mobile_models.services.bundles import register_bundle, reverify_bundle, revoke_bundle
from mobile_models.services.releases import (
    approve_release,
    create_release,
    return_release,
    submit_release,
    withdraw_release,
)
from mobile_models.services.rollouts import (
    halt_rollout,
    pause_rollout,
    resume_rollout,
    roll_back,
    start_rollout,
    widen_rollout,
)
from mobile_models.services.schedule import advance_rollouts

__all__ = [
    "advance_rollouts",
    "approve_release",
    "create_release",
    "halt_rollout",
    "pause_rollout",
    "register_bundle",
    "resume_rollout",
    "return_release",
    "reverify_bundle",
    "revoke_bundle",
    "roll_back",
    "start_rollout",
    "submit_release",
    "widen_rollout",
    "withdraw_release",
]
