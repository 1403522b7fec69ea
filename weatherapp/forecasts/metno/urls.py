from django.urls import URLPattern, path

from weatherapp.forecasts.metno.views import Locationforecast

urlpatterns: list[URLPattern] = [
    path("locationforecast/2.0/<str:form>", Locationforecast.as_view(), name="locationforecast"),
]
