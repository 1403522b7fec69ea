"""Where devices report. Nobody is asked who they are, and nothing says it."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mobile_models.callers import caller
from mobile_models.device import PLATFORMS
from mobile_models.models import DEFAULT_CHANNEL
from mobile_models.reports import body, services, tokens
from mobile_models.reports.schema import schema
from mobile_models.serializers import ProblemSerializer

TAGS = ["delivery"]
SCHEMA_SECONDS = 3600


class ReportTokenSerializer(serializers.Serializer[None]):
    """What a device reports with."""

    token = serializers.CharField(help_text="Goes into `Authorization: Report <token>`.")
    expires = serializers.DateTimeField()


class AcceptedSerializer(serializers.Serializer[None]):
    """A batch was taken."""

    batch_id = serializers.UUIDField()
    counted = serializers.BooleanField(help_text="False if a batch with this id came before.")


def _problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description=description)


def _query(name: str, description: str, example: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, description=description, examples=[OpenApiExample(example, value=example)], **more
    )


class ReportToken(APIView):
    """Report tokens."""

    @extend_schema(
        operation_id="report_token",
        tags=TAGS,
        parameters=[
            _query("platform", "The device's.", "ios", required=True, enum=tuple(PLATFORMS)),
            _query("channel", "The audience, `stable` unless given.", "stable"),
        ],
        responses={
            200: ReportTokenSerializer,
            400: _problem("`platform` is missing or unknown."),
            404: _problem("No such channel."),
            429: _problem("Too many tokens for this address; `Retry-After` says how long to wait."),
        },
    )
    def get(self, request: Request) -> Response:
        """Get a token to report with, good for 48 hours.

        It is random and stored nowhere: it names no device, and only holds how much one of them may send.
        """
        query = request.query_params
        token, expires = services.issue_token(
            channel=query.get("channel", DEFAULT_CHANNEL),
            platform=query.get("platform", ""),
            caller=caller(request.META),
        )
        return Response({"token": token, "expires": expires}, headers={"Cache-Control": "no-store"})


class Reports(APIView):
    """Reports."""

    parser_classes = (JSONParser,)

    @extend_schema(
        operation_id="report",
        tags=TAGS,
        parameters=[
            OpenApiParameter(
                "Authorization",
                location="header",
                required=True,
                description="`Report` and a token of `/v1/reports/token`.",
            )
        ],
        request={"application/json": {"type": "object", "description": "See /v1/reports/schema.json."}},
        responses={
            202: AcceptedSerializer,
            400: _problem("Not JSON, or a field is not what is allowed; `detail` names it."),
            401: _problem("No token, or one that has ended or is not of this server."),
            411: _problem("The body's length is not known."),
            413: _problem("The body has more than 64 KiB."),
            415: _problem("Not `application/json`, or compressed."),
            422: _problem("About a release, rollout or time that this server cannot place."),
            429: _problem("The token is used up for this hour; `Retry-After` says how long to wait."),
        },
    )
    def post(self, request: Request) -> Response:
        """Report what was done since the last batch, counted.

        Send the same batch again, with its `batch_id`, until it is answered: it counts once. `arm` is the
        side of the newest staged rollout that the device finds itself on; it says nothing else about the
        device.
        """
        token = tokens.read(request.headers.get("Authorization"))
        document = body.read(request._request)  # noqa: SLF001 - read before a parser holds all of it
        counted = services.accept(token=token, document=document)
        accepted = {"batch_id": document["batch_id"], "counted": counted}
        return Response(accepted, status=202, headers={"Cache-Control": "no-store"})


class ReportSchema(APIView):
    """The schema of reports."""

    @extend_schema(
        operation_id="report_schema",
        tags=TAGS,
        responses={200: {"type": "object", "description": "A JSON Schema, 2020-12."}},
    )
    def get(self, _request: Request) -> Response:
        """The JSON Schema that batches are checked against."""
        return Response(schema(), headers={"Cache-Control": f"public, max-age={SCHEMA_SECONDS}"})
