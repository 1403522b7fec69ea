"""What the groups of delivery may do with packaging jobs."""

from typing import Any

MAY = {
    "viewer": ["view_packagingjob"],
    "releaser": ["view_packagingjob", "add_packagingjob"],
    "approver": ["view_packagingjob"],
    "administrator": ["view_packagingjob", "add_packagingjob"],
}


def permit(permissions: Any, groups: Any) -> None:
    """Let groups see jobs, and those who register bundles ask for them; if none may yet.

    What an administrator made of the groups stays, but for a database in which nobody may look at jobs: that
    is a new one, or one that was emptied.

    Args:
        permissions: the permissions' manager, of the moment in which this is called.
        groups: the groups' manager, likewise.
    """
    ours = permissions.filter(content_type__app_label="jobs")
    if groups.filter(permissions__in=ours).exists():
        return
    for group in groups.filter(name__in=MAY):
        group.permissions.add(*ours.filter(codename__in=MAY[group.name]))
