"""Signed metadata: which versions are in force, until when, by whose keys."""

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.timezone import now
from unfold.decorators import display

from mobile_models.admin_base import OperatedAdmin, document, mono, rows_table
from mobile_models.models import Metadata, PendingMetadata
from mobile_models.signing.roles import DEVELOPMENT, HOLDERS

KEY_LETTERS = 12


class SignedAdmin(OperatedAdmin):
    """Metadata is made by signing only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @display(description="Signed by")
    def signatures(self, metadata: Any) -> SafeString | str:
        signed = [sig["keyid"] for sig in _content(metadata)["signatures"] if sig["sig"]]
        shown = [(mono(keyid[:KEY_LETTERS], keyid),) for keyid in signed]
        return format_html("{}: {}", len(signed), format_html_join(" ", "{}", shown)) if signed else "nobody"

    @display(description="Keys that it trusts")
    def keys(self, metadata: Any) -> SafeString | str:
        rows = list(_trusted(_content(metadata)["signed"]))
        return rows_table(["Role", "Signatures needed", "Key", "Held by"], rows) if rows else "none"

    @display(description="Document")
    def shown_content(self, metadata: Any) -> SafeString:
        return document(_content(metadata))


@admin.register(Metadata)
class MetadataAdmin(SignedAdmin):
    list_display: ClassVar = ["role", "version", "in_force", "expiry", "signatures", "created"]
    list_filter: ClassVar = ["role"]
    ordering: ClassVar = ["role", "-version"]
    readonly_fields: ClassVar = ["in_force", "expiry", "signatures", "keys", "made_for", "shown_content"]
    fieldsets: ClassVar = [
        (None, {"fields": ["role", "version", "in_force", "expiry", "expires", "signatures", "made_for"]}),
        ("Keys", {"fields": ["keys"]}),
        ("Metadata", {"fields": ["shown_content"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Metadata]:
        rows: QuerySet[Metadata] = super().get_queryset(request)
        newer = Metadata.objects.filter(role=OuterRef("role"), version__gt=OuterRef("version"))
        return rows.annotate(replaced=Exists(newer))

    @display(description="In force", boolean=True)
    def in_force(self, metadata: Any) -> bool:
        return not metadata.replaced

    @display(description="Expires", ordering="expires")
    def expiry(self, metadata: Metadata) -> str:
        if metadata.expires < now():
            return f"expired {timesince(metadata.expires, depth=1)} ago"
        return f"in {timeuntil(metadata.expires, depth=1)}"

    @display(description="Made for")
    def made_for(self, metadata: Metadata) -> str:
        told = _content(metadata)["signed"].get(DEVELOPMENT)
        return "development: no production server takes these keys" if told else "production"


@admin.register(PendingMetadata)
class PendingMetadataAdmin(SignedAdmin):
    list_display: ClassVar = ["role", "version", "release", "signatures", "created"]
    list_select_related: ClassVar = ["release"]
    readonly_fields: ClassVar = ["signatures", "keys", "shown_content"]
    fieldsets: ClassVar = [
        (None, {"fields": ["role", "version", "release", "signatures", "created"]}),
        ("Keys", {"fields": ["keys"]}),
        ("Metadata", {"fields": ["shown_content"]}),
    ]


def _content(metadata: Metadata | PendingMetadata) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bytes(metadata.content))
    return document


def _trusted(signed: dict[str, Any]) -> list[tuple[Any, ...]]:
    """A row per role and key, of the root's roles or of a delegation's."""
    holders = signed.get(HOLDERS, {})
    delegated = {role["name"]: role for role in signed.get("delegations", {}).get("roles", [])}
    roles = signed.get("roles") or delegated
    return [
        (
            name,
            f"{role['threshold']} of {len(role['keyids'])}",
            mono(keyid[:KEY_LETTERS], keyid),
            holders.get(keyid, {}).get("name", "–"),
        )
        for name, role in sorted(roles.items())
        for keyid in role["keyids"]
    ]
