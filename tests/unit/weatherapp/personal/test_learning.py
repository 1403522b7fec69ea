"""Reports and votes: order, copies, and what is kept."""

import itertools
from datetime import timedelta

import pytest

from tests.weather import INIT, NOW, make_run
from weatherapp.personal import learning, limits, services, weather
from weatherapp.personal.errors import AlreadySent, InputInvalid, LimitReached, NoForecastThere, NotYours
from weatherapp.personal.models import BiasFilter, OwnReport, Vote

MINUTES = (240, 180, 120, 60, 30)


@pytest.fixture(autouse=True)
def runs():
    make_run(init_time=INIT - timedelta(hours=6))
    return make_run()


def send(device, place, minutes, value=23.0, **more):
    values = {
        "id": f"m{minutes}",
        "place": str(place.pk),
        "time": NOW - timedelta(minutes=minutes),
        "variable": "temperature",
        "value": value,
        **more,
    }
    return learning.report(device=device, values=values)[0]


@pytest.mark.parametrize("order", list(itertools.permutations(MINUTES))[::17])
def test_reports_teach_the_same_in_whatever_order_they_come(order):
    states = []
    for sequence in (MINUTES, order):
        device, _ = services.register(profile={})
        place = services.add_place(device=device, values={"latitude": 41.9, "longitude": -87.7})
        for minutes in sequence:
            send(device, place, minutes, value=22.0 + minutes / 100)
        states.append(BiasFilter.objects.get(place=place).state)
    assert states[0] == states[1]


def test_an_older_report_may_change_the_verdict_of_a_newer_one(device, home):
    make_run(init_time=INIT - timedelta(hours=40))
    send(device, home, 10, value=33.0)
    assert OwnReport.objects.get().accepted is False
    # A whole day says the same: the place has changed.
    for minutes in range(240, 60 * 32, 240):
        send(device, home, minutes, value=33.0)
    assert OwnReport.objects.get(client_id="m10").accepted is True


def test_two_reports_of_one_moment_count_once(device, home):
    send(device, home, 30)
    second = send(device, home, 30, id="other")
    assert (second.accepted, second.reason) == (False, "there is another report of the same moment")


def test_what_old_reports_taught_stays_when_they_go(device, home):
    for minutes in MINUTES:
        send(device, home, minutes)
    before = BiasFilter.objects.get().state
    assert learning.forget_old(now=NOW + learning.KEPT - timedelta(minutes=100)) == 3
    assert sorted(OwnReport.objects.values_list("client_id", flat=True)) == ["m30", "m60"]
    assert BiasFilter.objects.get().state == before
    # A late report is learned from where the old ones ended.
    send(device, home, 45)
    assert BiasFilter.objects.get().state["reports"] == 6
    assert learning.forget_old(now=NOW + learning.KEPT * 2) == 3
    row = BiasFilter.objects.get()
    assert row.base == row.state


def test_a_thumb_counts_less_than_a_station(home):
    means = []
    for source in ("station", "thumb"):
        device, _ = services.register(profile={})
        place = services.add_place(device=device, values={"latitude": 41.9, "longitude": -87.7})
        send(device, place, 30, source=source)
        means.append(BiasFilter.objects.get(place=place).state["mean"][0])
    assert 0 < means[1] < means[0]


def test_a_barometer_is_reduced_to_sea_level(device, home):
    services.change_place(device=device, place_id=str(home.pk), changes={"elevation": 200.0})
    # About 24 hPa less at 200 m.
    made = send(device, home, 30, variable="surface_pressure", value=989.7, source="barometer")
    assert made.variable == "pressure_msl"
    assert made.value == pytest.approx(1013.0, abs=0.6)
    assert made.accepted


def test_the_forecast_is_that_of_a_run_that_began_before(device, home, runs):
    # At 17:55 the run of 12:00 speaks: 20.5 and 20.6 °C at its fifth and sixth hour.
    assert send(device, home, 30).forecast == pytest.approx(20.59, abs=0.05)
    # In the first hour of a run the one before still speaks; without it, the first hour.
    assert weather.public_at(home, NOW)["temperature"] == pytest.approx(20.64, abs=0.05)


@pytest.mark.parametrize(
    ("minutes", "error"), [(-3, InputInvalid), (49 * 60, InputInvalid), (47 * 60, NoForecastThere)]
)
def test_times_that_nothing_can_be_said_about_are_refused(device, home, minutes, error):
    with pytest.raises(error, match=r"^time:"):
        send(device, home, minutes)
    assert not OwnReport.objects.exists()


def test_the_same_id_for_something_else_is_refused(device, home):
    send(device, home, 30)
    with pytest.raises(AlreadySent):
        send(device, home, 30, value=1.0)
    other, _ = services.register(profile={})
    place = services.add_place(device=other, values={"latitude": 41.9, "longitude": -87.7})
    assert send(other, place, 30, value=1.0).client_id == "m30"


def test_there_is_a_limit_to_what_is_kept(device, home, monkeypatch):
    monkeypatch.setattr(limits, "REPORTS", 1)
    monkeypatch.setattr(limits, "VOTES", 1)
    send(device, home, 60)
    with pytest.raises(LimitReached):
        send(device, home, 30)
    cast(device, home, 60)
    with pytest.raises(LimitReached):
        cast(device, home, 30)


def cast(device, place, minutes, vote=2):
    values = {
        "id": f"v{minutes}",
        "place": str(place.pk),
        "time": NOW - timedelta(minutes=minutes),
        "vote": vote,
    }
    return learning.vote(device=device, values=values)


def test_votes_teach_once_each_and_are_forgotten_when_learned(device, home):
    _, state, new = cast(device, home, 30)
    assert (state.votes, new) == (1, True)
    _, state, new = cast(device, home, 30)
    assert (state.votes, new) == (1, False)
    with pytest.raises(AlreadySent):
        cast(device, home, 30, vote=-2)
    learning.forget_old(now=NOW + learning.KEPT)
    assert not Vote.objects.exists()
    device.refresh_from_db()
    assert weather.comfort_of(device).votes == 1


def test_a_vote_is_held_against_the_place_as_it_was_learned(device, home):
    from tests.personal import teach

    plain = cast(device, home, 60)[0].utci
    teach(home, warmer=4.0)
    assert cast(device, home, 30)[0].utci > plain + 2


def test_a_place_of_another_device_takes_no_reports(device, home):
    other, _ = services.register(profile={})
    for call in (lambda: send(other, home, 30), lambda: cast(other, home, 30)):
        with pytest.raises(NotYours):
            call()
