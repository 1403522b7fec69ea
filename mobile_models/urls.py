from django.urls import URLPattern, path

from mobile_models import views

urlpatterns: list[URLPattern] = [
    path("models", views.Models.as_view(), name="models"),
    path("models/<str:model>/resolve", views.Resolve.as_view(), name="resolve"),
    path("catalog", views.Catalog.as_view(), name="catalog"),
    path("blobs/<str:sha256>", views.Blob.as_view(), name="blob"),
]
