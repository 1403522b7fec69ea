"""What can go wrong with forecasts."""

from collections.abc import Mapping
from types import MappingProxyType


class ForecastError(Exception):
    """Root of everything this package raises on purpose."""


class NothingToForecast(ForecastError):
    """No station has reports to forecast from."""


class RunRefused(ForecastError):
    """The model gave what cannot be a forecast, or takes inputs that are not served here."""


class RunNotStored(ForecastError):
    """A run could not be written; the one before stays current."""


class NoCurrentRun(ForecastError):
    """There is no run to answer from, or its files are gone."""

    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "60"})


class QueryInvalid(ForecastError):
    """A parameter of a request is not what the API accepts."""


class TooManyRequests(ForecastError):
    """A client asks more often than it may; `wait` says for how many seconds it should be silent."""

    def __init__(self, reason: str, wait: int) -> None:
        super().__init__(reason)
        self.headers: Mapping[str, str] = MappingProxyType({"Retry-After": str(wait)})


class CellUnknown(ForecastError):
    """A name is not that of a cell, or no station is near the cell."""
