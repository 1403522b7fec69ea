from datetime import UTC, datetime

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from weatherapp.observations import services
from weatherapp.observations.errors import FeedUnknown, FeedUnreadable
from weatherapp.observations.feeds import Batch, StationReport, open_feed
from weatherapp.observations.models import Observation, Station

NOW = datetime(2026, 7, 4, 18, 25, tzinfo=UTC)
HOUR = int(NOW.timestamp() // 3600)
pytestmark = pytest.mark.django_db


def batch(temperature=20.0, name="X"):
    values = np.full((2, 9), np.nan, np.float32)
    values[:, 0] = temperature
    return Batch(
        stations=(StationReport("x", name, 45.0, 5.0, 120.0, "test"),),
        station=np.zeros(2, int),
        hour=np.array([HOUR - 1, HOUR]),
        values=values,
        series=np.array([7, 7]),
    )


class FixedFeed:
    name = "fixed"

    def __init__(self, given):
        self.given = given

    def fetch(self, *, now):
        return self.given

    def parse(self, raw):
        return raw


def test_storing_the_same_reports_twice_changes_nothing():
    for _ in range(2):
        services.upsert_observations(batch=batch(), feed="test", received=NOW)
    assert Station.objects.count() == 1
    assert Observation.objects.count() == 2
    newest = Observation.objects.first()
    assert newest.valid_time == NOW.replace(minute=0)
    assert (newest.temperature, newest.dew_point, newest.series) == (20.0, None, 7)


def test_a_corrected_report_replaces_the_earlier_one_and_keeps_the_operators_switch():
    services.upsert_observations(batch=batch(), feed="test", received=NOW)
    Station.objects.update(active=False)
    services.upsert_observations(batch=batch(21.5, name="Y"), feed="test", received=NOW)
    assert set(Observation.objects.values_list("temperature", flat=True)) == {21.5}
    station = Station.objects.get()
    assert (station.name, station.active) == ("Y", False)


def test_float32_noise_is_not_stored():
    services.upsert_observations(batch=batch(0.1), feed="test", received=NOW)
    assert Observation.objects.first().temperature == 0.1


def test_ingest_reports_what_was_rejected():
    report = services.ingest(feed=FixedFeed(batch(99.0)), now=NOW)
    assert (report.stations, report.reports, report.rejected) == (1, 2, {"physical_limits": 2})
    assert set(Observation.objects.values_list("temperature", flat=True)) == {None}


def test_a_feed_that_cannot_be_read_stores_nothing(monkeypatch):
    feed = FixedFeed(batch())

    def refuse(raw):
        raise FeedUnreadable("half a file")

    monkeypatch.setattr(feed, "parse", refuse)
    with pytest.raises(FeedUnreadable):
        services.ingest(feed=feed, now=NOW)
    assert not Observation.objects.exists()


def test_an_unknown_feed_names_the_known_ones():
    with pytest.raises(FeedUnknown, match="replay"):
        open_feed("rumours")
    with pytest.raises(CommandError, match="rumours") as caught:
        call_command("ingest", "rumours")
    assert caught.value.returncode == 2


def test_the_replay_command_stores_two_days_of_every_site(capsys):
    call_command("ingest", "replay")
    assert Station.objects.count() == 21
    assert Observation.objects.count() > 40 * 21
    assert "reports of 21 stations" in capsys.readouterr().out
