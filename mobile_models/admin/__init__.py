"""The release manager's console: what is offered to whom, how it fares, and the steps that may be taken."""

from django.contrib import admin

from mobile_models.admin import audit, bundles, channels, releases, reports, rollouts, signing

__all__ = ["audit", "bundles", "channels", "releases", "reports", "rollouts", "signing"]

admin.site.index_template = "mobile_models/dashboard.html"
