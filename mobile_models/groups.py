"""Who may do what: the groups that every installation has.

A migration makes them, an administrator may change them.
"""

from typing import Any

APP = "mobile_models"
VIEWER, RELEASER, APPROVER, ADMINISTRATOR = "viewer", "releaser", "approver", "administrator"
# Beside seeing everything. Who drafts and rolls out does not approve, who approves does not draft.
STEPS = {
    VIEWER: (),
    RELEASER: (
        "register_bundle", "reverify_bundle", "create_release", "submit_release", "start_rollout",
        "widen_rollout", "pause_rollout", "resume_rollout", "halt_rollout",
    ),
    APPROVER: (
        "return_release", "approve_release", "withdraw_release", "halt_rollout", "roll_back",
    ),
}  # fmt: skip
PEOPLE = ("view_user", "add_user", "change_user", "view_group", "change_group")


def make_groups(permissions: Any, groups: Any) -> None:
    """Make the groups that are missing; what an administrator made of the others stays.

    Args:
        permissions: the permissions' manager, of the moment in which this is called.
        groups: the groups' manager, likewise.
    """
    ours = permissions.filter(content_type__app_label=APP)
    wanted = {
        name: [*ours.filter(codename__startswith="view_"), *ours.filter(codename__in=steps)]
        for name, steps in STEPS.items()
    }
    people = permissions.filter(content_type__app_label="auth", codename__in=PEOPLE)
    wanted[ADMINISTRATOR] = [*ours, *people]
    for name, held in wanted.items():
        group, created = groups.get_or_create(name=name)
        if created:
            group.permissions.set(held)
