from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from mobile_models.groups import make_groups

CHANNELS = {"stable": "Everyone.", "beta": "People who asked for new models early."}


def make_channels(using: str = "default", **_: Any) -> None:
    """Make the channels that every installation has; a database that lost them gets them back."""
    from mobile_models.models import Channel

    for name, description in CHANNELS.items():
        Channel.objects.using(using).get_or_create(name=name, defaults={"description": description})


def restore_groups(using: str = "default", **_: Any) -> None:
    """Make the groups again that a database lost: the migration made them once."""
    from django.contrib.auth.models import Group, Permission

    make_groups(Permission.objects.using(using), Group.objects.using(using))


class MobileModelsConfig(AppConfig):
    name = "mobile_models"
    verbose_name = "Delivery"

    def ready(self) -> None:
        """Make the channels and groups after every migration."""
        from mobile_models.health import alarms  # noqa: F401  (they register themselves)
        from mobile_models.signing import checks, watch  # noqa: F401

        post_migrate.connect(make_channels, sender=self)
        post_migrate.connect(restore_groups, sender=self)
