"""The bundles that a platform's role signs: digest, length and what each is."""

from typing import Any

from django.db.models import Q, QuerySet
from tuf.api.metadata import TargetFile

from mobile_models.models import Bundle, Release
from mobile_models.signing.documents import target_file
from mobile_models.signing.roles import bundle_path
from mobile_models.targeting import precision_of


def signed_releases(adding: Release | None = None) -> QuerySet[Release]:
    """The releases whose bundles phones may take, oldest first: those signed, and the one to sign now."""
    wanted = Q(signed_at__isnull=False)
    if adding is not None:
        wanted |= Q(pk=adding.pk)
    return Release.objects.filter(wanted).exclude(state=Release.State.WITHDRAWN).order_by("created", "pk")


def platform_files(platform: str, adding: Release | None = None) -> list[TargetFile]:
    """Every bundle that a platform's role should sign: none that was withdrawn, refused or revoked."""
    links = Release.bundles.through.objects.filter(
        release__in=signed_releases(adding),
        bundle__state=Bundle.State.VERIFIED,
        bundle__revocation__isnull=True,
    ).select_related("bundle", "release")
    files: dict[str, TargetFile] = {}
    for link in links.order_by("release__created", "release_id", "bundle__sha256"):
        if platform in link.bundle.platforms:
            files.setdefault(link.bundle.sha256, _file(platform, link.bundle, link.release.version))
    return list(files.values())


def _file(platform: str, bundle: Bundle, release: str) -> TargetFile:
    return target_file(
        bundle_path(platform, bundle.sha256),
        size=bundle.size,
        sha256=bundle.sha256,
        custom=described(bundle, release),
    )


def described(bundle: Bundle, release: str) -> dict[str, Any]:
    """What a bundle is, and the first release that had it; a phone compares the catalog's entry with this."""
    return {
        "release": release,
        "variant": bundle.variant,
        "format": bundle.format,
        "precision": precision_of(bundle.variant),
        "contract_sha256": bundle.contract_sha256,
        "golden_sha256": bundle.golden_sha256 or bundle.manifest["files"]["golden.json"]["sha256"],
        "card_sha256": bundle.card_sha256 or None,
    }
