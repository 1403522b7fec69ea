"""The admin's side bar, what a release manager looks at first, and its colour."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: bool(request.user.has_perm(permission))


def _rows(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    """A line that leads to a list of rows, for whoever may see them."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _may(f"{app}.view_{model}"),
    }


def _delivery(title: str, icon: str, model: str) -> dict[str, Any]:
    return _rows(title, icon, "mobile_models", model)


# Tailwind's indigo: white on 600 has 6:1.
INDIGO = {
    "50": "oklch(96.2% .018 272.314)",
    "100": "oklch(93% .034 272.788)",
    "200": "oklch(87% .065 274.039)",
    "300": "oklch(78.5% .115 274.713)",
    "400": "oklch(67.3% .182 276.935)",
    "500": "oklch(58.5% .233 277.117)",
    "600": "oklch(51.1% .262 276.966)",
    "700": "oklch(45.7% .24 277.023)",
    "800": "oklch(39.8% .195 277.366)",
    "900": "oklch(35.9% .144 278.697)",
    "950": "oklch(25.7% .09 281.288)",
}
NAVIGATION = [
    {
        "title": "Delivery",
        "items": [
            {"title": "Dashboard", "icon": "space_dashboard", "link": reverse_lazy("admin:index")},
            _delivery("Releases", "deployed_code", "release"),
            _delivery("Rollouts", "rocket_launch", "rollout"),
            _delivery("Channels", "podcasts", "channel"),
            _delivery("Bundles", "package_2", "bundle"),
            _rows("Packaging jobs", "conveyor_belt", "jobs", "packagingjob"),
            _rows("Searches", "travel_explore", "jobs", "searchstudy"),
        ],
    },
    {
        "title": "Watch",
        "items": [
            _delivery("Health", "monitor_heart", "rollouthealth"),
            _delivery("Report counts", "bar_chart", "reportcount"),
            _delivery("Report batches", "inbox", "reportbatch"),
        ],
    },
    {
        "title": "Trust",
        "items": [
            _delivery("Audit log", "receipt_long", "auditentry"),
            _delivery("Signed metadata", "signature", "metadata"),
            _delivery("Waiting for signatures", "hourglass_top", "pendingmetadata"),
            _delivery("Revoked bundles", "dangerous", "revocation"),
        ],
    },
    {
        "title": "Weather",
        "items": [
            _rows("Verification", "query_stats", "forecasts", "verification"),
            _rows("Drift alarms", "trending_down", "forecasts", "driftalarm"),
            _rows("Forecast runs", "partly_cloudy_day", "forecasts", "forecastrun"),
            _rows("Feeds", "rss_feed", "observations", "feedstate"),
            _rows("Stations", "location_on", "observations", "station"),
            _rows("Observations", "thermostat", "observations", "observation"),
            _rows("Guidance", "assistant_navigation", "observations", "guidance"),
            _rows("Rejections", "filter_alt_off", "observations", "rejection"),
            _rows("Devices", "devices", "personal", "device"),
        ],
    },
    {
        "title": "People",
        "items": [
            _rows("Users", "person", "auth", "user"),
            _rows("Groups", "group", "auth", "group"),
            {"title": "My second factor", "icon": "key", "link": reverse_lazy("second-factor:overview")},
        ],
    },
]
