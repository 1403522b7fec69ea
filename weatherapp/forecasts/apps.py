from django.apps import AppConfig


class ForecastsConfig(AppConfig):
    name = "weatherapp.forecasts"
    verbose_name = "Forecasts"
