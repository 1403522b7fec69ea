"""Wrong passwords."""

import pytest
from django.urls import reverse

from tests.factories import make_user

pytestmark = pytest.mark.django_db
PASSWORD = "right horse battery"


@pytest.fixture(autouse=True)
def person(settings):
    settings.AXES_FAILURE_LIMIT = 3
    user = make_user("ada")
    user.set_password(PASSWORD)
    user.save()
    return user


def attempt(client, password, name="ada", **meta):
    given = {"username": name, "password": password}
    return client.post(reverse("admin:login") + "?next=/admin/", given, **meta)


def lock(client, **meta):
    return [attempt(client, "wrong", **meta).status_code for _ in range(3)]


def test_a_name_is_locked_for_an_address_after_so_many_wrong_passwords(client):
    assert lock(client) == [200, 200, 429]
    answer = attempt(client, PASSWORD)
    assert answer.status_code == 429
    assert answer["Retry-After"] == "900"
    assert "locked for your address for 15 minutes" in " ".join(answer.content.decode().split())


def test_other_names_and_other_addresses_stay_open(client):
    lock(client)
    other = make_user("ben")
    other.set_password(PASSWORD)
    other.save()
    assert attempt(client, PASSWORD, name="ben").status_code == 302
    client.logout()
    assert attempt(client, PASSWORD, REMOTE_ADDR="198.51.100.7").status_code == 302


def test_a_right_password_forgets_the_wrong_ones(client):
    for _ in range(2):
        attempt(client, "wrong")
    assert attempt(client, PASSWORD).status_code == 302
    client.logout()
    assert attempt(client, "wrong").status_code == 200


def test_behind_proxies_the_address_is_what_the_outermost_saw(client, settings):
    settings.PROXIES = 1
    lock(client, HTTP_X_FORWARDED_FOR="203.0.113.9")
    assert attempt(client, PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.9").status_code == 429
    assert attempt(client, PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.10").status_code == 302


def test_without_proxies_a_header_cannot_evade_the_lock(client):
    for number in range(3):
        attempt(client, "wrong", HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")
    assert attempt(client, PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.99").status_code == 429


def test_an_ipv6_network_counts_as_one_address(client):
    for number in range(3):
        attempt(client, "wrong", REMOTE_ADDR=f"2001:db8::{number + 1}")
    assert attempt(client, PASSWORD, REMOTE_ADDR="2001:db8::ff").status_code == 429
