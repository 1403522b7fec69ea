from django.urls import URLPattern, path

from weatherapp.web import views

urlpatterns: list[URLPattern] = [path("", views.home, name="home")]
