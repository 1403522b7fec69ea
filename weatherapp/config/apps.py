from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "weatherapp.config"
    verbose_name = "Project"
