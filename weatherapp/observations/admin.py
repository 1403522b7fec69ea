"""Stations and what they reported."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from weatherapp.observations.models import Observation, Station


@admin.register(Station)
class StationAdmin(ModelAdmin):
    list_display = ("code", "name", "latitude", "longitude", "elevation", "source", "active")
    list_filter = ("active", "source")
    search_fields = ("code", "name")
    readonly_fields = ("code",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # feeds bring stations


@admin.register(Observation)
class ObservationAdmin(ModelAdmin):
    list_display = (
        "valid_time",
        "station",
        "temperature",
        "dew_point",
        "precipitation",
        "cloud_cover",
        "feed",
    )
    list_filter = ("feed", "station")
    list_select_related = ("station",)
    date_hierarchy = "valid_time"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Observation | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Observation | None = None) -> bool:
        return False
