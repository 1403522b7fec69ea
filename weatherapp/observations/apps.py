from django.apps import AppConfig


class ObservationsConfig(AppConfig):
    name = "weatherapp.observations"
    verbose_name = "Observations"
