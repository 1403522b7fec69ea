"""Fields of a body that take what they are for and nothing else: no text for a number, no unknown key."""

import difflib
import math
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any
from unicodedata import bidirectional, category
from zoneinfo import available_timezones

from django.utils.dateparse import parse_datetime
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from weatherapp.personal.models import DAYS

CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
# Classes of characters that set the direction of the text after them.
TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
CLIENT_ID = r"[A-Za-z0-9._-]{1,64}"


class Strict(serializers.Serializer[None]):
    """A JSON object whose every key is known."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown keys, naming the nearest known one."""
        if isinstance(data, dict):
            known = [name for name, field in self.fields.items() if not field.read_only]
            for key in data:
                if key not in known:
                    near = difflib.get_close_matches(str(key)[:60], known, n=1)
                    meant = f" Did you mean {near[0]!r}?" if near else ""
                    said = f"is unknown; allowed: {', '.join(known)}.{meant}"
                    raise serializers.ValidationError({str(key)[:60]: [said]})
        return super().to_internal_value(data)


class StrictSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # registers itself
    """Says in the API's reference that other keys are refused."""

    target_class = Strict
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        """The usual schema, closed."""
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001
        return {**schema, "additionalProperties": False} if direction == "request" else schema


class Number(serializers.FloatField):
    """A finite JSON number."""

    def to_internal_value(self, data: Any) -> float:
        """Refuse texts, booleans and numbers too large to hold."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError(f"{str(data)[:60]!r} was given; a number is allowed.")
        try:
            value = float(data)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise serializers.ValidationError("The number is not finite.")
        return value


class Whole(serializers.IntegerField):
    """A JSON number without a fraction."""

    def to_internal_value(self, data: Any) -> int:
        """Refuse texts, booleans and fractions."""
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError(f"{str(data)[:60]!r} was given; a whole number is allowed.")
        return data


class Text(serializers.CharField):
    """A JSON text."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse numbers."""
        if not isinstance(data, str):
            raise serializers.ValidationError(f"{str(data)[:60]!r} was given; a text is allowed.")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """True or false."""

    def to_internal_value(self, data: Any) -> bool:
        """Refuse texts and numbers."""
        if not isinstance(data, bool):
            raise serializers.ValidationError(f"{str(data)[:60]!r} was given; true or false is allowed.")
        return data


class Pattern(Text):
    """A text of one form."""

    def __init__(self, pattern: str, form: str, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.pattern, self.form = re.compile(pattern), form

    def to_internal_value(self, data: Any) -> str:
        """Refuse other forms."""
        text = super().to_internal_value(data)
        if not self.pattern.fullmatch(text):
            raise serializers.ValidationError(f"{text[:60]!r} was given; allowed: {self.form}.")
        return text


class Label(Text):
    """A name that a person gave: it stands in sentences, so it has no line breaks and turns no text."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse control characters, line and paragraph separators, and marks that turn the direction."""
        text = super().to_internal_value(data)
        for character in text:
            if category(character) in {"Cc", "Zl", "Zp"} or bidirectional(character) in TURNING:
                raise serializers.ValidationError(
                    f"it holds U+{ord(character):04X}, which is no character to show. Leave it out."
                )
        return text


class Choice(serializers.ChoiceField):
    """One of some texts or numbers; says which."""

    default_error_messages = {"invalid_choice": "{input!s:.60} was given; allowed: {allowed}."}  # noqa: RUF012

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what is not on the list, and what only looks like it."""
        for choice in self.choices:
            if type(data) in {str, int, float} and data == choice:
                return choice
        allowed = ", ".join(str(choice) for choice in self.choices)
        raise serializers.ValidationError(f"{str(data)[:60]!r} was given; allowed: {allowed}.")


def clock(**options: Any) -> Pattern:
    """A field for a time of day."""
    return Pattern(CLOCK, "a time of day as HH:MM", help_text="HH:MM", **options)


def client_id() -> Pattern:
    """A field for the id that a device gives to what it sends."""
    return Pattern(
        CLIENT_ID,
        "1 to 64 letters, digits, dots, dashes and underscores",
        help_text="Made by the device; the same thing sent again is counted once.",
    )


class Choices(serializers.ListField):
    """Some of a list, each at most once, in the list's order."""

    def __init__(self, allowed: tuple[str, ...], **options: Any) -> None:
        super().__init__(child=Choice(choices=allowed), max_length=len(allowed), **options)
        self.allowed = allowed

    def to_internal_value(self, data: Any) -> list[str]:
        """Refuse what comes twice."""
        values = super().to_internal_value(data)
        if len(set(values)) < len(values):
            raise serializers.ValidationError("Something comes twice; give each once.")
        return [choice for choice in self.allowed if choice in values]


def days(**options: Any) -> Choices:
    """A field for days of the week."""
    return Choices(DAYS, help_text=f"Of {', '.join(DAYS)}.", **options)


class Zone(Text):
    """An IANA time zone."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse names that are no zone's."""
        name = super().to_internal_value(data)
        if name not in _zones():
            raise serializers.ValidationError(
                f"{name[:60]!r} was given; allowed: UTC or an IANA name such as Europe/Berlin."
            )
        return name


@extend_schema_field({"type": "string", "format": "date-time"})
class Moment(Text):
    """A point in time with its offset from UTC."""

    def to_internal_value(self, data: Any) -> datetime:  # type: ignore[override]
        """Refuse local times without an offset: nobody knows when they are."""
        text = super().to_internal_value(data)
        try:
            moment = parse_datetime(text)
            if moment is not None and moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise serializers.ValidationError(
            f"{text[:60]!r} was given; allowed: a time with an offset such as 2026-07-04T18:25:00Z."
        )


@cache
def _zones() -> frozenset[str]:
    # Of two names the system says what they mean, and another system says otherwise.
    return frozenset(available_timezones() - {"localtime", "Factory"})
