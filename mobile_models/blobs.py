"""What the addresses of blobs name, as rows say: bundles, their model cards, patches between bundles."""

from django.http import HttpResponseBase
from django.urls import reverse
from rest_framework.request import Request

from mobile_models import conditional, downloads, selectors, storage
from mobile_models.downloads import Form, Resource
from mobile_models.encodings import IDENTITY
from mobile_models.errors import NoDelta
from mobile_models.models import Bundle, Delta
from mobile_models.patches import DCZ

# A card is a page from a bundle's maker: it may style itself and draw, and nothing else.
CARD_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
# RFC 9842: an answer may be a patch against what the client has.
VARY = "Accept-Encoding, Available-Dictionary"


def answer_blob(request: Request, sha256: str) -> HttpResponseBase:
    """The answer to GET or HEAD of a digest: a verified bundle's or a model card's. At most two queries.

    Raises:
        UnknownDigest, BundleRevoked: as `selectors.stored_bundle`.
        DeliveryError: as `downloads.answer`.
    """
    bundle = selectors.bundle_or_carded(sha256)
    if bundle is not None and bundle.card_sha256 == sha256:
        return downloads.answer(request, _card(sha256))
    return answer_bundle(request, selectors.sendable(bundle, sha256))


def answer_bundle(request: Request, bundle: Bundle) -> HttpResponseBase:
    """The answer to GET or HEAD of a bundle. A query more where the client offers a dictionary.

    Raises:
        DeliveryError: as `downloads.answer`.
    """
    forms = {coding: Form(**form) for coding, form in bundle.encodings.items()}
    forms |= {IDENTITY: Form(sha256=bundle.sha256, size=bundle.size), **_against_dictionary(request, bundle)}
    resource = Resource(
        forms=forms,
        media_type="application/zip",
        vary=VARY,
        headers={
            "Content-Disposition": f'attachment; filename="{bundle.variant}-{bundle.sha256[:12]}.zip"',
            # What was downloaded here may be the dictionary of its successors, which lie beside it.
            "Use-As-Dictionary": f'match="{request.path.rpartition("/")[0]}/*"',
        },
    )
    return downloads.answer(request, resource)


def answer_delta(request: Request, sha256: str, base: str) -> HttpResponseBase:
    """The answer to GET or HEAD of the patch that makes one bundle out of another. At most two queries.

    Raises:
        UnknownDigest, BundleRevoked: the bundle that it makes is not sent.
        NoDelta: there is none, or the whole is smaller.
        DeliveryError: as `downloads.answer`.
    """
    delta = selectors.offered_delta(sha256, base, Delta.Kind.BSDIFF)
    bundle = selectors.sendable(delta.target, sha256) if delta else selectors.stored_bundle(sha256)
    if delta is None:
        raise NoDelta(
            f"There is no patch from {base[:80]!r} to {bundle.sha256}. "
            f"Download the whole at {reverse('blob', args=[bundle.sha256])}."
        )
    name = f"{bundle.variant}-{base[:12]}-{bundle.sha256[:12]}.bsdiff"
    resource = Resource(
        forms={IDENTITY: Form(sha256=delta.sha256, size=delta.size)},
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
    return downloads.answer(request, resource)


def _against_dictionary(request: Request, bundle: Bundle) -> dict[str, Form]:
    """The form for a client that offers a dictionary which there is a patch against."""
    base = conditional.parse_dictionary(request.headers.get("Available-Dictionary"))
    if base is None or not conditional.names_coding(request.headers.get("Accept-Encoding"), DCZ):
        return {}
    delta = selectors.offered_delta(bundle.sha256, base, Delta.Kind.DCZ)
    return {DCZ: Form(sha256=delta.sha256, size=delta.size)} if delta else {}


def _card(sha256: str) -> Resource:
    return Resource(
        forms={IDENTITY: Form(sha256=sha256, size=storage.size_of(sha256))},
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": CARD_POLICY},
    )
