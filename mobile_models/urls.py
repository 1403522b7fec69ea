from django.urls import URLPattern, path

from mobile_models import blob_views, views
from mobile_models.reports import views as reports
from mobile_models.signing import views as signing

urlpatterns: list[URLPattern] = [
    path("models", views.Models.as_view(), name="models"),
    path("models/<str:model>/resolve", views.Resolve.as_view(), name="resolve"),
    path("catalog", views.Catalog.as_view(), name="catalog"),
    path("catalog/schema.json", views.CatalogSchema.as_view(), name="catalog-schema"),
    path("blobs/<str:sha256>", blob_views.Blob.as_view(), name="blob"),
    path("blobs/<str:sha256>/delta/<str:base>", blob_views.BlobDelta.as_view(), name="blob-delta"),
    path("reports", reports.Reports.as_view(), name="reports"),
    path("reports/token", reports.ReportToken.as_view(), name="report-token"),
    path("reports/schema.json", reports.ReportSchema.as_view(), name="report-schema"),
    path("tuf/metadata/<path:file>", signing.SignedMetadata.as_view(), name="tuf-metadata"),
    path("tuf/targets/<path:path>", signing.Target.as_view(), name="tuf-target"),
]
