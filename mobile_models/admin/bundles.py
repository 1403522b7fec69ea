"""Bundles: what they are, what updates to them cost, and the kill switch."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from mobile_models import services, transitions
from mobile_models.admin.steps import SteppedAdmin, step
from mobile_models.admin_base import COLOURS, document, link, mono, rows_table, said_only, share_of, size
from mobile_models.forms import ReasonDialog
from mobile_models.models import Bundle, Revocation


@admin.register(Bundle)
class BundleAdmin(SteppedAdmin):
    list_display: ClassVar = [
        "variant", "short_digest", "format", "archive", "wire", "shown_state", "created",
    ]  # fmt: skip
    list_filter: ClassVar = ["state", "format"]
    search_fields: ClassVar = ["variant", "sha256"]
    readonly_fields: ClassVar = [
        "offered_to", "archive", "wire", "forms", "deltas", "digest", "contract_line", "card", "in_releases",
        "shown_manifest", "shown_state", "revoked",
    ]  # fmt: skip
    fieldsets: ClassVar = [
        (
            None,
            {
                "fields": [
                    "variant", "name", "format", "offered_to", "shown_state", "revoked", "refused_because",
                    "in_releases", "card", "created",
                ]
            },
        ),
        ("Bytes", {"fields": ["archive", "wire", "forms", "deltas", "digest", "contract_line"]}),
        ("Manifest", {"fields": ["shown_manifest"]}),
    ]  # fmt: skip
    actions_detail: ClassVar = [transitions.REVERIFY.name, transitions.REVOKE.name]

    reverify_bundle = step(
        transitions.REVERIFY,
        lambda bundle, by, **_: services.reverify_bundle(bundle=bundle, by=by),
        icon="verified",
        said="Runs the stored artifact. One that fails is no longer offered.",
        done="{row} is as it was.",
    )
    revoke_bundle = step(
        transitions.REVOKE,
        lambda bundle, by, reason: services.revoke_bundle(bundle=bundle, by=by, reason=reason),
        icon="dangerous",
        said="No device may run it any more: each falls back to its last good bundle. This cannot be undone.",
        done="{row} is revoked.",
        form=ReasonDialog,
        variant=ActionVariant.DANGER,
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bundle]:
        bundles: QuerySet[Bundle] = super().get_queryset(request)
        return bundles.select_related("revocation")

    def get_fieldsets(self, request: HttpRequest, obj: Bundle | None = None) -> Any:
        empty = () if obj is not None and hasattr(obj, "revocation") else ("revoked",)
        return said_only(self.fieldsets, obj, "refused_because", *empty)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @display(description="State", label=COLOURS)
    def shown_state(self, bundle: Bundle) -> str:
        return "revoked" if hasattr(bundle, "revocation") else bundle.state

    @display(description="Revoked because")
    def revoked(self, bundle: Bundle) -> str:
        revocation = bundle.revocation
        return (
            f"{revocation.reason} ({revocation.revoked_by or 'system'}, {revocation.created:%d %b %Y %H:%M})"
        )

    @display(description="Platforms")
    def offered_to(self, bundle: Bundle) -> str:
        return ", ".join(bundle.platforms) or "none: the server's own"

    @display(description="Archive", ordering="size")
    def archive(self, bundle: Bundle) -> str:
        return size(bundle.size)

    @display(description="On the wire", ordering="wire_size")
    def wire(self, bundle: Bundle) -> str:
        return size(bundle.wire_size)

    @display(description="Forms")
    def forms(self, bundle: Bundle) -> SafeString | str:
        made = [
            (name, size(form["size"]), share_of(form["size"], bundle.size))
            for name, form in sorted(bundle.encodings.items(), key=lambda item: item[1]["size"])
        ]
        return rows_table(["Encoding", "Bytes", "Of the archive"], made) if made else "–"

    @display(description="Deltas to this one")
    def deltas(self, bundle: Bundle) -> SafeString | str:
        made = [
            (
                link(reverse("admin:mobile_models_bundle_change", args=[delta.base_id]), str(delta.base)),
                delta.kind,
                size(delta.size),
                share_of(delta.size, bundle.wire_size),
                "yes" if delta.offered else "no: the full file is as small",
            )
            for delta in bundle.deltas_to.select_related("base")
        ]
        heads = ["From", "Kind", "Bytes", "Of the full download", "Offered"]
        return rows_table(heads, made) if made else "none"

    @display(description="In releases")
    def in_releases(self, bundle: Bundle) -> SafeString | str:
        links = [
            (link(reverse("admin:mobile_models_release_change", args=[release.pk]), release.version),)
            for release in bundle.releases.all()
        ]
        return format_html_join(", ", "{}", links) or "none"

    @display(description="Model card")
    def card(self, bundle: Bundle) -> SafeString | str:
        return link(reverse("blob", args=[bundle.card_sha256]), "Read it") if bundle.card_sha256 else "none"

    @display(description="SHA-256")
    def short_digest(self, bundle: Bundle) -> SafeString:
        return mono(bundle.sha256[:12], bundle.sha256)

    @display(description="SHA-256")
    def digest(self, bundle: Bundle) -> SafeString:
        return format_html(
            "{} {}", mono(bundle.sha256), link(reverse("blob", args=[bundle.sha256]), "Download")
        )

    @display(description="Contract")
    def contract_line(self, bundle: Bundle) -> SafeString:
        contract = bundle.contract
        return format_html("{} {} {}", contract["name"], contract["version"], mono(contract["sha256"][:12]))

    @display(description="manifest.json")
    def shown_manifest(self, bundle: Bundle) -> SafeString:
        return document(bundle.manifest)


@admin.register(Revocation)
class RevocationAdmin(SteppedAdmin):
    list_display: ClassVar = ["bundle", "reason", "revoked_by", "created"]
    list_select_related: ClassVar = ["bundle", "revoked_by"]
    search_fields: ClassVar = ["bundle__sha256", "bundle__variant", "reason"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
