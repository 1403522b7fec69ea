"""Forecast runs, to look at."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from weatherapp.forecasts.models import ForecastRun


@admin.register(ForecastRun)
class ForecastRunAdmin(ModelAdmin):
    list_display = ("init_time", "folder", "state", "release", "stations", "replay", "stored")
    list_filter = ("state", "release", "replay")
    list_select_related = ("release",)
    date_hierarchy = "init_time"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ForecastRun | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ForecastRun | None = None) -> bool:
        return False
