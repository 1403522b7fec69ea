from django.urls import URLPattern, path

from weatherapp.forecasts import views
from weatherapp.forecasts.verification.views import Verification

urlpatterns: list[URLPattern] = [
    path("forecast", views.Forecast.as_view(), name="forecast"),
    # Some programs end their address with a slash, and not every one follows a redirection.
    path("forecast/", views.Forecast.as_view(schema=None)),
    path("cells/<str:cell>/inputs", views.CellInputs.as_view(), name="cell-inputs"),
    path("verification", Verification.as_view(), name="verification"),
]
