"""What the groups of delivery may do with packaging jobs and searches."""

from typing import Any

SEE = ["view_packagingjob", "view_searchstudy", "view_searchtrial"]
ASK = ["add_packagingjob", "add_searchstudy"]
MAY = {"viewer": SEE, "releaser": SEE + ASK, "approver": SEE, "administrator": SEE + ASK}


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


def permit_searches(permissions: Any, groups: Any) -> None:
    """Let groups that may see or ask for jobs see or ask for searches, whatever else was made of them.

    Args:
        permissions: the permissions' manager, of the moment in which this is called.
        groups: the groups' manager, likewise.
    """
    ours = permissions.filter(content_type__app_label="jobs")
    for known, more in (("view_packagingjob", SEE), ("add_packagingjob", ASK)):
        for group in groups.filter(permissions__in=ours.filter(codename=known)):
            group.permissions.add(*ours.filter(codename__in=more))
