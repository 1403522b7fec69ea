"""Drift of the forecasts' skill, told to the release managers."""

from collections.abc import Iterable

from django.urls import reverse

from mobile_models.alarms import Alarm
from weatherapp.forecasts.verification.selectors import open_alarms


def drift() -> Iterable[Alarm]:
    """Variables that are forecast worse than they were."""
    for alarm in open_alarms():
        url = reverse("admin:forecasts_driftalarm_change", args=[alarm.pk])
        yield Alarm("skill drift", "warning", f"{alarm}. Look at its scores, and consider retraining.", url)
