from django.urls import URLPattern, path

from weatherapp.forecasts import views
from weatherapp.forecasts.verification.views import Verification

urlpatterns: list[URLPattern] = [
    path("forecast", views.Forecast.as_view(), name="forecast"),
    path("cells/<str:cell>/inputs", views.CellInputs.as_view(), name="cell-inputs"),
    path("verification", Verification.as_view(), name="verification"),
]
