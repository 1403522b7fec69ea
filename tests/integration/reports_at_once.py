"""Run by a test in a process of its own: many threads report at once; prints what was counted."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import django

THREADS = 8


def main() -> None:
    django.setup()
    from django.db import connection

    from mobile_models.models import HealthCount, ReportBatch, ReportCount, ReportToken
    from mobile_models.reports import services, tokens
    from tests.reporting import batch, staged

    staged()

    def accepted(sent: tuple[tokens.Token, dict]) -> bool:
        try:
            return services.accept(token=sent[0], document=sent[1])
        finally:
            connection.close()

    def at_once(sent: list[tuple[tokens.Token, dict]]) -> int:
        """How many of these batches counted, each sent by a thread of its own."""
        with ThreadPoolExecutor(THREADS) as pool:
            return sum(pool.map(accepted, sent))

    def token() -> tokens.Token:
        return tokens.read(f"Report {tokens.issue('stable', 'ios')[0]}")

    def counted() -> list[float]:
        """Crashes that were counted, and devices, and how many of these crashed."""
        crashes = ReportCount.objects.filter(operation="crash").values_list("count", flat=True)
        row = HealthCount.objects.get(metric="crash", arm="exposed")
        return [sum(crashes), row.count, row.total]

    one, again = token(), batch("exposed", crashed=True)
    found = {"same_batch": at_once([(one, again)] * THREADS), "after_same_batch": counted()}
    found["same_token"] = at_once([(one, batch("exposed", crashed=True)) for _ in range(THREADS)])
    found["after_same_token"] = counted()
    found["charged"] = ReportToken.objects.get().batches
    one_token_each = [(token(), batch("exposed", crashed=True)) for _ in range(THREADS)]
    found["one_token_each"] = at_once(one_token_each)
    found["after_one_token_each"] = counted()
    same = str(uuid4())
    found["same_id_of_many"] = at_once([(token(), batch("exposed", batch_id=same)) for _ in range(THREADS)])
    found["kept"] = ReportBatch.objects.count()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
