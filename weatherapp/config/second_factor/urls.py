"""The pages of the second factor; each only for people who may see the admin."""

from django.contrib import admin
from django.urls import path

from weatherapp.config.second_factor import views

app_name = "second-factor"
urlpatterns = [
    path("", admin.site.admin_view(views.overview), name="overview"),
    path("verify/", admin.site.admin_view(views.verify), name="verify"),
    path("enrol/", admin.site.admin_view(views.enrol), name="enrol"),
    path("codes/", admin.site.admin_view(views.renew), name="renew"),
    path("off/", admin.site.admin_view(views.turn_off), name="turn-off"),
]
