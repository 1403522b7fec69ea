"""`/v1/verification`: how good past runs were."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseNotModified
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mobile_models.serializers import ProblemSerializer
from weatherapp.forecasts import caching
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.models import DriftAlarm
from weatherapp.forecasts.verification import selectors
from weatherapp.forecasts.verification.query import MOST_DAYS, parse_question
from weatherapp.forecasts.verification.scoring import BUCKETS, RAIN_CHANCE
from weatherapp.forecasts.verification.selectors import GROUPS, Question, Result, known_variables

MOST_RESULTS = 10_000
HOLDS_SECONDS = 60
DECIMALS = 5
REFERENCE = "same hour yesterday"


class ReferenceSerializer(serializers.Serializer[None]):
    """The reference on the hours for which it has something to say, and the forecast on the same hours."""

    n = serializers.IntegerField()
    score = serializers.FloatField(allow_null=True)
    forecast_score = serializers.FloatField(allow_null=True)
    skill = serializers.FloatField(
        allow_null=True, help_text="1 − forecast's score ÷ reference's score; above 0 is better than it."
    )


class ResultSerializer(serializers.Serializer[None]):
    """One group: the names that were grouped by, and means over its pairs of a forecast and a report."""

    variable = serializers.CharField()
    lead = serializers.IntegerField(required=False, help_text="Hours.")
    lead_bucket = serializers.CharField(required=False, help_text="First and last lead, hours.")
    day = serializers.DateField(required=False, help_text="Of the valid time, UTC.")
    station = serializers.CharField(required=False)
    release = serializers.CharField(required=False)
    unit = serializers.CharField(help_text="Of everything but n and skill; of Brier and RPS none.")
    metric = serializers.CharField(help_text="What `score` is: CRPS, MAE, vector error, RPS or Brier.")
    n = serializers.IntegerField(help_text="Pairs.")
    score = serializers.FloatField(help_text="Lower is better.")
    mae = serializers.FloatField(allow_null=True, help_text="Mean absolute error of the median.")
    rmse = serializers.FloatField(allow_null=True)
    bias = serializers.FloatField(allow_null=True, help_text="Mean of forecast − reported.")
    reference = ReferenceSerializer()


class TenthSerializer(serializers.Serializer[None]):
    """Hours with about the same forecast probability of precipitation."""

    n = serializers.IntegerField()
    probability = serializers.FloatField(help_text="Mean forecast.")
    frequency = serializers.FloatField(help_text="Share of them that were wet.")


class AlarmSerializer(serializers.Serializer[None]):
    """A variable that is forecast worse than it was."""

    variable = serializers.CharField()
    opened = serializers.DateTimeField()
    statistic = serializers.FloatField(help_text="Standard errors.")
    recent = serializers.FloatField(help_text="Score ÷ reference's score over the last 7 days.")
    before = serializers.FloatField(help_text="The same over the 28 days before.")


class VerificationSerializer(serializers.Serializer[None]):
    """Scores, and what they come from."""

    since = serializers.DateField()
    until = serializers.DateField()
    delay_hours = serializers.IntegerField(help_text="An hour is scored so long after it.")
    runs = serializers.IntegerField()
    replays = serializers.IntegerField(help_text="Of the runs: made from replayed observations.")
    hindcasts = serializers.IntegerField(help_text="Of the runs: made after the fact.")
    reference = serializers.CharField()
    results = ResultSerializer(many=True)
    reliability = TenthSerializer(many=True, help_text="Empty where stations are chosen.")
    alarms = AlarmSerializer(many=True)


def _parameter(name: str, description: str, example: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, description=description, examples=[OpenApiExample(example, value=example)], **more
    )


PARAMETERS = [
    _parameter("variable", f"Any of {', '.join(known_variables())}; all unless given.", "temperature"),
    _parameter("station", "Codes of stations; all unless given.", "isd-725300"),
    _parameter("lead_bucket", f"Any of {', '.join(BUCKETS)}; all unless given.", "1-6"),
    _parameter("release", "Versions; all unless given.", "2026.07.04-1"),
    _parameter(
        "since", "First day, of the valid time; 30 days unless given.", "2026-07-01", type=OpenApiTypes.DATE
    ),
    _parameter(
        "until",
        f"Last day; today unless given. At most {MOST_DAYS} days in all.",
        "2026-07-30",
        type=OpenApiTypes.DATE,
    ),
    _parameter(
        "group_by", f"Any of {', '.join(GROUPS)}; a variable is a group in any case.", "variable,lead"
    ),
]


class Verification(APIView):
    """How good past runs were."""

    @extend_schema(
        operation_id="verification",
        tags=["forecast"],
        parameters=PARAMETERS,
        responses={
            200: VerificationSerializer,
            304: OpenApiResponse(description="The tag in `If-None-Match` still holds."),
            400: OpenApiResponse(ProblemSerializer, description="A parameter is not what is allowed."),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        """Score past runs against what was then observed.

        Forecasts for stations, as the model gave them, before any blending. Lists are separated by commas, or
        their parameter is repeated. Every hour of a run is counted once, some hours after it; a score is a
        mean over pairs of a forecast and a report. The reference is what was observed at the same hour of the
        last day that was known when the run began.
        """
        given = {name: request.GET.getlist(name) for name in request.GET}
        question = parse_question(given, today=timezone.now().date())
        etag = caching.tag(selectors.version(), repr(question))
        if caching.is_fresh(request._request, etag):  # noqa: SLF001 - the plain request beneath
            response: HttpResponse = HttpResponseNotModified()
        else:
            response = Response(_body(question))
        response["ETag"] = etag
        response["Cache-Control"] = f"public, max-age={HOLDS_SECONDS}"
        response["Access-Control-Allow-Origin"] = "*"
        return response


def _body(question: Question) -> dict[str, Any]:
    found = selectors.results(question, limit=MOST_RESULTS)
    if len(found) > MOST_RESULTS:
        raise QueryInvalid(
            f"The answer has more than {MOST_RESULTS:,} groups. Group by less, or ask for fewer days."
        )
    rain = not question.variables or RAIN_CHANCE in question.variables
    tenths = selectors.reliability(question) if rain and not question.by_station else []
    return {
        "since": question.since,
        "until": question.until,
        "delay_hours": settings.VERIFICATION_DELAY_HOURS,
        **selectors.counts(question),
        "reference": REFERENCE,
        "results": [_result(result) for result in found],
        "reliability": [{name: _rounded(value) for name, value in tenth.items()} for tenth in tenths],
        "alarms": [_alarm(alarm) for alarm in selectors.open_alarms()],
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        **result.keys,
        "unit": result.variable.unit,
        "metric": result.variable.metric,
        "n": result.n,
        "score": _rounded(result.score),
        "mae": _rounded(result.mae),
        "rmse": _rounded(result.rmse),
        "bias": _rounded(result.bias),
        "reference": {
            "n": result.paired,
            "score": _rounded(result.reference_score),
            "forecast_score": _rounded(result.paired_score),
            "skill": _rounded(result.skill),
        },
    }


def _alarm(alarm: DriftAlarm) -> dict[str, Any]:
    figures = ("statistic", "recent", "before")
    return {
        "variable": alarm.variable,
        "opened": alarm.opened,
        **{name: _rounded(getattr(alarm, name)) for name in figures},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)
