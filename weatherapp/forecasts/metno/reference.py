"""What the API's reference says about Locationforecast."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from mobile_models.serializers import ProblemSerializer


class PointSerializer(serializers.Serializer[None]):
    """Where."""

    type = serializers.CharField(help_text="Always Point.")
    coordinates = serializers.ListField(
        child=serializers.FloatField(), help_text="Longitude, latitude, altitude in metres."
    )


class StepDataSerializer(serializers.Serializer[None]):
    """`instant` says how it is; the others what the hours ahead bring, as far as is known."""

    instant = serializers.DictField(help_text="`details`: values by name, in the units of `meta`.")
    next_1_hours = serializers.DictField(required=False, help_text="`summary.symbol_code` and `details`.")
    next_6_hours = serializers.DictField(required=False, help_text="`summary.symbol_code` and `details`.")
    next_12_hours = serializers.DictField(required=False, help_text="`summary.symbol_code`.")


# Serializers have an attribute `data` of their own, so that a class cannot name a field so.
STEP = inline_serializer(
    "Step", {"time": serializers.DateTimeField(), "data": StepDataSerializer()}, many=True
)


class MetaSerializer(serializers.Serializer[None]):
    """When it was made, and the units of the values."""

    updated_at = serializers.DateTimeField()
    units = serializers.DictField(child=serializers.CharField())


class PropertiesSerializer(serializers.Serializer[None]):
    """The forecast."""

    meta = MetaSerializer()
    timeseries = STEP


class LocationforecastSerializer(serializers.Serializer[None]):
    """A GeoJSON feature in MET Norway's format."""

    type = serializers.CharField(help_text="Always Feature.")
    geometry = PointSerializer()
    properties = PropertiesSerializer()


def _number(name: str, description: str, example: float, *, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(
        name,
        type=OpenApiTypes.DOUBLE,
        description=description,
        examples=[OpenApiExample(str(example), value=example)],
        required=required,
    )


PARAMETERS = [
    OpenApiParameter(
        "form",
        location="path",
        enum=("compact", "complete"),
        description="`complete` adds the dew point, percentiles, probabilities and extremes.",
    ),
    _number("lat", "Degrees north; four decimals count.", 41.88, required=True),
    _number("lon", "Degrees east; four decimals count.", -87.63, required=True),
    _number("altitude", "Metres above mean sea level; that of the stations around unless given.", 181),
]
HEADERS = [
    OpenApiParameter(
        "If-Modified-Since", location="header", description="`Last-Modified` of the copy that the client has."
    ),
]


def _problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description=description)


RESPONSES = {
    200: LocationforecastSerializer,
    304: OpenApiResponse(description="The client's copy still holds."),
    400: _problem("A parameter is missing or not what is allowed."),
    404: _problem("No such form; `compact` and `complete` are served."),
    422: _problem("No station is near the place."),
    429: _problem("Too many requests; `Retry-After` says when to ask again."),
    503: _problem("No run is stored yet; `Retry-After` says when to ask again."),
}
