"""Bodies that devices send, and the shapes of the answers for the API's reference."""

from typing import Any

from rest_framework import serializers

from weatherapp.core import units
from weatherapp.core.personal.activities import ACTIVITIES
from weatherapp.personal import fields
from weatherapp.personal.models import DEFAULT_PRECISION, PRECISIONS, Device, OwnReport, Place, Rule
from weatherapp.personal.variables import REPORTED, RULED, UNIT_NAMES

LANGUAGES = tuple(Device.Language.values)
HEADLINES = tuple(Device.Headline.values)
KINDS = tuple(Place.Kind.values)
SOURCES = tuple(OwnReport.Source.values)
COMPARISONS = tuple(Rule.Comparison.values)


class QuietHours(fields.Strict):
    """When nothing is said, in the device's zone; over midnight where `end` is earlier than `start`."""

    start = fields.clock()
    end = fields.clock()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse quiet hours of no length, and half of them even where the profile is given in part."""
        if len(attrs) < 2:
            raise serializers.ValidationError("start and end belong together; give both.")
        if attrs["start"] == attrs["end"]:
            raise serializers.ValidationError("start and end are the same; give null for no quiet hours.")
        return attrs


class ProfileInput(fields.Strict):
    """How a device wants its forecasts; every key may be left out."""

    temperature_unit = fields.Choice(choices=tuple(units.TEMPERATURE), required=False)
    wind_speed_unit = fields.Choice(choices=tuple(units.SPEED), required=False)
    precipitation_unit = fields.Choice(choices=tuple(units.WATER), required=False)
    length_unit = fields.Choice(choices=tuple(units.LENGTH), required=False)
    language = fields.Choice(
        choices=LANGUAGES, required=False, allow_null=True, help_text="null: what Accept-Language says."
    )
    time_zone = fields.Zone(required=False, max_length=64, help_text="An IANA name; UTC unless given.")
    headline = fields.Choice(choices=HEADLINES, required=False, help_text="What a briefing speaks of.")
    precision = fields.Choice(
        choices=PRECISIONS,
        required=False,
        help_text=f"Degrees that coordinates are rounded to before they are stored; {DEFAULT_PRECISION} "
        "unless given. A coarser one rounds the stored places again.",
    )
    activities = fields.Choices(tuple(ACTIVITIES), required=False)
    quiet_hours = QuietHours(required=False, allow_null=True)


class PlaceInput(fields.Strict):
    """A place."""

    latitude = fields.Number(min_value=-90, max_value=90, help_text="Degrees north.")
    longitude = fields.Number(min_value=-180, max_value=180, help_text="Degrees east.")
    elevation = fields.Number(
        min_value=-500, max_value=9000, allow_null=True, required=False, help_text="Metres."
    )
    label = fields.Label(max_length=40, allow_blank=True, required=False)  # type: ignore[assignment]
    kind = fields.Choice(choices=KINDS, required=False)
    own_station = fields.Flag(required=False, help_text="The device measures here itself.")


class CommuteInput(fields.Strict):
    """A way that is gone on some days within a window of local time."""

    days = fields.days(allow_empty=False)
    start = fields.clock()
    end = fields.clock()
    origin = fields.Text(max_length=36, help_text="Id of a place.")
    destination = fields.Text(max_length=36, help_text="Id of a place.")


class RuleInput(fields.Strict):
    """When to tell the device. Give `place` or `commute`; days and window belong to a place."""

    place = fields.Text(max_length=36, allow_null=True, required=False, help_text="Id of a place.")
    commute = fields.Text(max_length=36, allow_null=True, required=False, help_text="Id of a commute.")
    variable = fields.Choice(choices=RULED)
    comparison = fields.Choice(choices=COMPARISONS)
    threshold = fields.Number(min_value=-1e4, max_value=1e4, help_text="In `unit`.")
    unit = fields.Choice(choices=UNIT_NAMES, required=False, help_text="The profile's unless given.")
    probability = fields.Number(min_value=0.01, max_value=0.99, help_text="More likely than this, 0 to 1.")
    days = fields.days(required=False)
    start = fields.clock(allow_null=True, required=False)
    end = fields.clock(allow_null=True, required=False)
    enabled = fields.Flag(required=False)


class VoteInput(fields.Strict):
    """How a person felt."""

    id = fields.client_id()
    place = fields.Text(max_length=36, help_text="Id of a place.")
    time = fields.Moment(help_text="With an offset; at most 48 hours ago.")
    vote = fields.Whole(
        min_value=-3, max_value=3, help_text="−3 much too cold, 0 just right, 3 much too warm."
    )


class ReportInput(fields.Strict):
    """What a device measured, or its person felt."""

    id = fields.client_id()
    place = fields.Text(max_length=36, help_text="Id of a place.")
    time = fields.Moment(help_text="With an offset; at most 48 hours ago.")
    variable = fields.Choice(
        choices=REPORTED,
        help_text="`pressure_msl` is at mean sea level; `surface_pressure` as a barometer reads.",
    )
    value = fields.Number(help_text="In `unit`.")
    unit = fields.Choice(choices=UNIT_NAMES, required=False, help_text="The profile's unless given.")
    source = fields.Choice(  # type: ignore[assignment]
        choices=SOURCES, required=False, help_text="station unless given; a thumb's word counts less."
    )


class WebhookInput(fields.Strict):
    """Where entries are to be sent."""

    url = fields.Text(max_length=500, trim_whitespace=False, help_text="https, reachable by everyone.")


class DeviceSerializer(ProfileInput):
    """A device's profile."""

    id = serializers.CharField()
    created = serializers.DateField(help_text="Day, UTC.")


class RegisteredSerializer(DeviceSerializer):
    """A new device with its token."""

    token = serializers.CharField(help_text="Shown once; the server keeps its digest only.")


class TokenSerializer(serializers.Serializer[None]):
    """A new token."""

    token = serializers.CharField(help_text="Shown once; the one before is dead.")


class PlaceSerializer(PlaceInput):
    """A place as it is stored: rounded."""

    id = serializers.CharField()


class CommuteSerializer(CommuteInput):
    """A commute."""

    id = serializers.CharField()


class RuleSerializer(RuleInput):
    """A rule."""

    id = serializers.CharField()


class PlacesSerializer(serializers.Serializer[None]):
    """Places in the order they were made."""

    places = PlaceSerializer(many=True)


class CommutesSerializer(serializers.Serializer[None]):
    """Commutes in the order they were made."""

    commutes = CommuteSerializer(many=True)


class RulesSerializer(serializers.Serializer[None]):
    """Rules in the order they were made."""

    rules = RuleSerializer(many=True)


class VoteSerializer(serializers.Serializer[None]):
    """What a vote was taken for."""

    id = serializers.CharField()
    place = serializers.CharField()
    time = serializers.CharField(help_text="UTC.")
    vote = serializers.IntegerField()
    utci = serializers.FloatField(help_text="°C: the universal thermal climate index of then, as forecast.")
    votes = serializers.IntegerField(help_text="How many votes were learned from.")


class ReportSerializer(serializers.Serializer[None]):
    """What became of a report; its values are in °C, hPa or m/s."""

    id = serializers.CharField()
    place = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    variable = serializers.CharField(help_text="`pressure_msl` for what was sent as `surface_pressure`.")
    time = serializers.CharField(help_text="UTC.")
    accepted = serializers.BooleanField()
    reason = serializers.CharField(help_text="Why it was rejected; empty if it was not.")
    value = serializers.FloatField(help_text="As understood.")
    forecast = serializers.FloatField(help_text="What the public forecast said for then.")


class WebhookSerializer(serializers.Serializer[None]):
    """A webhook and how it fares."""

    url = serializers.CharField()
    failures = serializers.IntegerField(help_text="In a row.")
    disabled_because = serializers.CharField(help_text="Empty while it is used; PUT it again to enable it.")


class NewWebhookSerializer(WebhookSerializer):
    """A webhook with the secret that its entries are signed with."""

    secret = serializers.CharField(help_text="Shown once.")


class EntrySerializer(serializers.Serializer[None]):
    """Something that a rule found."""

    id = serializers.CharField()
    rule = serializers.CharField()
    place = serializers.CharField()
    time = serializers.CharField(help_text="First hour that the rule holds for, UTC.")
    probability = serializers.FloatField(help_text="Of that hour, 0–1.")
    variable = serializers.CharField()
    comparison = serializers.CharField()
    threshold = serializers.FloatField(help_text="In `unit`, as the rule had it.")
    unit = serializers.CharField()
    occasion = serializers.DateField(help_text="Local day on which the window starts.")
    highest = serializers.FloatField(help_text="Highest chance of one hour left in the window.")
    at_most = serializers.FloatField(help_text="The chance that any hour is met is no more than this.")
    run = serializers.CharField()
    created = serializers.CharField()
    text = serializers.CharField()


class FeedSerializer(serializers.Serializer[None]):
    """Entries, oldest first."""

    entries = EntrySerializer(many=True)
    cursor = serializers.CharField(help_text="Give it as `after` next time.")
    more = serializers.BooleanField(help_text="Whether to ask again at once.")


class ExportSerializer(serializers.Serializer[None]):
    """Everything that is stored about a device."""

    profile = DeviceSerializer()
    comfort = serializers.DictField(help_text="What votes taught: the filter's own numbers.")
    places = PlaceSerializer(many=True, help_text="Each with what its own reports taught.")
    commutes = CommuteSerializer(many=True)
    rules = RuleSerializer(many=True)
    reports = serializers.ListField(child=serializers.DictField(), help_text="Of the last three days.")
    votes = serializers.ListField(child=serializers.DictField(), help_text="Of the last three days.")
    entries = EntrySerializer(many=True, help_text="Each with its deliveries.")
    webhook = WebhookSerializer(allow_null=True)


class SeriesSerializer(serializers.Serializer[None]):
    """A variable per hour; null where unknown."""

    unit = serializers.CharField()
    public = serializers.ListField(child=serializers.FloatField(allow_null=True))
    correction = serializers.ListField(
        child=serializers.FloatField(allow_null=True), required=False, help_text="personal − public."
    )
    personal = serializers.ListField(child=serializers.FloatField(allow_null=True))
    p10 = serializers.ListField(child=serializers.FloatField(allow_null=True), required=False)
    p90 = serializers.ListField(child=serializers.FloatField(allow_null=True), required=False)


class HourlySerializer(serializers.Serializer[None]):
    """Hours from the current one on."""

    time = serializers.ListField(child=serializers.CharField(), help_text="Local, each with its own offset.")
    temperature = SeriesSerializer()
    feels_like = SeriesSerializer(
        help_text="Public: UTCI of an average person at the public values. Personal: of this person here."
    )
    wind_speed = SeriesSerializer()
    pressure_msl = SeriesSerializer()
    precipitation = SeriesSerializer(help_text="In the hour before.")
    precipitation_probability = SeriesSerializer(help_text="In the hour before.")
    cloud_cover = SeriesSerializer()
    wind_direction = SeriesSerializer()
    weather_code = SeriesSerializer()


class BestWindowSerializer(serializers.Serializer[None]):
    """The best time of a day for an activity."""

    day = serializers.DateField()
    start = serializers.CharField()
    end = serializers.CharField()
    score = serializers.IntegerField()
    limiting = serializers.CharField()


class ActivitySerializer(serializers.Serializer[None]):
    """How good each hour is for an activity, 0 to 100, and what limits it."""

    activity = serializers.CharField()
    score = serializers.ListField(child=serializers.IntegerField(allow_null=True))
    limiting = serializers.ListField(child=serializers.CharField())
    best = BestWindowSerializer(many=True)


class LearnedSerializer(serializers.Serializer[None]):
    """What a place's own reports taught about a variable."""

    variable = serializers.CharField()
    unit = serializers.CharField(help_text="× for wind speed, which is multiplied.")
    now = serializers.FloatField(help_text="For the current hour.")
    reports = serializers.IntegerField()
    why = serializers.CharField()


class FeelsLikeSerializer(serializers.Serializer[None]):
    """What votes taught about the person."""

    votes = serializers.IntegerField()
    spread = serializers.FloatField(allow_null=True, help_text="Standard deviation of what is not known yet.")
    unit = serializers.CharField()
    why = serializers.CharField()


class HeadlineSerializer(serializers.Serializer[None]):
    """The number to show large."""

    variable = serializers.CharField()
    unit = serializers.CharField()
    value = serializers.FloatField(allow_null=True)


class PlaceForecastSerializer(serializers.Serializer[None]):
    """A place's own forecast; `unavailable` says why there is none, and then nothing else is there."""

    place = PlaceSerializer()
    unavailable = serializers.CharField(required=False)
    elevation = serializers.FloatField(required=False, allow_null=True, help_text="Metres.")
    headline = HeadlineSerializer(required=False, allow_null=True)
    corrections = LearnedSerializer(many=True, required=False)
    feels_like = FeelsLikeSerializer(required=False)
    hourly = HourlySerializer(required=False)
    activities = ActivitySerializer(many=True, required=False)


class WaySerializer(serializers.Serializer[None]):
    """The least pleasant values of the hours of a way, at one of its ends."""

    temperature = serializers.ListField(child=serializers.FloatField(), help_text="Lowest and highest.")
    feels_like = serializers.ListField(child=serializers.FloatField(allow_null=True))
    temperature_unit = serializers.CharField()
    wind_speed = serializers.FloatField(allow_null=True)
    wind_speed_unit = serializers.CharField()
    precipitation_probability = serializers.IntegerField(help_text="%, of the likeliest hour.")
    score = serializers.IntegerField()
    limiting = serializers.CharField()


class CommuteDaySerializer(serializers.Serializer[None]):
    """One coming way; null at an end without a forecast for it."""

    day = serializers.DateField()
    start = serializers.CharField()
    end = serializers.CharField()
    origin = WaySerializer(allow_null=True)
    destination = WaySerializer(allow_null=True)


class CommuteForecastSerializer(serializers.Serializer[None]):
    """A commute's coming ways."""

    commute = CommuteSerializer()
    ways = CommuteDaySerializer(many=True)


class PersonalForecastSerializer(serializers.Serializer[None]):
    """A device's own forecast."""

    run = serializers.CharField()
    init_time = serializers.CharField()
    release = serializers.CharField()
    replay = serializers.BooleanField(help_text="Made from replayed observations: no forecast of today.")
    time_zone = serializers.CharField()
    places = PlaceForecastSerializer(many=True)
    commutes = CommuteForecastSerializer(many=True)


class PlaceBriefingSerializer(serializers.Serializer[None]):
    """A place's briefing; `unavailable` says why there is none."""

    place = PlaceSerializer()
    unavailable = serializers.CharField(required=False)
    text = serializers.CharField(required=False)
    facts = serializers.DictField(required=False, help_text="The numbers that the text is made of.")


class BriefingSerializer(serializers.Serializer[None]):
    """Briefings of a device's places."""

    run = serializers.CharField()
    replay = serializers.BooleanField()
    language = serializers.CharField()
    places = PlaceBriefingSerializer(many=True)
