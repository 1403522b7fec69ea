"""Every URL of the server."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from weatherapp.config.health import Health, Readiness

urlpatterns = [
    path("admin/second-factor/", include("weatherapp.config.second_factor.urls")),
    path("admin/", admin.site.urls),
    path("healthz", Health.as_view(), name="healthz"),
    path("readyz", Readiness.as_view(), name="readyz"),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="openapi"), name="api-docs"),
    path("", include("weatherapp.web.urls")),
    path("v1/", include("weatherapp.forecasts.urls")),
    path("", include("weatherapp.forecasts.metno.urls")),
    path("v1/", include("weatherapp.personal.urls")),
    path("v1/", include("mobile_models.urls")),
]
