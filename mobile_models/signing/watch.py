"""What to look at before phones notice: metadata that runs out, catalogs that are not published."""

from collections.abc import Iterable, Iterator

from django.conf import settings

from mobile_models.alarms import Alarm, register
from mobile_models.signing import publishing, store
from mobile_models.signing.documents import document_file
from mobile_models.signing.roles import OFFLINE, ROLLOUT, lifetime
from mobile_models.signing.status import RoleStatus, Status, status

# Beat renews at half; the offline keys' holders have a quarter of the time to come together.
WARN_SHARE = 1 / 4
CRITICAL_SHARE = 1 / 16


@register
def alarms() -> Iterable[Alarm]:
    """The alarms of signing. None where there is no repository: nothing is delivered then."""
    seen = status()
    if not seen.initialised:
        return
    for role in seen.roles:
        yield from _expiring(role)
    yield from _keys(seen)
    yield from _unpublished()


def _expiring(role: RoleStatus) -> Iterator[Alarm]:
    days = lifetime(role.role).days
    if role.days_left > days * WARN_SHARE:
        return
    critical = role.days_left <= days * CRITICAL_SHARE
    if role.role in OFFLINE:
        advice = "Its keys' holders run `manage.py keys renew`."
    else:
        advice = "Beat renews it: look why it does not, in the worker's log."
    left = "expired" if role.days_left <= 0 else f"expires in {role.days_left:g} days"
    yield Alarm(
        kind="expiring metadata",
        severity="critical" if critical else "warning",
        text=f"Signed metadata of {role.role} {left}; phones then refuse everything new. {advice}",
    )


def _keys(seen: Status) -> Iterator[Alarm]:
    if seen.development and settings.PRODUCTION:
        yield Alarm(
            kind="development keys",
            severity="critical",
            text="Bundles are signed with development keys, which guard nothing: `manage.py keys rotate`.",
        )
    for waiting in seen.waiting:
        missing = max(standing.missing for standing in waiting.roles)
        if missing:
            yield Alarm(
                kind="missing signatures",
                severity="warning",
                text=f"{waiting.purpose} waits for {missing} more signatures.".capitalize(),
            )


def _unpublished() -> Iterator[Alarm]:
    catalogs, left_out = publishing.wanted_catalogs()
    published = store.targets(ROLLOUT).signed.targets
    late = [path for path, content in catalogs.items() if published.get(path) != document_file(path, content)]
    if late:
        yield Alarm(
            kind="unpublished catalog",
            severity="critical",
            text=f"Phones do not see what is offered: {', '.join(sorted(late))}. The worker's log says why.",
        )
    if left_out:
        yield Alarm(
            kind="unsigned bundles",
            severity="critical",
            text=f"{len(left_out)} bundles on offer are not signed by the offline keys, so no phone takes "
            "them. Run `manage.py sign_release` for their release.",
        )
