"""What a page may load and run (Content Security Policy). Only pages carry one: in JSON nothing runs."""

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse_lazy

Directives = dict[str, list[str]]

# Every script is a file of this server, none is inline, and no nonce is needed. Styles may be: drawings,
# progress bars and the admin's widgets set them as attributes, for which no nonce exists.
PAGES: Directives = {
    "default-src": [SELF],
    "script-src": [SELF],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
    "font-src": [SELF],
    "connect-src": [SELF],
    "object-src": [NONE],
    "base-uri": [NONE],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
}
# The admin's behaviour is Alpine's: it stands in attributes, which Alpine compiles with `new Function`.
ADMIN: Directives = {**PAGES, "script-src": [SELF, UNSAFE_EVAL]}
# A model card came with a bundle: a document to read, which loads, runs and sends nothing.
DOCUMENTS: Directives = {
    "default-src": [NONE],
    "style-src": [UNSAFE_INLINE],
    "img-src": ["data:"],
    "base-uri": [NONE],
    "form-action": [NONE],
    "frame-ancestors": [NONE],
    "sandbox": [""],
}
ADMIN_ROOT = reverse_lazy("admin:index")
API_ROOT = "/v1/"


class PagePolicy(CSPMiddleware):
    """Gives each page the strictest policy that it works under."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The header on pages; other answers as they are."""
        if response.get("Content-Type", "").startswith("text/html"):
            return super().process_response(request, response)
        return response

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """The policy of the place that the page is at."""
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only:
            parts.config = parts.config or policy_at(request.path)
        return parts


def policy_at(path: str) -> Directives:
    """The directives for the pages below a path."""
    if path.startswith(API_ROOT):
        return DOCUMENTS
    return ADMIN if path.startswith(str(ADMIN_ROOT)) else PAGES
