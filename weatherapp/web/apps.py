from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "weatherapp.web"
    verbose_name = "Pages"
