from django.apps import AppConfig


class MobileModelsConfig(AppConfig):
    name = "mobile_models"
    verbose_name = "Delivery"
