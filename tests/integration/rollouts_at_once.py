"""Run by a test in a process of its own: many threads take the same steps; prints what came of it."""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count

import django

THREADS = 8
numbers = count(0xA000)


def main() -> None:  # noqa: PLR0915 - one story, told in order
    django.setup()
    from django.db import connection
    from django.utils.timezone import now

    from mobile_models import audit, services
    from mobile_models.errors import StateConflict
    from mobile_models.models import AuditEntry, Release, Rollout
    from tests.delivery_rows import make_bundle, manifest
    from tests.factories import approve, evaluation

    def draft() -> Release:
        bundles = [
            make_bundle(variant, f"{next(numbers):x}", manifest=manifest(variant, scores=evaluation()))
            for variant in ("tflite_fp16", "server_fp32")
        ]
        return services.create_release(bundles=bundles)

    def start(release: Release, share: int = 500, **more: object) -> Rollout:
        return services.start_rollout(release=release, channel="stable", basis_points=share, **more)

    def at_once(*steps: Callable[[], object]) -> list[object]:
        """What each step gave in a thread of its own: its result, or the error that refused it."""

        def take(step: Callable[[], object]) -> object:
            try:
                return step()
            except StateConflict as refused:
                return refused
            finally:
                connection.close()

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(take, steps))

    def wins(given: list[object]) -> int:
        return sum(not isinstance(one, StateConflict) for one in given)

    counted = {}
    base = start(approve(draft()), 10_000)
    reviewed = services.submit_release(release=draft())
    copies = [Release.objects.get(pk=reviewed.pk) for _ in range(THREADS)]
    counted["approved"] = wins(
        at_once(*(lambda row=row: services.approve_release(release=row) for row in copies))
    )

    staged = start(reviewed)
    rows = [Rollout.objects.get(pk=staged.pk) for _ in range(THREADS)]
    counted["halted"] = wins(
        at_once(
            *(lambda row=row: services.halt_rollout(rollout=row, reason="x", roll_back=True) for row in rows)
        )
    )
    counted["rolled_back"] = Rollout.objects.filter(release=base.release).count() - 1

    releases = [approve(draft()) for _ in range(THREADS)]
    counted["started"] = wins(at_once(*(lambda row=row: start(row, 10_000) for row in releases)))
    counted["active"] = Rollout.objects.filter(state=Rollout.State.ACTIVE).count()
    counters = list(Rollout.objects.values_list("release_counter", flat=True))
    counted["counters_twice"] = len(counters) - len(set(counters))

    later = start(approve(draft()), starts_at=now() + timedelta(hours=1))
    due = start(
        approve(draft()),
        stages=[{"basis_points": 900, "after_hours": 1, "if_healthy": False}],
        conditions={"platforms": ["ios"]},
    )
    moment = now() - timedelta(minutes=1)
    Rollout.objects.filter(pk=later.pk).update(starts_at=moment, conditions={"platforms": ["android"]})
    Rollout.objects.filter(pk=due.pk).update(next_stage_at=moment)
    counted["moved"] = sum(int(str(one)) for one in at_once(*[services.advance_rollouts] * THREADS))

    same = [approve(draft()) for _ in range(THREADS)]
    at_once(
        *(lambda row=row: start(row) for row in same),
        *(
            lambda row=row: services.withdraw_release(release=Release.objects.get(pk=row.pk), reason="x")
            for row in same
        ),
    )
    withdrawn = Release.objects.filter(state=Release.State.WITHDRAWN)
    counted["withdrawn"] = withdrawn.count()
    open_states = ("scheduled", "active", "paused")
    counted["withdrawn_and_offered"] = Rollout.objects.filter(
        release__in=withdrawn, state__in=open_states
    ).count()

    # Nothing but the log is common to these.
    drafts = [draft() for _ in range(THREADS)]
    counted["submitted"] = wins(
        at_once(*(lambda row=row: services.submit_release(release=row) for row in drafts))
    )

    counted["problems"] = audit.verify()
    counted["log_is_gapless"] = audit.head()[0] == AuditEntry.objects.count()
    sys.stdout.write(json.dumps(counted) + "\n")


if __name__ == "__main__":
    main()
