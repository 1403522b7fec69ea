"""The server's URLs, and an empty view."""

from typing import Any

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from weatherapp.config.urls import urlpatterns as served


class Empty(APIView):
    """What Django REST framework costs by itself."""

    def get(self, request: Request, **_: Any) -> Response:  # noqa: ARG002
        """Nothing."""
        return Response({})


urlpatterns = [*served, path("bench/empty", Empty.as_view())]
