"""Answers to HEAD."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class WithoutBody(MiddlewareMixin):
    """Takes the body of an answer to HEAD away once its length is known: gunicorn warns of what it drops."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The headers alone; what is streamed is left to the server."""
        if request.method == "HEAD" and not response.streaming:
            response.content = b""  # type: ignore[attr-defined]
        return response
