from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from packager.jobs.groups import permit


def restore_groups(using: str = "default", **_: Any) -> None:
    """Give groups that a database lost their part in packaging again: the migration gave it once."""
    from django.contrib.auth.models import Group, Permission

    permit(Permission.objects.using(using), Group.objects.using(using))


class PackagingJobsConfig(AppConfig):
    name = "packager.jobs"
    verbose_name = "Packaging"

    def ready(self) -> None:
        """Look after the groups after every migration."""
        post_migrate.connect(restore_groups, sender=self)
