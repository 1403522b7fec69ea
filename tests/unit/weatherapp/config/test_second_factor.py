"""The second factor: asked of whoever set one up, and of everybody where that is the rule."""

import pytest
from django.urls import reverse
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from tests.factories import make_user
from weatherapp.config.second_factor import services

pytestmark = pytest.mark.django_db
VERIFY, ENROL = "second-factor:verify", "second-factor:enrol"


@pytest.fixture
def person(client):
    user = make_user("ada", "viewer")
    client.force_login(user)
    return user


@pytest.fixture
def enrolled(person):
    device = services.pending_authenticator(person)
    TOTPDevice.objects.filter(pk=device.pk).update(confirmed=True)
    device.refresh_from_db()
    return device


def code_of(device, step=0):
    return f"{totp(device.bin_key, drift=step):06d}"


def wrong_code(device):
    right = {code_of(device, step) for step in (-1, 0, 1)}
    return next(code for code in ("000000", "111111", "222222", "333333") if code not in right)


def opens(client):
    return client.get(reverse("admin:index")).status_code == 200


def test_who_has_none_needs_none(client, person):
    assert opens(client)


def test_setting_one_up_shows_a_code_to_scan_and_gives_recovery_codes(client, person):
    shown = client.get(reverse(ENROL)).content.decode()
    device = TOTPDevice.objects.get()
    assert "<svg" in shown
    assert services.secret(device) in shown
    assert not device.confirmed
    answer = client.post(reverse(ENROL), {"code": code_of(device)})
    assert all(token.token in answer.content.decode() for token in StaticToken.objects.all())
    assert StaticToken.objects.count() == 10
    assert "no-store" in answer["Cache-Control"]
    assert opens(client)


def test_a_wrong_first_code_turns_nothing_on(client, person):
    client.get(reverse(ENROL))
    device = TOTPDevice.objects.get()
    answer = client.post(reverse(ENROL), {"code": wrong_code(device)})
    assert "This code is wrong" in answer.content.decode()
    assert not services.is_enrolled(person)


def test_a_password_alone_opens_nothing_of_whoever_has_one(client, enrolled):
    for name in ("admin:index", "admin:mobile_models_release_changelist", ENROL, "second-factor:renew"):
        answer = client.get(reverse(name))
        assert answer.status_code == 302
        assert answer.url.startswith(reverse(VERIFY))


def test_a_right_code_opens_the_page_that_was_asked_for(client, enrolled):
    wanted = reverse("admin:mobile_models_release_changelist")
    answer = client.post(reverse(VERIFY), {"code": code_of(enrolled), "next": wanted})
    assert answer.url == wanted
    assert opens(client)


def test_it_leads_to_no_other_site(client, enrolled):
    answer = client.post(reverse(VERIFY), {"code": code_of(enrolled), "next": "https://elsewhere.example/"})
    assert answer.url == reverse("admin:index")


def test_a_code_works_once(client, enrolled):
    code = code_of(enrolled)
    client.post(reverse(VERIFY), {"code": code})
    client.logout()
    client.force_login(enrolled.user)
    assert client.post(reverse(VERIFY), {"code": code}).status_code == 200
    assert not opens(client)


def test_after_a_wrong_code_even_the_right_one_waits(client, enrolled):
    client.post(reverse(VERIFY), {"code": wrong_code(enrolled)})
    client.post(reverse(VERIFY), {"code": code_of(enrolled)})
    assert not opens(client)


def test_a_recovery_code_works_once(client, enrolled):
    code = services.new_recovery_codes(enrolled.user)[0]
    assert client.post(reverse(VERIFY), {"code": code.upper()}).status_code == 302
    assert opens(client)
    client.logout()
    client.force_login(enrolled.user)
    assert client.post(reverse(VERIFY), {"code": code}).status_code == 200


def test_anothers_code_does_not_work(client, enrolled):
    other = make_user("ben")
    codes = services.new_recovery_codes(other)
    assert client.post(reverse(VERIFY), {"code": codes[0]}).status_code == 200


def test_where_everybody_needs_one_nothing_opens_before_it_is_set_up(client, person, settings):
    settings.ADMIN_TOTP_REQUIRED = True
    assert client.get(reverse("admin:index")).url.startswith(reverse(ENROL))
    client.get(reverse(ENROL))
    client.post(reverse(ENROL), {"code": code_of(TOTPDevice.objects.get())})
    assert opens(client)
    client.post(reverse("second-factor:turn-off"), {"code": StaticToken.objects.first().token})
    assert services.is_enrolled(person)


def test_turning_it_off_takes_a_code(client, enrolled):
    codes = services.new_recovery_codes(enrolled.user)
    client.post(reverse(VERIFY), {"code": code_of(enrolled)})
    client.post(reverse("second-factor:turn-off"), {"code": "abcd2345"})
    assert services.is_enrolled(enrolled.user)
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    from django_otp.plugins.otp_static.models import StaticDevice

    StaticDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    client.post(reverse("second-factor:turn-off"), {"code": codes[0]})
    assert not services.is_enrolled(enrolled.user)


def test_strangers_are_sent_to_the_login(client):
    for name in (VERIFY, ENROL, "second-factor:overview", "second-factor:turn-off"):
        assert client.get(reverse(name)).url.startswith(reverse("admin:login"))


def test_an_administrator_resets_what_somebody_lost(client, enrolled):
    client.force_login(make_user("cleo", "administrator"))
    url = reverse("admin:auth_user_reset_second_factor", args=[enrolled.user.pk])
    assert client.get(url).status_code == 200
    client.post(url, {"_form_submitted": "on"})
    assert not services.is_enrolled(enrolled.user)


def test_a_superusers_second_factor_is_reset_by_superusers_only(client, enrolled):
    enrolled.user.is_superuser = True
    enrolled.user.save()
    client.force_login(make_user("cleo", "administrator"))
    url = reverse("admin:auth_user_reset_second_factor", args=[enrolled.user.pk])
    assert client.get(url).status_code == 403
    assert client.post(url, {"_form_submitted": "on"}).status_code == 403
    assert services.is_enrolled(enrolled.user)


def test_the_second_factor_of_nobody_is_not_found(admin_client):
    url = reverse("admin:auth_user_reset_second_factor", args=["abc"])
    assert admin_client.post(url, {"_form_submitted": "on"}).status_code == 404


def test_nobody_makes_a_superuser_or_changes_one_who_is_none(client):
    boss = make_user("boss", is_superuser=True)
    cleo = make_user("cleo", "administrator")
    client.force_login(cleo)
    password = reverse("admin:auth_user_password_change", args=[boss.pk])
    assert client.get(password).status_code == 403
    url = reverse("admin:auth_user_change", args=[cleo.pk])
    client.post(url, {"username": "cleo", "is_active": "on", "is_staff": "on", "is_superuser": "on"})
    cleo.refresh_from_db()
    assert not cleo.is_superuser


def test_secrets_are_on_no_page_of_the_admin(admin_client):
    assert admin_client.get("/admin/otp_totp/totpdevice/").status_code == 404
