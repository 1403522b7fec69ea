"""Run by a test in a process of its own: a device sends from many threads; prints what came of it."""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import django

THREADS = 8


def main() -> None:
    django.setup()
    from django.db import connection
    from django.utils import timezone

    from tests.weather import make_run
    from weatherapp.personal import alerts, learning, services
    from weatherapp.personal.errors import LimitReached
    from weatherapp.personal.models import BiasFilter, Device, FeedEntry

    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    for age in (6, 0):
        make_run(init_time=hour - timedelta(hours=age))
    device, _ = services.register(profile={})
    place = services.add_place(device=device, values={"latitude": 41.9, "longitude": -87.7})
    values = {"variable": "temperature", "comparison": "above", "threshold": -50.0, "probability": 0.5}
    services.add_rule(device=device, values={**values, "place": str(place.pk)})

    def closing(work: Callable[[int], object]) -> Callable[[int], object]:
        def run(number: int) -> object:
            try:
                return work(number)
            finally:
                connection.close()

        return run

    def report(number: int) -> object:
        told = {"id": f"r{number}", "place": str(place.pk), "variable": "temperature", "value": 21.0}
        return learning.report(device=device, values={**told, "time": now - timedelta(minutes=number)})

    def same(_: int) -> bool:
        told = {"id": "same", "place": str(place.pk), "time": now - timedelta(minutes=90), "vote": 1}
        return learning.vote(device=device, values=told)[2]

    def another_place(_: int) -> bool:
        try:
            services.add_place(device=device, values={"latitude": 1.0, "longitude": 1.0})
        except LimitReached:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(closing(report), range(1, 41)))
        new = list(pool.map(closing(same), range(16)))
        places = list(pool.map(closing(another_place), range(40)))
        found = list(pool.map(closing(lambda _: alerts.evaluate_rules(now=now)), range(8)))
    counted = {
        "learned": BiasFilter.objects.get().state["reports"],
        "new_votes": sum(map(bool, new)),
        "votes": Device.objects.get().comfort["votes"],
        "places": sum(map(bool, places)) + 1,
        "found": sum(int(str(one)) for one in found),
        "entries": FeedEntry.objects.count(),
    }
    sys.stdout.write(json.dumps(counted) + "\n")


if __name__ == "__main__":
    main()
