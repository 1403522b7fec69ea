"""Devices in numbers. There is nothing to look at one by one: who they are and where is nobody's business."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.admin import ModelAdmin

from weatherapp.personal import selectors
from weatherapp.personal.models import Device

DAYS = 30


@admin.register(Device)
class DeviceAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Device | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Device | None = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        # Only the list, which shows counts: no page of a single device exists, not even its history.
        return [url for url in super().get_urls() if str(url.name).endswith("_changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Devices per day."""
        if not self.has_view_permission(request):
            return self._refused(request)
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": "Devices per day",
            "opts": self.opts,
            "total": Device.objects.count(),
            "days": selectors.devices_per_day(timezone.now().date(), DAYS),
        }
        return TemplateResponse(request, "personal/devices.html", context)

    def _refused(self, request: HttpRequest) -> HttpResponse:
        from django.core.exceptions import PermissionDenied

        raise PermissionDenied
