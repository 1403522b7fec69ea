"""What the admin's pages have in common: rows that only services change, and the marks that show them."""

import json
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

COLOURS = {
    "verified": "success",
    "refused": "danger",
    "revoked": "danger",
    "in review": "warning",
    "approved": "info",
    "live": "success",
    "withdrawn": "danger",
    "scheduled": "info",
    "active": "success",
    "paused": "warning",
    "halted": "danger",
    "rolled back": "danger",
}
# Errors that are sentences for the person who clicked; each app's root class.
Expected = tuple[type[Exception], ...]


class OperatedAdmin(ModelAdmin):
    """Rows that are shown, and changed by actions only; an error of a service becomes a message."""

    expected_errors: Expected = ()
    compressed_fields = True
    list_filter_submit = False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody edits a row by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Rows are history."""
        return False

    def may_operate(self, request: HttpRequest) -> bool:
        """Whether the person may run the actions of this page."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form; say why a service refused what was asked."""
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except self.expected_errors as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())
        return response

    def row_or_404(self, request: HttpRequest, object_id: str) -> Any:
        """The row that a dialog's address names, whatever stands there."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404(f"There is no {self.opts.verbose_name} {object_id!r}.")
        return row

    def finish(self, request: HttpRequest, service: Any, done: str) -> HttpResponse:
        """Run a service for a dialog, say how it went, and load the page again."""
        return finish(request, service, done, self.expected_errors)


def finish(
    request: HttpRequest,
    service: Callable[[], Any],
    done: str,
    expected: Expected = (),
    *,
    row: Model | None = None,
    within_dialog: Expected = (),
) -> HttpResponse:
    """Run a service for a dialog, say how it went, and load the page again.

    What was refused has a status that says so; htmx follows the header all the same. An error of
    `within_dialog` is left to the caller: the dialog stays open and says what to put right. `{row}` in
    `done` is the row as the service left it.
    """
    status = HTTPStatus.OK
    try:
        service()
    except within_dialog:
        raise
    except expected as error:
        messages.error(request, str(error))
        status = HTTPStatus.CONFLICT
    else:
        messages.success(request, done.format(row=row) if row else done)
    # The dialog was sent by htmx, which follows this header and not a redirect.
    headers = {"HX-Redirect": request.headers.get("HX-Current-URL", "../")}
    return HttpResponse(status=status, headers=headers)


def bar(percent: float, label: str, name: str = "Share") -> SafeString:
    """A progress bar with its figure; `name` says to screen readers what it measures."""
    return format_html(
        '<div class="console-bar"><div role="progressbar" aria-label="{}" aria-valuemin="0"'
        ' aria-valuemax="100" aria-valuenow="{}" aria-valuetext="{}"><div style="width: {}%"></div></div>'
        "<span>{}</span></div>",
        name,
        round(percent),
        label,
        min(round(percent, 2), 100),
        label,
    )


def mono(text: str, title: str = "") -> SafeString:
    """A digest or other machine word."""
    return format_html('<code class="console-mono" title="{}">{}</code>', title, text)


def block(text: str) -> SafeString:
    """Preformatted text in a box that scrolls."""
    return format_html(
        '<pre class="console-block" tabindex="0" role="region" aria-label="Document">{}</pre>', text or "–"
    )


def link(url: str, text: str) -> SafeString:
    """A link that looks like one."""
    return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', url, text)


def rows_table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> SafeString:
    """A small table in a page."""
    head = format_html_join("", '<th scope="col">{}</th>', ((text,) for text in heads))
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
    )
    return format_html(
        '<div class="console-scroll" tabindex="0" role="region" aria-label="{}"><table class="console-table">'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>",
        ", ".join(heads),
        head,
        body,
    )


def share_of(part: int, whole: int) -> str:
    """A part in per cent of the whole."""
    return f"{100 * part / whole:.3g} %" if whole else "–"


def said_only(fieldsets: Any, row: Model | None, *optional: str) -> list[tuple[Any, dict[str, Any]]]:
    """Fieldsets without the optional fields that are empty in this row."""
    empty = {name for name in optional if not getattr(row, name, None)}
    return [
        (title, {**options, "fields": [name for name in options["fields"] if name not in empty]})
        for title, options in fieldsets
    ]


def document(value: Any) -> SafeString:
    """A JSON document, indented."""
    return block(json.dumps(value, indent=2, ensure_ascii=False))


def size(count: int) -> str:
    """Bytes for a person."""
    return str(filesizeformat(count))
