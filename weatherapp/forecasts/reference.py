"""What the API's reference says about parameters and answers."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from mobile_models.serializers import ContractReferenceSerializer, ProblemSerializer
from weatherapp.core import units
from weatherapp.forecasts.daily import DAILY
from weatherapp.forecasts.query import (
    CELLS,
    FORECAST_DAYS,
    FORMATS,
    MODELS,
    PAST_DAYS,
    PLACES,
    RESOLUTIONS,
    TIME_FORMATS,
)
from weatherapp.forecasts.variables import LEVELS, QUANTILES, produced

EXPOSED = (
    "ETag, Expires, Last-Modified, Retry-After, X-Skyfold-Run, X-Skyfold-Run-Age, X-Skyfold-Release, "
    "X-Skyfold-Stations, X-Skyfold-Replay"
)
BODY_TYPES = ("application/json", "application/x-www-form-urlencoded")


class ForecastErrorSerializer(serializers.Serializer[None]):
    """What went wrong, in this grammar's own form."""

    error = serializers.BooleanField(help_text="Always true.")
    reason = serializers.CharField(help_text="The parameter, what was given and what is allowed.")


VALUES = {
    "type": "array",
    "items": {"nullable": True, "description": "A number; for points in time a label. Null where unknown."},
}
# A series per variable that was asked for, spelt as it was asked for; null where unknown.
SERIES = {"type": "object", "required": ["time"], "additionalProperties": VALUES}
MOMENT = {
    "type": "object",
    "required": ["time", "interval"],
    "additionalProperties": VALUES["items"],
    "description": "`interval` is the seconds that amounts are for.",
}
UNITS = {"type": "object", "required": ["time"], "additionalProperties": {"type": "string"}}


def _section(name: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{name}_units": UNITS, name: values}


FORECAST: dict[str, Any] = {
    "type": "object",
    "required": [
        "latitude", "longitude", "generationtime_ms", "utc_offset_seconds", "timezone",
        "timezone_abbreviation",
    ],
    "properties": {
        "latitude": {"type": "number"},
        "longitude": {"type": "number"},
        "generationtime_ms": {
            "type": "number",
            "description": "Spent on this place when the answer was made, which may be minutes ago.",
        },
        "utc_offset_seconds": {"type": "integer", "description": "Now; labels use that of their own hour."},
        "timezone": {"type": "string"},
        "timezone_abbreviation": {"type": "string"},
        "elevation": {"type": "number", "description": "Metres; absent with `elevation=nan`."},
        "replay": {"type": "boolean", "description": "Present and true in a replay."},
        "location_id": {"type": "integer", "description": "From the second place on."},
        **_section("current", MOMENT),
        **_section("current_weather", MOMENT),
        **_section("minutely_15", SERIES),
        **_section("hourly", SERIES),
        **_section("daily", SERIES),
    },
    "additionalProperties": False,
}  # fmt: skip
FORECASTS = {"oneOf": [FORECAST, {"type": "array", "items": FORECAST}]}


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


_hours = (
    f"Any of {', '.join(produced())}; quantiles such as {', '.join(f'{name}_p90' for name in QUANTILES)} "
    f"(levels {' '.join(LEVELS)}); older spellings; and all other variables of Open-Meteo, null."
)
_days = f"Any of {', '.join(DAILY)}; older spellings; and every other variable of Open-Meteo, which is null."
_exclusive = "Excludes past_* and forecast_* other than 0. One, or one per place."
PARAMETERS = [
    _query(
        "latitude", f"Degrees north; up to {PLACES}, separated by commas or repeated.", "41.88", required=True
    ),
    _query("longitude", "Degrees east, as many as latitudes.", "-87.63", required=True),
    _query("elevation", "Metres, as many as latitudes; `nan` for no downscaling.", "181"),
    _query("hourly", _hours, "temperature_2m,weather_code"),
    _query("daily", _days, "temperature_2m_max,sunrise"),
    _query("current", "As `hourly`: values of the quarter of an hour that is now.", "temperature_2m"),
    _query("minutely_15", "As `hourly`, interpolated to quarters of an hour.", "precipitation"),
    _query("current_weather", "The older block of what is now.", enum=("false", "true")),
    _query("timezone", "An IANA name, GMT, or `auto`; one, or one per place.", "auto"),
    _query("temperature_unit", "Unit of temperatures.", enum=tuple(units.TEMPERATURE)),
    _query("wind_speed_unit", "Unit of speeds.", enum=tuple(units.SPEED)),
    _query("windspeed_unit", "Its older spelling, which wins.", enum=tuple(units.SPEED)),
    _query("precipitation_unit", "Unit of amounts; inch also turns cm and m.", enum=tuple(units.WATER)),
    _query("length_unit", "Unit of heights and of snow.", enum=tuple(units.LENGTH)),
    _query("timeformat", "Local time, or seconds since 1970.", enum=TIME_FORMATS),
    _query("forecast_days", f"0 to {FORECAST_DAYS}; 7 unless given, or set.", 2, type=OpenApiTypes.INT),
    _query("past_days", f"0 to {PAST_DAYS}; 0 unless given.", 0, type=OpenApiTypes.INT),
    _query("forecast_hours", "Hours from the current one on, instead of days.", type=OpenApiTypes.INT),
    _query("past_hours", "Hours before the current one.", type=OpenApiTypes.INT),
    _query("forecast_minutely_15", "Quarters of an hour from the current one on.", type=OpenApiTypes.INT),
    _query("past_minutely_15", "Quarters of an hour before the current one.", type=OpenApiTypes.INT),
    _query("start_date", f"First local day, such as 2026-07-04. {_exclusive}"),
    _query("end_date", "Last local day; goes with start_date."),
    _query("start_hour", f"First local hour, such as 2026-07-04T18:00. {_exclusive}"),
    _query("end_hour", "Last local hour; goes with start_hour."),
    _query("start_minutely_15", f"First local quarter of an hour. {_exclusive}"),
    _query("end_minutely_15", "Last local quarter of an hour; goes with start_minutely_15."),
    _query(
        "models",
        f"`best_match` or versions of releases; up to {MODELS}. Several: names get `_<model>` behind them.",
        "best_match",
    ),
    _query("cell_selection", "Accepted and without effect.", enum=CELLS),
    _query("temporal_resolution", "Accepted and without effect.", enum=RESOLUTIONS),
    _query("format", "How the answer is written.", enum=FORMATS),
]
CELL = OpenApiParameter(
    "cell",
    location="path",
    description="South-west corner in whole degrees.",
    examples=[OpenApiExample("Chicago", value="N41W088")],
)
_NUMBERS = {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}
_NAMES = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
FORECAST_BODY = {
    "type": "object",
    "required": ["latitude", "longitude"],
    "properties": {
        **dict.fromkeys(("latitude", "longitude", "elevation"), _NUMBERS),
        **dict.fromkeys(("hourly", "daily", "current", "minutely_15", "models", "timezone"), _NAMES),
    },
    "additionalProperties": True,
    "description": "The parameters of the GET form; each a value or a list.",
}


def _refused(description: str) -> OpenApiResponse:
    return OpenApiResponse(ForecastErrorSerializer, description=description)


_WRITTEN: dict[Any, Any] = {
    (200, "application/json"): OpenApiResponse(
        FORECASTS, description="One place gives an object, several a list of them."
    ),
    (200, "text/csv"): OpenApiResponse(
        OpenApiTypes.STR, description="With `format=csv`: a table of places, and one per section."
    ),
    (200, "application/octet-stream"): OpenApiResponse(
        OpenApiTypes.BINARY,
        description="With `format=flatbuffers`: size-prefixed messages, one per place and model.",
    ),
}
_REFUSED = {
    400: _refused("A parameter is not what is allowed, or no station is near a place."),
    429: _refused("This address asks too often; `Retry-After` says when to ask again."),
    503: _refused("No run is stored yet; `Retry-After` says when to ask again."),
}
FORECAST_RESPONSES = {
    **_WRITTEN,
    304: OpenApiResponse(description="What `If-None-Match` or `If-Modified-Since` names still holds."),
    **_REFUSED,
}
POSTED_RESPONSES = {
    **_WRITTEN,
    **_REFUSED,
    413: _refused("The body is larger than 128 kB."),
    415: _refused("The body is neither a form nor JSON."),
}
CELL_RESPONSES = {
    200: CellSerializer,
    304: OpenApiResponse(description="The tag in `If-None-Match` still holds."),
    404: OpenApiResponse(ProblemSerializer, description="Not a cell, or no station is near it."),
    503: OpenApiResponse(ProblemSerializer, description="No run is stored yet."),
}
