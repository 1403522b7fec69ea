"""Devices, their places, commutes and rules."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection

from tests.weather import NOW
from weatherapp.personal import deliveries, learning, limits, retention, selectors, services, tokens
from weatherapp.personal.errors import InputInvalid, LimitReached, NotYours, TokenRefused
from weatherapp.personal.models import BiasFilter, Device, OwnReport, Place

from .conftest import HOME


def report(device, place, client_id="r1", value=25.0, minutes=10, **more):
    values = {
        "id": client_id,
        "place": str(place.pk),
        "time": NOW - timedelta(minutes=minutes),
        "variable": "temperature",
        "value": value,
        **more,
    }
    return learning.report(device=device, values=values)


def test_a_token_is_stored_as_a_digest_only():
    device, token = services.register(profile={})
    row = Device.objects.values().get()
    assert services.authenticate(token=token).pk == device.pk
    assert token not in str(row)
    assert token.rsplit("_", 1)[-1] not in str(row)
    assert row["token_sha256"] == tokens.digest(token)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: "", lambda t: t[:25]]
)
def test_another_token_is_refused(change):
    _, token = services.register(profile={})
    with pytest.raises(TokenRefused):
        services.authenticate(token=change(token))


def test_tokens_and_ids_do_not_repeat_or_count():
    made = [services.register(profile={}) for _ in range(20)]
    assert len({token for _, token in made}) == 20
    assert len({device.pk for device, _ in made}) == 20
    assert all(device.pk.version == 4 for device, _ in made)


def test_a_rotated_token_replaces_the_one_before(device):
    _, first = services.register(profile={})
    owner = services.authenticate(token=first)
    second = services.rotate_token(device=owner)
    assert services.authenticate(token=second).pk == owner.pk
    with pytest.raises(TokenRefused):
        services.authenticate(token=first)


def test_the_day_of_the_last_call_is_noted_once_a_day(device, django_assert_num_queries):
    _, token = services.register(profile={})
    Device.objects.update(last_seen=NOW.date() - timedelta(days=3))
    # 1. the device of the token  2. the note
    with django_assert_num_queries(2):
        services.authenticate(token=token)
    with django_assert_num_queries(1):
        services.authenticate(token=token)


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        (0.01, (41.88, -87.63)),
        (0.05, (41.9, -87.65)),
        (0.1, (41.9, -87.6)),
        (0.25, (42.0, -87.75)),
        (1.0, (42.0, -88.0)),
    ],
)
def test_coordinates_are_rounded_before_they_are_stored(precision, expected):
    device, _ = services.register(profile={"precision": precision})
    services.add_place(device=device, values={"latitude": 41.8781, "longitude": -87.6298})
    stored = Place.objects.values_list("latitude", "longitude").get()
    assert stored == expected


def test_a_coarser_precision_rounds_stored_places_again_and_a_finer_one_brings_nothing_back(device):
    place = services.add_place(device=device, values={"latitude": 41.8781, "longitude": -87.6298})
    services.change_profile(device=device, changes={"precision": 0.5})
    place.refresh_from_db()
    assert (place.latitude, place.longitude) == (42.0, -87.5)
    services.change_profile(device=device, changes={"precision": 0.01})
    place.refresh_from_db()
    assert (place.latitude, place.longitude) == (42.0, -87.5)


@pytest.mark.parametrize(("latitude", "longitude"), [(90, 180), (-90, -180), (0, 0), (89.99, 179.99)])
@pytest.mark.parametrize("precision", [0.01, 0.05, 0.25, 1.0])
def test_rounding_stays_on_the_globe(device, precision, latitude, longitude):
    assert abs(services.rounded(latitude, precision)) <= 90
    assert abs(services.rounded(longitude, precision)) <= 180


def test_what_was_learned_is_forgotten_where_a_place_moves(device, home, run):
    report(device, home)
    services.change_place(device=device, place_id=str(home.pk), changes={"label": "Roof"})
    assert BiasFilter.objects.exists()
    services.change_place(device=device, place_id=str(home.pk), changes={"latitude": 41.901})
    assert BiasFilter.objects.exists(), "rounded to the same spot"
    services.change_place(device=device, place_id=str(home.pk), changes={"latitude": 42.3})
    assert not BiasFilter.objects.exists()
    assert not OwnReport.objects.exists()


def test_nobody_reaches_into_another_device(device, home):
    other, _ = services.register(profile={})
    for call in (
        lambda: selectors.place_of(other, str(home.pk)),
        lambda: services.change_place(device=other, place_id=str(home.pk), changes={"label": "x"}),
        lambda: services.remove_place(device=other, place_id=str(home.pk)),
        lambda: services.add_rule(device=other, values=rule(place=str(home.pk))),
        lambda: selectors.place_of(other, "not-an-id"),
    ):
        with pytest.raises(NotYours):
            call()
    assert Place.objects.get().label == "Balcony"


def rule(**changes):
    return {"variable": "rain", "comparison": "above", "threshold": 0.0, "probability": 0.4, **changes}


def test_a_rule_is_for_one_place_or_one_commute(device, home):
    commute = services.add_commute(device=device, values=way(home, home))
    both = {"place": str(home.pk), "commute": str(commute.pk)}
    for target in ({}, both):
        with pytest.raises(InputInvalid, match="one place or one commute"):
            services.add_rule(device=device, values=rule(**target))
    kept = services.add_rule(device=device, values=rule(place=str(home.pk)))
    moved = services.change_rule(
        device=device, rule_id=str(kept.pk), changes={"place": None, "commute": str(commute.pk)}
    )
    assert (moved.place_id, moved.commute_id) == (None, commute.pk)


def way(origin, destination, **changes):
    return {
        "days": ["mon"],
        "start": "08:00",
        "end": "09:00",
        "origin": str(origin.pk),
        "destination": str(destination.pk),
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"start": "08:00"}, "end"),
        ({"unit": "kmh"}, "unit"),
        ({"unit": "celsius", "variable": "wind_speed"}, "unit"),
    ],
)
def test_a_rules_parts_must_go_together(device, home, changes, field):
    with pytest.raises(InputInvalid, match=f"^{field}:"):
        services.add_rule(device=device, values=rule(place=str(home.pk), **changes))


def test_a_commute_brings_its_own_window(device, home):
    commute = services.add_commute(device=device, values=way(home, home))
    with pytest.raises(InputInvalid, match="its own days"):
        services.add_rule(device=device, values=rule(commute=str(commute.pk), days=["mon"]))
    with pytest.raises(InputInvalid, match="takes some time"):
        services.add_commute(device=device, values=way(home, home, end="08:00"))


def test_a_threshold_keeps_the_unit_that_it_was_given_in(device, home):
    services.change_profile(device=device, changes={"temperature_unit": "fahrenheit"})
    kept = services.add_rule(
        device=device, values=rule(place=str(home.pk), variable="temperature", threshold=86.0)
    )
    services.change_profile(device=device, changes={"temperature_unit": "celsius"})
    kept.refresh_from_db()
    assert (kept.threshold, kept.unit) == (86.0, "fahrenheit")


def test_there_are_limits(device, home, monkeypatch):
    monkeypatch.setattr(limits, "PLACES", 1)
    monkeypatch.setattr(limits, "RULES", 1)
    monkeypatch.setattr(limits, "COMMUTES", 0)
    services.add_rule(device=device, values=rule(place=str(home.pk)))
    for call, name in (
        (lambda: services.add_place(device=device, values=HOME), "places"),
        (lambda: services.add_rule(device=device, values=rule(place=str(home.pk))), "rules"),
        (lambda: services.add_commute(device=device, values=way(home, home)), "commutes"),
    ):
        with pytest.raises(LimitReached, match=name):
            call()


def fill(device, home):
    """A row in every table."""
    commute = services.add_commute(device=device, values=way(home, home))
    services.add_rule(device=device, values=rule(place=str(home.pk), threshold=0.1))
    services.add_rule(device=device, values=rule(commute=str(commute.pk)))
    deliveries.set_webhook(device=device, url="https://hooks.example.org/secret-path")
    report(device, home)
    learning.vote(
        device=device,
        values={"id": "v1", "place": str(home.pk), "time": NOW - timedelta(minutes=5), "vote": 1},
    )


def everything():
    """Every row of every table of the database, as text."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            found[table] = [str(row) for row in cursor.fetchall()]
    return found


def test_erased_means_gone_from_every_table(device, home, wet_run):
    from weatherapp.personal import alerts

    before = everything()
    other, _ = services.register(profile={})
    kept = everything()
    services.erase(device=other)
    assert everything()["personal_device"] == before["personal_device"]
    services.erase(device=device)
    empty = everything()
    device, _ = services.register(profile={"time_zone": "America/Chicago"})
    home = services.add_place(device=device, values=HOME)
    fill(device, home)
    assert alerts.evaluate_rules(now=NOW)
    full = everything()
    personal = [model._meta.db_table for model in apps.get_app_config("personal").get_models()]
    assert len(personal) == 10
    assert all(full[table] for table in personal), "the test must fill every table"
    services.erase(device=device)
    assert everything() == empty
    assert kept != empty


def test_a_change_after_the_erasure_is_refused(device, home):
    services.erase(device=device)
    for call in (
        lambda: services.rotate_token(device=device),
        lambda: services.add_place(device=device, values=HOME),
        lambda: services.change_profile(device=device, changes={"language": "zh"}),
    ):
        with pytest.raises(TokenRefused):
            call()


def test_silent_devices_are_erased_and_others_stay(device, settings):
    settings.DEVICE_KEPT_DAYS = 30
    silent, _ = services.register(profile={})
    Device.objects.filter(pk=silent.pk).update(last_seen=NOW.date() - timedelta(days=31))
    Device.objects.filter(pk=device.pk).update(last_seen=NOW.date() - timedelta(days=30))
    retention.forget(now=NOW)
    assert list(Device.objects.values_list("pk", flat=True)) == [device.pk]


def test_devices_are_counted_per_day(device):
    services.register(profile={})
    Device.objects.filter(pk=device.pk).update(created=NOW.date() - timedelta(days=1))
    rows = selectors.devices_per_day(NOW.date(), 3)
    assert rows == [
        (NOW.date(), 1, 2),
        (NOW.date() - timedelta(days=1), 1, 0),
        (NOW.date() - timedelta(days=2), 0, 0),
    ]
