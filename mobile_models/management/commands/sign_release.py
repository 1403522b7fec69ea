"""`manage.py sign_release VERSION`: the offline keys sign what phones may take."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mobile_models.errors import DeliveryError
from mobile_models.management.signing_options import add_exchange, add_keys, signers_of, told
from mobile_models.models import Release
from mobile_models.signing import exchange, releases


class Command(BaseCommand):
    help = (
        "Sign a release's bundles. With a threshold over one, each holder runs it; the last one publishes. "
        "Bundles that were revoked, or whose release was withdrawn, leave the metadata at the same time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("version", help="the release's version, such as 2026.11.22-1")
        add_keys(parser)
        add_exchange(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            release = _release(options["version"])
            if options["export"]:
                self._export(release, options)
                return
            standings = self._sign(release, options)
        except DeliveryError as error:
            raise CommandError(str(error), returncode=2) from error
        done = f"Release {release.version} is signed and published."
        again = f"manage.py sign_release {release.version}"
        self.stdout.write(told(standings, again) if standings else done)

    def _sign(self, release: Release, options: dict[str, Any]) -> list[Any]:
        if options["import"]:
            return releases.import_signatures(release=release, path=options["import"])
        return releases.sign_release(release=release, signers=signers_of(options))

    def _export(self, release: Release, options: dict[str, Any]) -> None:
        releases.sign_release(release=release)
        rows = releases.waiting_rows(release)
        exchange.export_request(rows, options["export"], purpose=f"release {release.version}")
        self.stdout.write(
            f"{options['export']} holds the bytes to sign. Take it to the keys and run `manage.py keys sign "
            "FILE --key KEY` there; then bring it back to "
            f"`manage.py sign_release {release.version} --import FILE`."
        )


def _release(version: str) -> Release:
    release = Release.objects.filter(version=version).first()
    if release is None:
        known = ", ".join(Release.objects.order_by("-created").values_list("version", flat=True)[:10])
        raise CommandError(
            f"version: {version!r} was given; the newest releases are {known or 'none'}.", returncode=2
        )
    return release
