"""Channels: who is offered what."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, Prefetch, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from mobile_models.models import Channel, Rollout
from mobile_models.selectors import OFFERED


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):
    list_display: ClassVar = ["name", "description", "offers"]
    readonly_fields: ClassVar = ["offers"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> list[str]:
        # Phones ask for a channel by its name.
        return ["offers", "name"] if obj else ["offers"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        channels: QuerySet[Channel] = super().get_queryset(request)
        offered = Rollout.objects.filter(state__in=OFFERED).select_related("release")
        return channels.prefetch_related(Prefetch("rollouts", queryset=offered, to_attr="offered"))

    @display(description="Offers")
    def offers(self, channel: Any) -> str:
        return (
            ", ".join(
                f"{rollout.release} {rollout.basis_points / 100:g} %"
                + (" (paused)" if rollout.state == Rollout.State.PAUSED else "")
                for rollout in channel.offered
            )
            or "nothing"
        )
