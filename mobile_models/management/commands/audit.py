"""Read and check the audit log: `manage.py audit verify`, `show`, `export`."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mobile_models import audit
from mobile_models.models import AuditEntry

SHOWN = 20


class Command(BaseCommand):
    help = "Check that no entry of the audit log was edited, removed or reordered; show or export them."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("verify", help="name each entry that is not as it was written, and exit 1")
        show = actions.add_parser("show", help="the newest entries, oldest first")
        show.add_argument("--last", type=int, default=SHOWN, metavar="N", help=f"how many (default {SHOWN})")
        show.add_argument("--object", default="", metavar="TEXT", help="only of what has this in its name")
        actions.add_parser("export", help="every entry as a line of JSON, oldest first")

    def handle(self, *_args: Any, **options: Any) -> None:
        {"verify": self._verify, "show": self._show, "export": self._export}[options["action"]](options)

    def _verify(self, _options: dict[str, Any]) -> None:
        problems = audit.verify()
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise CommandError(
                f"The audit log is not as it was written: {len(problems)} problem(s). "
                "Compare it with a back-up, and see who can write to the database.",
                returncode=1,
            )
        sequence, digest = audit.head()
        self.stdout.write(f"{sequence} entries, none edited, missing or reordered. Head {digest}.")

    def _show(self, options: dict[str, Any]) -> None:
        entries = AuditEntry.objects.filter(object_name__icontains=options["object"])
        for entry in reversed(entries.order_by("-sequence")[: max(options["last"], 0)]):
            reason = f" ({entry.reason})" if entry.reason else ""
            self.stdout.write(
                f"{entry.sequence} {entry.at:%Y-%m-%d %H:%M:%S} {entry.actor_name}: {entry.action} "
                f"{entry.object_name}: {changed(entry)}{reason}"
            )

    def _export(self, _options: dict[str, Any]) -> None:
        for entry in AuditEntry.objects.order_by("sequence").iterator():
            self.stdout.write(json.dumps(audit.document(entry), ensure_ascii=False, sort_keys=True))


def changed(entry: AuditEntry) -> str:
    """What an entry changed, in a line: `state draft → in_review`."""
    names = [name for name, value in entry.after.items() if entry.before.get(name) != value]
    return ", ".join(f"{name} {entry.before.get(name, '–')} → {entry.after[name]}" for name in names) or "–"
