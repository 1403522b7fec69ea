from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

CHANNELS = {"stable": "Everyone.", "beta": "People who asked for new models early."}


def make_channels(using: str = "default", **_: Any) -> None:
    """Make the channels that every installation has; a database that lost them gets them back."""
    from mobile_models.models import Channel

    for name, description in CHANNELS.items():
        Channel.objects.using(using).get_or_create(name=name, defaults={"description": description})


class MobileModelsConfig(AppConfig):
    name = "mobile_models"
    verbose_name = "Delivery"

    def ready(self) -> None:
        """Make the channels after every migration."""
        post_migrate.connect(make_channels, sender=self)
