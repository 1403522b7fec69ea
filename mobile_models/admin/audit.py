"""The audit log: read, searched, held against its hashes; never written here."""

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from mobile_models import audit
from mobile_models.admin_base import OperatedAdmin, mono, rows_table, said_only
from mobile_models.models import AuditEntry

SHOWN_REASON = 80


@admin.register(AuditEntry)
class AuditAdmin(OperatedAdmin):
    list_display: ClassVar = ["sequence", "at", "actor_name", "shown_action", "object_name", "why"]
    list_filter: ClassVar = ["action", "object_type", "actor_name"]
    search_fields: ClassVar = ["object_name", "actor_name", "reason", "action", "hash"]
    date_hierarchy = "at"
    ordering: ClassVar = ["-sequence"]
    list_before_template = "mobile_models/audit_chain.html"
    readonly_fields: ClassVar = ["shown_action", "what_changed", "shown_hash", "shown_previous"]
    fieldsets: ClassVar = [
        (None, {"fields": ["sequence", "at", "actor_name", "shown_action", "object_name", "reason"]}),
        ("What changed", {"fields": ["what_changed"]}),
        ("Chain", {"fields": ["shown_hash", "shown_previous"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: AuditEntry | None = None) -> Any:
        return said_only(self.fieldsets, obj, "reason")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list; asked to verify, with what holding every entry against its hash found."""
        context: dict[str, Any] = {"verified": "verify" in request.GET}
        if context["verified"]:
            request.GET = _without(request.GET, "verify")  # which the list would take for a filter
            sequence, _ = audit.head()
            context |= {"problems": audit.verify(), "entries": sequence}
        response: HttpResponse = super().changelist_view(request, {**context, **(extra_context or {})})
        return response

    @display(description="Step", ordering="action")
    def shown_action(self, entry: AuditEntry) -> str:
        return entry.action.replace("_", " ")

    @display(description="Reason")
    def why(self, entry: AuditEntry) -> str:
        return entry.reason[:SHOWN_REASON] or "–"

    @display(description="Before and after")
    def what_changed(self, entry: AuditEntry) -> SafeString | str:
        names = sorted({*entry.before, *entry.after})
        rows = [
            (name, _said(entry.before.get(name)), _said(entry.after.get(name)))
            for name in names
            if entry.before.get(name) != entry.after.get(name)
        ]
        return rows_table(["Field", "Before", "After"], rows) if rows else "nothing but what the step says"

    @display(description="Hash of this entry")
    def shown_hash(self, entry: AuditEntry) -> SafeString:
        return mono(entry.hash)

    @display(description="Hash of the entry before")
    def shown_previous(self, entry: AuditEntry) -> SafeString:
        return mono(entry.previous_hash)


def _without(query: Any, name: str) -> Any:
    """A query without one of its parameters."""
    kept = query.copy()
    del kept[name]
    return kept


def _said(value: Any) -> SafeString | str:
    """A value of a row for a person."""
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, str):
        return value
    return format_html("<code>{}</code>", json.dumps(value, ensure_ascii=False))
