"""The release manager's pages over Django's client; what they look like is seen in a browser."""

import re

import pytest
from django.urls import reverse

from mobile_models import services
from mobile_models.models import Bundle, Channel, Release, Rollout

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(approved):
    return services.start_rollout(release=approved, channel="stable", basis_points=2500)


def page(client, model, name, *args):
    return client.get(reverse(f"admin:mobile_models_{model}_{name}", args=args))


def act(client, row, action, **given):
    """Open an action's dialog and submit it."""
    url = reverse(f"admin:mobile_models_{row._meta.model_name}_{action}", args=[row.pk])
    assert client.get(url).status_code == 200
    row.refresh_from_db()
    return client.post(url, {"_form_submitted": "on", **given})


@pytest.mark.parametrize("model", ["bundle", "release", "channel", "rollout"])
def test_every_list_and_detail_page_opens(admin_client, live, model):
    rows = {"bundle": Bundle, "release": Release, "channel": Channel, "rollout": Rollout}[model]
    assert page(admin_client, model, "changelist").status_code == 200
    assert page(admin_client, model, "change", rows.objects.first().pk).status_code == 200


def test_rows_are_neither_edited_nor_deleted_by_hand(admin_client, live):
    bundle = Bundle.objects.first()
    url = reverse("admin:mobile_models_bundle_change", args=[bundle.pk])
    assert admin_client.post(url, {"variant": "other"}).status_code == 403
    assert page(admin_client, "bundle", "delete", bundle.pk).status_code == 403
    assert page(admin_client, "bundle", "add").status_code == 403


def test_lists_cost_the_same_for_many_rows(admin_client, approved, django_assert_max_num_queries):
    for _ in range(5):
        services.create_release(bundles=list(approved.bundles.all()))
    with django_assert_max_num_queries(10):
        page(admin_client, "release", "changelist")


def test_a_release_is_drafted_with_chosen_bundles(admin_client, register):
    bundles = [register("tflite_fp16"), register("server_fp32")]
    url = reverse("admin:mobile_models_release_add")
    response = admin_client.post(url, {"bundles": [bundle.pk for bundle in bundles], "notes": "first"})
    assert response.status_code == 302
    release = Release.objects.get()
    assert (release.state, release.notes) == ("draft", "first")
    assert set(release.bundles.all()) == set(bundles)
    assert re.fullmatch(r"\d{4}\.\d{2}\.\d{2}-1", release.version)


def test_a_draft_that_a_service_refuses_is_explained(admin_client, register):
    twice = [register("tflite_fp16"), register("tflite_fp16", licence="MIT")]
    url = reverse("admin:mobile_models_release_add")
    response = admin_client.post(url, {"bundles": [bundle.pk for bundle in twice]}, follow=True)
    assert "one bundle per variant; tflite_fp16 came twice" in response.content.decode()
    assert not Release.objects.exists()


def test_a_release_is_approved_rolled_out_and_withdrawn(admin_client, draft):
    stable = Channel.objects.get(name="stable")
    act(admin_client, draft, "approve")
    act(admin_client, draft, "start_rollout", channel=stable.pk, basis_points=500)
    rollout = Rollout.objects.get()
    assert (rollout.release, rollout.channel, rollout.basis_points) == (draft, stable, 500)
    act(admin_client, draft, "withdraw", reason="wrong units")
    draft.refresh_from_db()
    assert (draft.state, draft.withdrawn_because) == ("withdrawn", "wrong units")


def test_a_dialog_that_is_only_opened_changes_nothing(admin_client, draft):
    admin_client.get(reverse("admin:mobile_models_release_approve", args=[draft.pk]))
    draft.refresh_from_db()
    assert draft.state == "draft"


def test_a_rollout_is_widened_and_halted(admin_client, live):
    act(admin_client, live, "widen", basis_points=5000)
    live.refresh_from_db()
    assert live.basis_points == 5000
    response = act(admin_client, live, "halt", reason="crashes")
    assert "HX-Redirect" in response
    live.refresh_from_db()
    assert (live.state, live.halt_reason) == ("halted", "crashes")


def test_a_refused_step_is_explained(admin_client, live):
    act(admin_client, live, "widen", basis_points=100)
    shown = page(admin_client, "rollout", "change", live.pk).content.decode()
    assert "allowed is more than the 2500" in shown


def test_a_rollout_can_be_started_from_its_own_page(admin_client, approved):
    beta = Channel.objects.get(name="beta")
    url = reverse("admin:mobile_models_rollout_add")
    given = {"release": approved.pk, "channel": beta.pk, "basis_points": 10_000}
    assert admin_client.post(url, given).status_code == 302
    assert Rollout.objects.get().release_counter == 1
    bad = admin_client.post(url, {**given, "basis_points": 0})
    assert bad.status_code == 200


def test_a_bundle_is_verified_again(admin_client, live):
    bundle = Bundle.objects.first()
    act(admin_client, bundle, "reverify")
    shown = page(admin_client, "bundle", "change", bundle.pk).content.decode()
    assert "is as it was" in shown


def test_who_may_only_look_may_not_act(client, django_user_model, draft):
    from django.contrib.auth.models import Permission

    viewer = django_user_model.objects.create_user("viewer", password="x", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_release"))
    client.force_login(viewer)
    assert page(client, "release", "change", draft.pk).status_code == 200
    url = reverse("admin:mobile_models_release_approve", args=[draft.pk])
    assert client.post(url, {"_form_submitted": "on"}).status_code == 403
    draft.refresh_from_db()
    assert draft.state == "draft"
