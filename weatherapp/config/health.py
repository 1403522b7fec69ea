"""Whether the process lives, and whether it can serve."""

from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from weatherapp.forecasts import selectors, store
from weatherapp.forecasts.errors import ForecastError


class HealthSerializer(serializers.Serializer[None]):
    """The process answers."""

    status = serializers.CharField()


class CheckSerializer(serializers.Serializer[None]):
    """One check: whether it passed, and what was seen."""

    ok = serializers.BooleanField()
    detail = serializers.CharField()


class ReadinessSerializer(serializers.Serializer[None]):
    """Every check by name."""

    ready = serializers.BooleanField()
    checks = serializers.DictField(child=CheckSerializer())


class Health(APIView):
    """Liveness: touches nothing but the process."""

    @extend_schema(operation_id="healthz", tags=["operations"], responses=HealthSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Say that the process is alive."""
        return Response({"status": "ok"}, headers={"Cache-Control": "no-store"})


class Readiness(APIView):
    """Readiness: database, migrations, a run to answer from."""

    @extend_schema(
        operation_id="readyz",
        tags=["operations"],
        responses={
            200: ReadinessSerializer,
            503: OpenApiResponse(ReadinessSerializer, description="A check failed."),
        },
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Say whether requests can be served, check by check."""
        checks = readiness()
        ready = all(check["ok"] for check in checks.values())
        body = {"ready": ready, "checks": checks}
        return Response(body, status=200 if ready else 503, headers={"Cache-Control": "no-store"})


def readiness() -> dict[str, dict[str, Any]]:
    """Run every check; one that fails does not keep the others from being seen."""
    return {
        "database": _outcome(_database),
        "migrations": _outcome(_migrations),
        "run": _outcome(_run),
    }


def _outcome(check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"ok": True, "detail": check()}
    except DatabaseError:
        # The driver's words may name hosts and users.
        return {"ok": False, "detail": "The database does not answer; look at DATABASE_URL and its server."}
    except (ForecastError, MigrationsWait) as error:
        return {"ok": False, "detail": str(error)}


class MigrationsWait(Exception):
    """The tables are older than the code."""


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "reachable"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        raise MigrationsWait(f"{len(waiting)} migrations are not applied; run `manage.py migrate`.")
    return "applied"


def _run() -> str:
    run = selectors.current_run()
    store.open_run(str(run.folder))
    return selectors.run_condition(run)
