"""What devices have learned, to test personal forecasts with."""

from datetime import timedelta

from tests.weather import NOW
from weatherapp.core.personal import bias
from weatherapp.personal.models import BiasFilter, Place

DAYS = 14


def teach(place: Place, *, warmer: float, until=NOW - timedelta(hours=1)) -> BiasFilter:
    """A filter that has heard every hour for two weeks how much warmer a place is than its forecast, in K."""
    state = bias.start("temperature")
    first = int((until - timedelta(days=DAYS)).timestamp())
    for hour in range(24 * DAYS + 1):
        state, _ = bias.update(state, forecast=20.0, observed=20.0 + warmer, time=first + 3600 * hour)
    learned = state.to_dict()
    return BiasFilter.objects.create(place=place, variable="temperature", base=learned, state=learned)
