"""What the API's reference says about parameters and answers."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from mobile_models.serializers import ContractReferenceSerializer, ProblemSerializer
from weatherapp.core import units
from weatherapp.forecasts.query import CELLS, FORECAST_DAYS, PAST_DAYS, TIME_FORMATS
from weatherapp.forecasts.variables import VARIABLES

EXPOSED = "ETag, Expires, X-Skyfold-Run, X-Skyfold-Release, X-Skyfold-Stations, X-Skyfold-Replay"
BODY_TYPES = ("application/json", "application/x-www-form-urlencoded")


class ForecastErrorSerializer(serializers.Serializer[None]):
    """What went wrong, in this grammar's own form."""

    error = serializers.BooleanField(help_text="Always true.")
    reason = serializers.CharField(help_text="The parameter, what was given and what is allowed.")


class SeriesSerializer(serializers.Serializer[None]):
    """`time`, and one list per variable that was asked for, spelt as it was asked for; null where unknown."""

    time = serializers.ListField(child=serializers.CharField())


class SeriesUnitsSerializer(serializers.Serializer[None]):
    """The unit of `time` and of each variable that was asked for."""

    time = serializers.CharField()


class ForecastSerializer(serializers.Serializer[None]):
    """The forecast of one place."""

    latitude = serializers.FloatField()
    longitude = serializers.FloatField()
    generationtime_ms = serializers.FloatField()
    utc_offset_seconds = serializers.IntegerField(help_text="Now; the labels use the offset of their hour.")
    timezone = serializers.CharField()
    timezone_abbreviation = serializers.CharField()
    elevation = serializers.FloatField(required=False, help_text="Metres; absent with `elevation=nan`.")
    replay = serializers.BooleanField(required=False, help_text="Present and true in a replay.")
    location_id = serializers.IntegerField(required=False, help_text="From the second place on.")
    hourly_units = SeriesUnitsSerializer(required=False)
    hourly = SeriesSerializer(required=False)


class CellStationSerializer(serializers.Serializer[None]):
    """A station's inputs: rows of `history` are hours, oldest first, its columns the contract's channels."""

    id = serializers.CharField()
    name = serializers.CharField()
    latitude = serializers.FloatField()
    longitude = serializers.FloatField()
    elevation = serializers.FloatField()
    history = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True))
    )
    clock = serializers.ListField(child=serializers.FloatField())
    guidance = serializers.ListField(
        required=False,
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)),
        help_text="Present when the run had guidance: rows are leads, from 1 h; null where it is missing.",
    )


class CellSerializer(serializers.Serializer[None]):
    """Model inputs for a cell."""

    cell = serializers.CharField()
    run = serializers.CharField()
    init_time = serializers.CharField(help_text="UTC, `YYYY-MM-DDTHH:MMZ`.")
    contract = ContractReferenceSerializer()
    fits = serializers.ListField(
        child=serializers.CharField(),
        help_text="SHA-256 of every contract whose models these inputs can be given to.",
    )
    replay = serializers.BooleanField()
    stations = CellStationSerializer(many=True)


def _query(name: str, description: str, example: Any = None, **more: Any) -> OpenApiParameter:
    shown = [] if example is None else [OpenApiExample(str(example), value=example)]
    return OpenApiParameter(name, description=description, examples=shown, **more)


_spellings = ", ".join(f"{variable.name}" for variable in VARIABLES)
PARAMETERS = [
    _query("latitude", "Degrees north; several separated by commas.", "41.88", required=True),
    _query("longitude", "Degrees east, as many as latitudes.", "-87.63", required=True),
    _query("elevation", "Metres, as many as latitudes; `nan` for no downscaling.", "181"),
    _query("hourly", f"Any of {_spellings}, or their older spellings.", "temperature_2m,weather_code"),
    _query("timezone", "An IANA name, GMT, or `auto`; one, or one per place.", "auto"),
    _query("temperature_unit", "Unit of temperatures.", enum=tuple(units.TEMPERATURE)),
    _query("wind_speed_unit", "Unit of speeds. `windspeed_unit` wins over it.", enum=tuple(units.SPEED)),
    _query("precipitation_unit", "Unit of amounts; inch also turns metres to feet.", enum=tuple(units.WATER)),
    _query("length_unit", "Unit of heights.", enum=tuple(units.LENGTH)),
    _query("timeformat", "Local time, or seconds since 1970.", enum=TIME_FORMATS),
    _query("forecast_days", f"0 to {FORECAST_DAYS}; 7 unless given.", 2, type=OpenApiTypes.INT),
    _query("past_days", f"0 to {PAST_DAYS}; 0 unless given.", 0, type=OpenApiTypes.INT),
    _query("forecast_hours", "Hours from the current one on, instead of days.", type=OpenApiTypes.INT),
    _query("past_hours", "Hours before the current one.", type=OpenApiTypes.INT),
    _query("models", "`best_match` or the live release's version.", "best_match"),
    _query("cell_selection", "Accepted and without effect.", enum=CELLS),
]
CELL = OpenApiParameter(
    "cell",
    location="path",
    description="South-west corner in whole degrees.",
    examples=[OpenApiExample("Chicago", value="N41W088")],
)
FORECAST_BODY = {
    "type": "object",
    "required": ["latitude", "longitude"],
    "properties": {
        "latitude": {"type": "array", "items": {"type": "number"}},
        "longitude": {"type": "array", "items": {"type": "number"}},
        "hourly": {"type": "array", "items": {"type": "string"}},
    },
    "additionalProperties": True,
    "description": "The parameters of the GET form; each a value or a list.",
}


def _refused(description: str) -> OpenApiResponse:
    return OpenApiResponse(ForecastErrorSerializer, description=description)


FORECAST_RESPONSES = {
    200: OpenApiResponse(ForecastSerializer, description="One place; several give a list of these."),
    304: OpenApiResponse(description="The tag in `If-None-Match` still holds."),
    400: _refused("A parameter is not what is allowed, or no station is near the place."),
    413: _refused("The body is larger than 128 kB."),
    503: _refused("No run is stored yet; `Retry-After` says when to ask again."),
}
POSTED_RESPONSES = FORECAST_RESPONSES
CELL_RESPONSES = {
    200: CellSerializer,
    304: OpenApiResponse(description="The tag in `If-None-Match` still holds."),
    404: OpenApiResponse(ProblemSerializer, description="Not a cell, or no station is near it."),
    503: OpenApiResponse(ProblemSerializer, description="No run is stored yet."),
}
