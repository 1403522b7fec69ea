"""A staged rollout as rows, and devices that report about it."""

import json
from uuid import uuid4

from django.utils import timezone

from mobile_models.models import Channel, Release, Rollout
from tests.repositories import bundle_row

PHONE = "tflite_fp16"


def staged(basis_points=5000, **fields):
    """A staged rollout in front of a release that everyone has."""
    channel, _ = Channel.objects.get_or_create(name="stable")
    for number, share in ((1, 10_000), (2, basis_points)):
        release = Release.objects.create(version=f"v{number}", state=Release.State.LIVE)
        release.bundles.add(
            bundle_row(2 * number, variant=PHONE), bundle_row(2 * number + 1, variant="server_fp32")
        )
        more = fields if number == 2 else {}
        rollout = Rollout.objects.create(
            channel=channel, release=release, basis_points=share, salt="s", release_counter=number, **more
        )
    return rollout


def batch(arm="control", *, crashed=False, **changes):
    """A report batch of a device on one side of the staged rollout."""
    hour = timezone.now().isoformat()
    number = 2 if arm == "exposed" else 1
    done = [("check", "ok"), ("infer", "ok")] + [("crash", "failed")] * crashed
    return {
        "batch_id": str(uuid4()),
        "sent_at": hour,
        "channel": "stable",
        "platform": "ios",
        "release": f"v{number}",
        "release_counter": number,
        "variant": PHONE,
        "arm": arm,
        "rollout_counter": 2,
        "perf_class": "mid",
        "cell": "N41W088",
        "operations": [
            {"operation": operation, "outcome": outcome, "count": 1, "hour": hour}
            for operation, outcome in done
        ],
        **changes,
    }


def new_token(client, **query):
    """A report token, as a device gets it."""
    return client.get("/v1/reports/token", {"platform": "ios", **query}).json()["token"]


def send(client, token, document, **more):
    """Post a batch; a text or bytes go as they are."""
    body = document if isinstance(document, str | bytes) else json.dumps(document)
    more.setdefault("content_type", "application/json")
    headers = {"Authorization": f"Report {token}", **more.pop("headers", {})}
    return client.post("/v1/reports", body, headers=headers, **more)
