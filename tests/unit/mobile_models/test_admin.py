"""The release manager's pages over Django's client; what they look like is seen in a browser."""

import re
from math import log

import pytest
from django.urls import reverse
from django.utils.timezone import now

from mobile_models import services, transitions
from mobile_models.health.services import evaluate_rollout
from mobile_models.models import (
    AuditEntry,
    Bundle,
    Channel,
    HealthCount,
    Release,
    ReportCount,
    ReportToken,
    Rollout,
    RolloutHealth,
    TokenClaim,
)
from mobile_models.signing.services import sign_release
from tests.factories import approve, make_user
from tests.reporting import staged
from tests.repositories import make_repository

pytestmark = pytest.mark.django_db
MODELS = [
    "bundle", "release", "channel", "rollout", "auditentry", "metadata", "pendingmetadata", "revocation",
    "reportbatch", "reportcount", "rollouthealth",
]  # fmt: skip


@pytest.fixture
def live(ready):
    return services.start_rollout(release=ready(), channel="stable", basis_points=2500)


@pytest.fixture
def approved(ready):
    return ready()


@pytest.fixture
def draft(drafted):
    return drafted()


@pytest.fixture
def as_(client):
    """The client as somebody of these groups."""

    def login(*groups, name="person", **fields):
        user = make_user(name, *groups, **fields)
        client.force_login(user)
        return user

    return login


def page(client, model, name, *args):
    return client.get(reverse(f"admin:mobile_models_{model}_{name}", args=args))


def address(row, action):
    return reverse(f"admin:mobile_models_{row._meta.model_name}_{action}", args=[row.pk])


def act(client, row, action, **given):
    """Open an action's dialog and submit it."""
    url = address(row, action)
    assert client.get(url).status_code == 200
    answer = client.post(url, {"_form_submitted": "on", **given})
    row.refresh_from_db()
    return answer


def buttons(client, row):
    """The names of the steps that a row's page offers."""
    shown = page(client, row._meta.model_name, "change", row.pk).content.decode()
    names = {step.name for step in transitions.actions_of(row)}
    names |= {"sign"} if isinstance(row, Release) else set()
    return {name for name in names if f'hx-get="{address(row, name)}"' in shown}


@pytest.mark.parametrize("model", MODELS)
def test_every_list_opens_for_a_viewer(client, as_, live, model):
    as_("viewer")
    assert page(client, model, "changelist").status_code == 200


def test_every_kind_of_row_has_a_page_that_a_viewer_can_read(client, as_, live, settings, tmp_path):
    make_repository(tmp_path, settings)
    RolloutHealth.objects.create(rollout=live, metric="failures", exposed={"count": 4, "failures": 1})
    as_("viewer")
    for model in (Bundle, Release, Channel, Rollout, AuditEntry, RolloutHealth):
        row = model.objects.first()
        assert page(client, model._meta.model_name, "change", row.pk).status_code == 200
    shown = page(client, "metadata", "change", 1).content.decode()
    assert "development: no production server takes these keys" in shown


def test_rows_are_neither_edited_nor_deleted_by_hand(admin_client, live):
    for row in (Bundle.objects.first(), live, live.release, AuditEntry.objects.first()):
        model = row._meta.model_name
        assert page(admin_client, model, "delete", row.pk).status_code == 403
        assert (
            admin_client.post(reverse(f"admin:mobile_models_{model}_change", args=[row.pk])).status_code
            == 403
        )
    for model in ("bundle", "rollout", "auditentry", "metadata", "reportcount"):
        assert page(admin_client, model, "add").status_code == 403


@pytest.mark.parametrize("model", ["release", "rollout", "bundle", "auditentry"])
def test_lists_cost_the_same_for_many_rows(admin_client, ready, django_assert_max_num_queries, model):
    for number in range(4):
        services.start_rollout(release=ready(version=f"r{number}"), channel="stable", basis_points=100)
    with django_assert_max_num_queries(13):
        page(admin_client, model, "changelist")


def test_a_release_is_drafted_with_chosen_bundles_by_whoever_drafts_it(client, as_, register):
    bundles = [register("tflite_fp16"), register("server_fp32")]
    ada = as_("releaser", name="ada")
    url = reverse("admin:mobile_models_release_add")
    response = client.post(url, {"bundles": [bundle.pk for bundle in bundles], "notes": "first"})
    assert response.status_code == 302
    release = Release.objects.get()
    assert (release.state, release.notes, release.made_by) == ("draft", "first", ada)
    assert set(release.bundles.all()) == set(bundles)
    assert re.fullmatch(r"\d{4}\.\d{2}\.\d{2}-1", release.version)


def test_a_draft_that_a_service_refuses_is_explained(admin_client, register):
    twice = [register("tflite_fp16"), register("tflite_fp16", licence="MIT")]
    url = reverse("admin:mobile_models_release_add")
    response = admin_client.post(url, {"bundles": [bundle.pk for bundle in twice]}, follow=True)
    assert "one bundle per variant; tflite_fp16 came twice" in response.content.decode()
    assert not Release.objects.exists()


def test_a_release_goes_its_way_through_the_buttons(client, as_, drafted, settings):
    settings.TWO_PERSON_APPROVAL = True
    ada = as_("releaser", name="ada")
    release = drafted(by=ada)
    act(client, release, "submit_release", reason="All goals met")
    assert release.state == "in_review"
    ben = as_("approver", name="ben")
    act(client, release, "approve_release", reason="Looks right")
    assert (release.state, release.approved_by) == ("approved", ben)
    client.force_login(ada)
    stable = Channel.objects.get(name="stable")
    given = {
        "channel": stable.pk,
        "plan": "1 % now\n100 % after 6 h",
        "platforms": ["android"],
        "ram_min_mb": 3000,
    }
    act(client, release, "start_rollout", **given, reason="Carefully")
    rollout = Rollout.objects.get()
    assert (rollout.basis_points, rollout.started_by, rollout.roll_back_on_halt) == (100, ada, False)
    assert rollout.stages == [{"basis_points": 10_000, "after_hours": 6, "if_healthy": False}]
    assert rollout.conditions == {"platforms": ["android"], "ram_min_mb": 3000}
    act(client, rollout, "widen_rollout", percent="12.5")
    assert rollout.basis_points == 1250
    act(client, rollout, "pause_rollout")
    act(client, rollout, "resume_rollout")
    act(client, rollout, "halt_rollout", reason="crashes")
    assert (rollout.state, rollout.halt_reason) == ("halted", "crashes")
    steps = AuditEntry.objects.filter(object_type="rollout").order_by("sequence")
    assert [(entry.action, entry.actor_name, entry.reason) for entry in steps] == [
        ("start_rollout", "ada", "Carefully"),
        ("widen_rollout", "ada", ""),
        ("pause_rollout", "ada", ""),
        ("resume_rollout", "ada", ""),
        ("halt_rollout", "ada", "crashes"),
    ]


def test_a_rollout_is_rolled_back_under_a_new_counter(client, as_, ready):
    first = services.start_rollout(release=ready(version="first"), channel="stable")
    second = services.start_rollout(release=ready(version="second"), channel="stable", basis_points=500)
    as_("approver")
    act(client, second, "roll_back", reason="worse in Denver")
    newest = Rollout.objects.first()
    assert second.state == "rolled_back"
    assert (newest.release, newest.release_counter) == (first.release, 3)


def test_a_bundle_is_verified_again_and_revoked(admin_client, live):
    bundle = Bundle.objects.get(variant="tflite_fp16")
    act(admin_client, bundle, "reverify_bundle")
    act(admin_client, bundle, "revoke_bundle", reason="It crashes")
    assert bundle.revocation.reason == "It crashes"
    assert buttons(admin_client, bundle) == set()
    assert "It crashes" in page(admin_client, "bundle", "change", bundle.pk).content.decode()


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("viewer", set()),
        ("releaser", {"submit_release"}),
        ("approver", {"withdraw_release"}),
        ("administrator", {"submit_release", "withdraw_release"}),
    ],
)
def test_buttons_are_just_the_steps_that_state_and_person_allow(client, as_, drafted, group, expected):
    as_(group)
    assert buttons(client, drafted()) == expected


def test_nobody_gets_a_button_to_approve_what_they_made(client, as_, drafted, settings):
    settings.TWO_PERSON_APPROVAL = True
    ada = as_("releaser", "approver", name="ada")
    release = services.submit_release(release=drafted(by=ada), by=ada)
    assert "approve_release" not in buttons(client, release)
    answer = client.post(address(release, "approve_release"), {"_form_submitted": "on"})
    release.refresh_from_db()
    assert (answer.status_code, release.state) == (409, "in_review")
    assert "second person" in page(client, "release", "change", release.pk).content.decode()


@pytest.mark.parametrize("step", [step.name for step in transitions.ROLLOUT])
def test_who_may_only_look_may_neither_open_nor_send_a_dialog(client, as_, live, step):
    as_("viewer")
    given = {"_form_submitted": "on", "reason": "because", "percent": "50"}
    assert client.get(address(live, step)).status_code == 403
    assert client.post(address(live, step), given).status_code == 403
    before = live.state, live.basis_points
    live.refresh_from_db()
    assert (live.state, live.basis_points) == before


def test_a_step_from_a_stale_page_says_what_is_allowed_now_and_changes_nothing(admin_client, live):
    services.pause_rollout(rollout=live)
    answer = admin_client.post(address(live, "pause_rollout"), {"_form_submitted": "on"})
    assert answer.status_code == 409
    assert "HX-Redirect" in answer
    shown = page(admin_client, "rollout", "change", live.pk).content.decode()
    assert "is paused; pause_rollout needs active" in shown
    assert buttons(admin_client, live) == {"resume_rollout", "halt_rollout", "roll_back"}


def test_a_dialog_that_is_only_opened_changes_nothing(admin_client, draft):
    admin_client.get(address(draft, "submit_release"))
    draft.refresh_from_db()
    assert draft.state == "draft"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"plan": "10 % soon"}, "line 1"),
        ({"plan": "10 % now\n5 % after 2 h"}, "allowed is more than"),
        ({"plan": "1 % now", "os_min": "seventeen"}, "conditions.os_min"),
        ({"plan": "1 % now", "regions": "US, Mars"}, "conditions.regions"),
        ({"plan": "1 % now", "starts_at": "tomorrow"}, "Enter a valid date/time"),
        ({"plan": "1 % now", "channel": "999"}, "not one of the available choices"),
        ({}, "This field is required"),
    ],
)
def test_what_is_wrong_in_a_dialog_is_said_in_it(admin_client, approved, given, said):
    stable = Channel.objects.get(name="stable")
    answer = admin_client.post(
        address(approved, "start_rollout"), {"_form_submitted": "on", "channel": stable.pk, **given}
    )
    assert answer.status_code == 200
    assert "HX-Redirect" not in answer
    assert said in answer.content.decode()
    assert not Rollout.objects.exists()


def test_what_is_said_of_a_wider_share_is_the_new_one(admin_client, live):
    act(admin_client, live, "widen_rollout", percent="50")
    shown = page(admin_client, "rollout", "change", live.pk).content.decode()
    assert "to 50 % of stable." in shown


@pytest.mark.parametrize("key", ["999", "abc"])
@pytest.mark.parametrize("way", ["submit_release", "sign"])
def test_a_dialog_of_no_release_is_not_found(admin_client, draft, key, way):
    url = reverse(f"admin:mobile_models_release_{way}", args=[key])
    assert admin_client.post(url, {"_form_submitted": "on"}).status_code == 404


def test_a_smaller_share_is_refused_within_the_dialog(admin_client, live):
    answer = act(admin_client, live, "widen_rollout", percent="1")
    assert "allowed is more than the 2500" in answer.content.decode()
    assert live.basis_points == 2500


def test_the_gate_can_be_overridden_by_those_who_may_and_with_a_reason(client, as_, drafted, ready):
    services.start_rollout(release=ready(), channel="stable")
    worse = services.submit_release(release=drafted(worse=1.5))
    as_("approver", name="ben")
    assert "override_reason" not in client.get(address(worse, "approve_release")).content.decode()
    act(client, worse, "approve_release", override_reason="I want it")
    assert worse.state == "in_review"
    as_("administrator", name="cleo")
    act(client, worse, "approve_release", override_reason="The old one is recalled")
    assert (worse.state, worse.override_reason) == ("approved", "The old one is recalled")


def test_a_releases_page_shows_gate_differences_and_signatures(
    admin_client, drafted, ready, settings, tmp_path
):
    services.start_rollout(release=ready(version="old"), channel="stable")
    make_repository(tmp_path, settings)
    worse = drafted(worse=1.5)
    shown = page(admin_client, "release", "change", worse.pk).content.decode()
    assert "✗ Fails" in shown
    assert re.search(r"\+50\.0 %<span class=\"sr-only\"> worse than live", shown)
    assert "Not signed" in shown
    better = approve(drafted(worse=0.9))
    shown = page(admin_client, "release", "change", better.pk).content.decode()
    assert "✓ Passes" in shown
    assert re.search(r"−10\.0 %<span class=\"sr-only\"> better than live", shown)
    assert "sign" in buttons(admin_client, better)
    act(admin_client, better, "sign")
    assert better.signed_at is not None
    assert "sign" not in buttons(admin_client, better)


def test_a_releases_page_costs_the_same_for_many_variants(
    admin_client, drafted, ready, django_assert_max_num_queries
):
    services.start_rollout(release=ready(), channel="stable")
    release = drafted("tflite_fp16", "tflite_w8a8", "coreml_fp16", "coreml_pal4", "server_fp32")
    with django_assert_max_num_queries(24):
        page(admin_client, "release", "change", release.pk)


def test_keys_that_people_hold_give_a_command_and_no_button(admin_client, approved, settings, tmp_path):
    make_repository(tmp_path, settings)
    settings.PRODUCTION = True
    shown = page(admin_client, "release", "change", approved.pk).content.decode()
    assert f"manage.py sign_release {approved.version}" in shown
    assert "sign" not in buttons(admin_client, approved)
    assert admin_client.post(address(approved, "sign"), {"_form_submitted": "on"}).status_code == 409
    approved.refresh_from_db()
    assert approved.signed_at is None


def test_the_audit_log_is_searched_and_its_chain_verified(admin_client, live):
    listed = reverse("admin:mobile_models_auditentry_changelist")
    assert "start rollout" in admin_client.get(listed, {"q": live.release.version}).content.decode()
    assert "✓ Whole." in admin_client.get(listed, {"verify": "1"}).content.decode()
    entry = AuditEntry.objects.last()
    shown = page(admin_client, "auditentry", "change", entry.pk).content.decode()
    assert entry.hash in shown


def test_a_rollouts_page_shows_failures_beside_the_control(admin_client, live):
    for arm, failed in (("exposed", 30), ("control", 10)):
        for outcome, count in (("ok", 1000 - failed), ("failed", failed)):
            ReportCount.objects.create(
                rollout=live, arm=arm, operation="infer", outcome=outcome, count=count, hour=live.started,
                platform="linux",
            )  # fmt: skip
    RolloutHealth.objects.create(
        rollout=live,
        metric="failures",
        exposed={"count": 1000, "failures": 30},
        control={"count": 1000, "failures": 10},
        evidence=7.5,
    )
    shown = page(admin_client, "rollout", "change", live.pk).content.decode()
    assert "30 of 1,000 (3 %)" in shown
    assert "Failed operations of" in shown
    assert "7.50" in shown


def test_each_row_of_an_evaluated_rollout_is_said_in_words(admin_client):
    rollout = staged(500)
    for arm, devices in (("exposed", 60), ("control", 1140)):
        for metric, total in (("crash", 3), ("latency", devices * log(8)), ("skill", devices * log(1.1))):
            HealthCount.objects.create(
                rollout=rollout, metric=metric, arm=arm, platform="ios", perf_class="mid", count=devices,
                total=total, squares=total**2 / devices,
            )  # fmt: skip
    token = ReportToken.objects.create(token_hash="a" * 64, expires=now(), hour=now())
    TokenClaim.objects.create(token=token, rollout=rollout, arm="control", share=500, window=1)
    evaluate_rollout(rollout=rollout, now=now(), even_early=True)
    for shown in (
        page(admin_client, "rollout", "change", rollout.pk).content.decode(),
        page(admin_client, "rollouthealth", "changelist").content.decode(),
    ):
        assert "3 of 60 (5 %)" in shown
        assert "inference time, ms" in shown
        assert "8 ×/÷ 1.00 (60)" in shown
        assert "forecast error, × the usual one" in shown
        assert "1.1 ×/÷ 1.00 (1,140)" in shown
        assert "1 devices" in shown
        assert "which side devices say they are on" in shown


def test_signing_twice_from_two_pages_is_harmless(admin_client, approved, settings, tmp_path):
    from mobile_models.signing.services import development_signers

    make_repository(tmp_path, settings)
    sign_release(release=approved, signers=development_signers())
    assert admin_client.post(address(approved, "sign"), {"_form_submitted": "on"}).status_code in {200, 409}
