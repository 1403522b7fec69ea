from django.apps import AppConfig


class ForecastsConfig(AppConfig):
    name = "weatherapp.forecasts"
    verbose_name = "Forecasts"

    def ready(self) -> None:
        """Tell the release managers of drift."""
        from mobile_models.alarms import register
        from weatherapp.forecasts.alarms import drift

        register(drift)
