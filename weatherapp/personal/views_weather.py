"""What a device reports, and what it gets for it: its own forecast, briefing and feed."""

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from weatherapp.personal import briefings, forecast, learning, selectors, sentences, shapes
from weatherapp.personal import serializers as forms
from weatherapp.personal.api import (
    BODY,
    PersonalView,
    body_of,
    conditional,
    device_of,
    problems,
    query_of,
    whole,
)
from weatherapp.personal.models import Device, Place

TAGS = ["devices"]
SAME = {304: OpenApiResponse(description="The tag in `If-None-Match` still holds.")}
PLACE = OpenApiParameter(
    "place",
    description="Id of one place; all of them unless given.",
    examples=[OpenApiExample("id", value="00000000-0000-4000-8000-000000000000")],
)
DAYS = OpenApiParameter(
    "days",
    OpenApiTypes.INT,
    description=f"Local days from today on, 1 to {forecast.MOST_DAYS}; {forecast.DEFAULT_DAYS} unless given.",
    examples=[OpenApiExample("two", value=2)],
)


class Votes(PersonalView):
    """How a person felt."""

    @extend_schema(
        operation_id="vote",
        tags=TAGS,
        request=forms.VoteInput,
        responses={
            200: OpenApiResponse(forms.VoteSerializer, description="Sent before; counted once."),
            201: forms.VoteSerializer,
            **problems(*BODY, 404, 409, 503),
        },
    )
    def post(self, request: Request) -> Response:
        """Say how it felt at a place and time: −3 much too cold, 0 just right, 3 much too warm.

        It is learned against the thermal index (UTCI) that the run gives for then and there.
        """
        made, state, new = learning.vote(device=device_of(request), values=body_of(request, forms.VoteInput))
        body = {**shapes.vote_body(made), "votes": state.votes}
        return Response(body, status=201 if new else 200)


class Observations(PersonalView):
    """What a device measured."""

    @extend_schema(
        operation_id="own_report",
        tags=TAGS,
        request=forms.ReportInput,
        responses={
            200: OpenApiResponse(forms.ReportSerializer, description="Sent before; counted once."),
            201: forms.ReportSerializer,
            **problems(*BODY, 404, 409, 503),
        },
    )
    def post(self, request: Request) -> Response:
        """Report what was measured or felt at a place: a filter learns how it differs from its forecast.

        A report that is taken but not believed is answered with `accepted: false` and the reason. Reports may
        come late, up to 48 hours, and in any order.
        """
        values = body_of(request, forms.ReportInput)
        made, new = learning.report(device=device_of(request), values=values)
        return Response(shapes.report_body(made), status=201 if new else 200)


class Feed(PersonalView):
    """What rules found."""

    @extend_schema(
        operation_id="feed",
        tags=TAGS,
        parameters=[
            OpenApiParameter(
                "after",
                OpenApiTypes.INT,
                description="The `cursor` of the answer before; 0 unless given.",
                examples=[OpenApiExample("from the beginning", value=0)],
            )
        ],
        responses={200: forms.FeedSerializer, **problems(400, 401)},
    )
    def get(self, request: Request) -> Response:
        """Entries that came after a cursor, oldest first, at most 50. They are kept for 30 days."""
        device = device_of(request)
        after = whole(query_of(request, "after"), "after", least=0, most=2**31 - 1, default=0)
        entries, more = selectors.feed(device, after)
        language = sentences.language_of(device, request.headers.get("Accept-Language", ""))
        return Response(
            {
                "entries": [shapes.entry_body(entry, device, language=language) for entry in entries],
                "cursor": str(entries[-1].sequence if entries else after),
                "more": more,
            }
        )


class PersonalForecast(PersonalView):
    """The device's own forecast."""

    keepable = True

    @extend_schema(
        operation_id="personal_forecast",
        tags=TAGS,
        parameters=[PLACE, DAYS],
        responses={200: forms.PersonalForecastSerializer, **SAME, **problems(400, 401, 404, 503)},
    )
    def get(self, request: Request) -> Response:
        """Forecast the device's places with everything that was learned.

        Each variable shows the public value, the correction and the personal value, in the profile's units.
        """
        device, asked = device_of(request), query_of(request, "place", "days")
        days = whole(asked, "days", least=1, most=forecast.MOST_DAYS, default=forecast.DEFAULT_DAYS)
        language = sentences.language_of(device, request.headers.get("Accept-Language", ""))
        places = _places(device, asked.get("place"))
        body = forecast.forecast_body(device, places, days=days, language=language, now=timezone.now())
        response = conditional(request, body, str(device.pk))
        response["Content-Language"] = language
        return response


class Briefing(PersonalView):
    """The device's briefing."""

    keepable = True

    @extend_schema(
        operation_id="briefing",
        tags=TAGS,
        parameters=[PLACE],
        responses={200: forms.BriefingSerializer, **SAME, **problems(400, 401, 404, 503)},
    )
    def get(self, request: Request) -> Response:
        """Say in a few sentences what the forecast of the device's places says, and how sure it is."""
        device, asked = device_of(request), query_of(request, "place")
        language = sentences.language_of(device, request.headers.get("Accept-Language", ""))
        places = _places(device, asked.get("place"))
        body = briefings.briefing_body(device, places, language=language, now=timezone.now())
        response = conditional(request, body, str(device.pk))
        response["Content-Language"] = language
        return response


def _places(device: Device, place_id: str | None) -> list[Place]:
    return list(device.places.all()) if place_id is None else [selectors.place_of(device, place_id)]
