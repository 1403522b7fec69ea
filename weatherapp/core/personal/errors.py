"""What the personal logic refuses."""

from weatherapp.core.errors import CoreError


class PersonalError(CoreError):
    """Root of everything the personal logic raises on purpose."""


class StateInvalid(PersonalError):
    """A stored state cannot be what the filters wrote."""


class ReportInvalid(PersonalError):
    """A report or vote is outside what is accepted."""


class RuleInvalid(PersonalError):
    """A rule or its window makes no sense."""


class RequestInvalid(PersonalError):
    """An activity, variable, language, unit or zone that does not exist, or arrays that do not fit."""
