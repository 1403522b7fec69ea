from django.apps import AppConfig


class PersonalConfig(AppConfig):
    name = "weatherapp.personal"
    verbose_name = "Personal forecasts"

    def ready(self) -> None:
        """Tell the API's reference about bearer tokens."""
        from weatherapp.personal import reference  # noqa: F401  (registers itself)
