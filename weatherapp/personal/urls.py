from django.urls import URLPattern, path

from weatherapp.personal import views, views_weather

urlpatterns: list[URLPattern] = [
    path("devices", views.Devices.as_view(), name="devices"),
    path("devices/me", views.Me.as_view(), name="device"),
    path("devices/me/token", views.TokenRotation.as_view(), name="device-token"),
    path("devices/me/export", views.Export.as_view(), name="device-export"),
    path("devices/me/places", views.Places.as_view(), name="places"),
    path("devices/me/places/<str:place_id>", views.PlaceOne.as_view(), name="place"),
    path("devices/me/commutes", views.Commutes.as_view(), name="commutes"),
    path("devices/me/commutes/<str:commute_id>", views.CommuteOne.as_view(), name="commute"),
    path("devices/me/rules", views.Rules.as_view(), name="rules"),
    path("devices/me/rules/<str:rule_id>", views.RuleOne.as_view(), name="rule"),
    path("devices/me/webhook", views.WebhookView.as_view(), name="webhook"),
    path("devices/me/votes", views_weather.Votes.as_view(), name="votes"),
    path("devices/me/observations", views_weather.Observations.as_view(), name="own-observations"),
    path("devices/me/feed", views_weather.Feed.as_view(), name="feed"),
    path("devices/me/forecast", views_weather.PersonalForecast.as_view(), name="personal-forecast"),
    path("devices/me/briefing", views_weather.Briefing.as_view(), name="briefing"),
]
