"""Entries on their way to webhooks. The row is the truth: a sweep finds what was forgotten."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from secrets import token_urlsafe

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from weatherapp.personal import services, shapes, targets, webhooks
from weatherapp.personal.errors import DeliveryFailed, NotYours, TargetRefused
from weatherapp.personal.models import Delivery, Device, FeedEntry, Webhook

logger = logging.getLogger(__name__)

# Between attempts; after the last one the entry stays in the feed only.
BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))
# A worker that dies in an attempt is given up after so long: more than an attempt can take.
CLAIM = timedelta(minutes=2)
FAILURES = 20  # in a row, before a webhook is left alone
SWEPT = 100  # deliveries per sweep: a worker has other things to do
GONE = 410
Post = Callable[[str, bytes, Mapping[str, str]], int]


@transaction.atomic
def set_webhook(*, device: Device, url: str) -> Webhook:
    """Send a device's coming entries to an address, signed with a new secret; enables it again.

    Raises:
        TargetRefused: the address can be seen to be none that is called.
    """
    targets.parse_target(url, http=settings.WEBHOOK_HTTP, networks=settings.WEBHOOK_NETWORKS)
    held = services.locked(device)
    Webhook.objects.filter(device=held).delete()
    return Webhook.objects.create(device=held, url=url, secret=token_urlsafe(32))


@transaction.atomic
def remove_webhook(*, device: Device) -> None:
    """Send nothing any more.

    Raises:
        NotYours: there is no webhook.
    """
    webhook_of(services.locked(device)).delete()


def webhook_of(device: Device) -> Webhook:
    """A device's webhook.

    Raises:
        NotYours: it has none.
    """
    found = Webhook.objects.filter(device=device).first()
    if found is None:
        raise NotYours("This device has no webhook. PUT one at /v1/devices/me/webhook.")
    return found


def send(device: Device, entries: Sequence[FeedEntry], *, now: datetime) -> None:
    """Put entries on their way, if the device has a webhook that works. Inside the entries' transaction."""
    webhook = Webhook.objects.filter(device=device, disabled_because="").first()
    if webhook is None:
        return
    from weatherapp.personal.tasks import deliver

    rows = [Delivery(webhook=webhook, entry=entry, due=now) for entry in entries]
    for row in Delivery.objects.bulk_create(rows):
        deliver.delay_on_commit(row.pk)  # type: ignore[attr-defined]  # a method of Celery for Django


def due(now: datetime) -> list[int]:
    """Keys of deliveries whose time has come, oldest first."""
    waiting = Delivery.objects.filter(
        state=Delivery.State.WAITING, due__lte=now, webhook__disabled_because=""
    )
    return list(waiting.order_by("due", "pk").values_list("pk", flat=True)[:SWEPT])


def deliver(delivery_id: int, *, post: Post = webhooks.post) -> None:
    """Try to deliver an entry, unless another worker does or it is not due; harmless if called twice."""
    now = timezone.now()
    claimed = Delivery.objects.filter(pk=delivery_id, state=Delivery.State.WAITING, due__lte=now)
    if not claimed.update(due=now + CLAIM, attempts=F("attempts") + 1):
        return
    row = Delivery.objects.select_related("webhook", "entry", "entry__device", "entry__place").get(
        pk=delivery_id
    )
    if row.webhook.disabled_because:
        return
    body = json.dumps(
        shapes.entry_body(row.entry, row.entry.device, language=""), ensure_ascii=False
    ).encode()
    headers = {
        "Skyfold-Signature": webhooks.sign(row.webhook.secret, body, int(now.timestamp())),
        # The same in every attempt: a receiver that has it already can say so at once.
        "Skyfold-Delivery": str(row.entry_id),
    }
    try:
        status = post(row.webhook.url, body, headers)
    except TargetRefused as error:
        _disable(row, str(error))
    except DeliveryFailed as error:
        _failed(row, str(error)[:200], now)
    else:
        _answered(row, status, now)


def _answered(row: Delivery, status: int, now: datetime) -> None:
    if 200 <= status < 300:
        Delivery.objects.filter(pk=row.pk).update(state=Delivery.State.DELIVERED, reason="")
        Webhook.objects.filter(pk=row.webhook_id).update(failures=0)
    elif status == GONE:
        _disable(row, "It answered 410: gone.")
    else:
        _failed(row, f"It answered {status}.", now)


def _failed(row: Delivery, reason: str, now: datetime) -> None:
    over = row.attempts > len(BACKOFF)
    changes = {"state": Delivery.State.FAILED} if over else {"due": now + BACKOFF[row.attempts - 1]}
    Delivery.objects.filter(pk=row.pk).update(reason=reason, **changes)
    Webhook.objects.filter(pk=row.webhook_id).update(failures=F("failures") + 1)
    Webhook.objects.filter(pk=row.webhook_id, failures__gte=FAILURES).update(
        disabled_because=f"{FAILURES} attempts in a row failed. The last: {reason}"[:200]
    )
    logger.info("A delivery failed: %s", reason)


def _disable(row: Delivery, reason: str) -> None:
    Delivery.objects.filter(pk=row.pk).update(state=Delivery.State.FAILED, reason=reason[:200])
    Webhook.objects.filter(pk=row.webhook_id).update(
        disabled_because=reason[:200], failures=F("failures") + 1
    )
