"""The release gate: what is worse than live is not approved, by nobody, without a recorded override."""

import pytest

from mobile_models import services
from mobile_models.errors import GateFailed, NotPermitted
from mobile_models.gate import Limits, Measured, judge
from mobile_models.models import AuditEntry, Release
from mobile_models.services.gating import judge_release
from tests.delivery_rows import manifest
from tests.factories import evaluation, make_user

LIMITS = Limits(mean_percent=2.0, worst_percent=5.0, bytes_percent=50.0)


def measured(variant="tflite_w8a8", worse=1.0, wire_size=30_000, scores=None, **of_output):
    found = evaluation(worse, **of_output) if scores is None else scores
    return Measured(variant, variant.split("_")[0], manifest(variant, scores=found), wire_size)


def fails(candidate, live, *says):
    result = judge(candidate, live, LIMITS)
    assert not result.passed
    assert len(result.failures) == len(says), result.failures
    for sentence, expected in zip(result.failures, says, strict=True):
        assert expected in sentence


def test_the_same_figures_pass():
    result = judge([measured()], [measured()], LIMITS)
    assert result.passed
    figures = result.figures["tflite_w8a8"]
    assert (figures["against"], figures["mean_percent"], figures["bytes_percent"]) == ("tflite_w8a8", 0, 0)
    assert figures["changes_percent"]["temperature"] == {"1-6": 0, "7-12": 0, "25-48": 0, "1-48": 0}


@pytest.mark.parametrize(("worse", "passed"), [(0.5, True), (1.0199, True), (1.0201, False), (1.04, False)])
def test_the_mean_over_outputs_is_worse_by_two_percent_at_most(worse, passed):
    assert judge([measured(worse=worse)], [measured()], LIMITS).passed is passed


def test_better_outputs_do_not_hide_one_that_is_much_worse():
    candidate = measured(temperature=0.8, precipitation=1.06)
    fails([candidate], [measured()], "forecasts precipitation 6.0 % worse than live tflite_w8a8 for leads")


def test_better_leads_do_not_hide_those_that_are_much_worse():
    scores = evaluation()
    scores["scores"]["unseen_station"]["wind_speed"]["25-48"] *= 1.2
    fails(
        [measured(scores=scores)],
        [measured()],
        "wind_speed 20.0 % worse than live tflite_w8a8 for leads 25-48 h",
    )


def test_every_variant_is_held_against_its_own():
    live = [measured("tflite_w8a8", 1.10), measured("server_fp32", 1.0)]
    assert judge([measured("tflite_w8a8", 1.10), measured("server_fp32")], live, LIMITS).passed
    fails([measured("tflite_w8a8", 1.10), measured("server_fp32", 1.03)], live, "server_fp32 is 3.0 % worse")


def test_another_name_for_the_same_precision_does_not_dodge_the_gate():
    fails(
        [measured("tflite_w8a8_retrained", 1.03)], [measured("tflite_w8a8")], "tflite_w8a8_retrained is 3.0 %"
    )


def test_a_new_kind_of_variant_is_held_against_the_one_it_comes_closest_to():
    live = [measured("tflite_fp16"), measured("tflite_w8a8", 1.1), measured("server_fp32", 0.9)]
    result = judge([*live, measured("coreml_pal4", 1.1, wire_size=90_000)], live, LIMITS)
    assert result.passed
    assert "coreml_pal4 is new; it was held against tflite_w8a8." in result.notes
    fails(
        [*live, measured("coreml_pal4", 1.2)],
        live,
        "mean over its outputs",
        *["% worse than live tflite_w8a8 for"] * 4,
    )


def test_dropping_a_variant_does_not_dodge_the_gate():
    live = [measured("tflite_fp16"), measured("tflite_w8a8", 1.1)]
    assert judge([measured("tflite_fp16")], live, LIMITS).passed, "its phones get a better one"
    worse = ["tflite_w8a8 is 10.0 % worse than live tflite_fp16", *["% worse than live tflite_fp16 for"] * 4]
    fails([measured("tflite_w8a8", 1.1)], live, *worse)


def test_a_word_that_is_no_precision_does_not_dodge_the_gate():
    live = [measured("tflite_fp16"), measured("tflite_w8a8", 1.1)]
    result = judge([measured("tflite_half", 1.1), measured("tflite_w8a8", 1.1)], live, LIMITS)
    assert "tflite_half is 10.0 % worse than live tflite_fp16" in result.failures[0]


def test_phones_do_not_lose_every_bundle_unseen():
    live = [measured("tflite_fp16"), measured("coreml_fp16")]
    assert judge([measured("tflite_fp16")], live, LIMITS).passed, "which iOS runs, too"
    fails(
        [measured("coreml_fp16")],
        live,
        "no bundle for android, which runs live tflite_fp16. Add one.",
        "no bundle for linux, which",
    )


@pytest.mark.parametrize("score", [-1.0, 10**400, 1e300, float("inf"), True])
def test_what_no_measurement_gives_is_no_score(score):
    scores = evaluation()
    scores["scores"]["unseen_station"]["temperature"]["1-48"] = score
    fails([measured(scores=scores)], [measured()], "has no score of temperature for leads 1-48 h")


def test_a_live_score_of_almost_nothing_gives_figures_that_json_knows():
    live = evaluation()
    live["scores"]["unseen_station"]["temperature"]["1-48"] = 1e-320
    figures = judge([measured()], [measured(scores=live)], LIMITS).figures["tflite_w8a8"]
    assert figures["changes_percent"]["temperature"]["1-48"] == 1e6


@pytest.mark.parametrize(
    "lost", ["output", "bucket", "all", "split", "text", "nan", "shape"]
)  # fmt: skip
def test_missing_scores_fail_and_are_named(lost):
    scores = evaluation()
    values = scores["scores"]["unseen_station"]
    if lost == "output":
        del values["temperature"]
    elif lost == "bucket":
        values["temperature"]["1-6"] = None
    elif lost == "text":
        values["temperature"]["1-6"] = "good"
    elif lost == "nan":
        values["temperature"]["1-6"] = float("nan")
    elif lost == "shape":
        scores["scores"] = [values]
    else:
        scores = {} if lost == "all" else {"scores": {"unseen_period": values}}
    result = judge([measured(scores=scores)], [measured()], LIMITS)
    assert not result.passed
    assert any("has no score of temperature for leads" in sentence for sentence in result.failures)


def test_a_score_that_was_perfect_may_not_become_an_error():
    live = evaluation(temperature=0.0)
    fails([measured()], [measured(scores=live)], "mean over its outputs", "forecasts temperature")
    assert judge([measured(scores=live)], [measured(scores=live)], LIMITS).passed


def test_bytes_on_the_wire_grow_by_half_at_most_but_for_the_server():
    assert judge([measured(wire_size=45_000)], [measured()], LIMITS).passed
    fails([measured(wire_size=45_100)], [measured()], "has 45100 bytes on the wire, 50 % more than the 30000")
    assert judge([measured("server_fp32", wire_size=90_000)], [measured("server_fp32")], LIMITS).passed


def test_what_cannot_be_compared_is_said():
    assert judge([measured()], [], LIMITS).notes == ["No release is live: there is nothing to be worse than."]
    live = [measured(), measured("tflite_fp16")]
    scores = evaluation() | {"scored_cases": {"unseen_station": 401}}
    notes = judge([measured(scores=scores)], live, LIMITS).notes
    assert notes == [
        "tflite_w8a8 and live tflite_w8a8 were scored on different cases.",
        "Live has tflite_fp16, which this release lacks.",
    ]


@pytest.fixture
def live(ready):
    release = ready()
    services.start_rollout(release=release, channel="stable")
    return release


def submitted(release):
    return services.submit_release(release=release)


@pytest.mark.django_db
def test_a_worse_release_is_not_approved_by_anyone(live, drafted):
    release = submitted(drafted(worse=1.04))
    for by in (None, make_user("ann", "approver"), make_user("root", is_superuser=True)):
        with pytest.raises(GateFailed, match=r"fails the gate against .* 4\.0 % worse than live"):
            services.approve_release(release=release, by=by, reason="it is fine")
    with pytest.raises(GateFailed):
        services.approve_release(release=release, by=make_user("eve", "administrator"), override_reason="  ")
    release.refresh_from_db()
    assert release.state == "in_review"


@pytest.mark.django_db
def test_only_who_may_override_the_gate_does_and_the_reason_is_kept(live, drafted):
    release = submitted(drafted(worse=1.04))
    for by in (None, make_user("ann", "approver")):
        with pytest.raises(NotPermitted, match=r"may not override the gate; that takes a person"):
            services.approve_release(release=release, by=by, override_reason="summer only")
    eve = make_user("eve", "administrator")
    services.approve_release(release=release, by=eve, override_reason="summer only", reason="Asked Ann.")
    assert (release.state, release.override_reason, release.gate["passed"]) == (
        "approved",
        "summer only",
        False,
    )
    told = AuditEntry.objects.filter(action="approve_release").first()
    assert (told.actor, told.reason) == (eve, "summer only Asked Ann.")
    assert told.after["gate_failures"] == release.gate["failures"] != []


@pytest.mark.django_db
def test_an_override_that_is_not_needed_is_not_kept(live, drafted):
    release = submitted(drafted())
    services.approve_release(
        release=release, by=make_user("eve", "administrator"), override_reason="to be sure"
    )
    assert (release.override_reason, release.gate["passed"]) == ("", True)


@pytest.mark.django_db
def test_the_gate_asks_what_is_live_when_it_is_approved(live, drafted, ready):
    release = submitted(drafted(worse=1.015))
    assert release.gate["passed"]
    services.start_rollout(release=ready(worse=0.98), channel="stable")
    with pytest.raises(GateFailed, match=r"3\.6 % worse"):
        services.approve_release(release=release)


@pytest.mark.django_db
def test_a_staged_release_is_not_what_others_are_held_against(live, drafted, ready):
    services.start_rollout(release=ready(worse=0.5), channel="stable", basis_points=100)
    assert judge_release(drafted())["live"] == live.version


@pytest.mark.django_db
def test_emptying_the_channel_does_not_open_the_gate(live, drafted):
    services.halt_rollout(rollout=live.rollouts.get(), reason="an accident, perhaps")
    with pytest.raises(GateFailed):
        services.approve_release(release=submitted(drafted(worse=1.04)))


@pytest.mark.django_db
def test_withdrawing_what_is_live_does_not_open_the_gate(live, drafted):
    services.withdraw_release(release=live, reason="for a release of my own")
    assert judge_release(drafted(worse=1.04))["live"] == live.version


@pytest.mark.django_db
def test_what_is_live_in_another_channel_counts_where_the_default_one_never_had_any(ready, drafted):
    beta = ready()
    services.start_rollout(release=beta, channel="beta")
    assert judge_release(drafted(worse=1.04))["live"] == beta.version
    stable = ready(worse=0.9)
    services.start_rollout(release=stable, channel="stable")
    assert judge_release(drafted())["live"] == stable.version


@pytest.mark.django_db
def test_a_first_release_passes(drafted):
    release = services.approve_release(release=submitted(drafted(worse=9)))
    assert release.state == Release.State.APPROVED
    assert release.gate["notes"] == ["No release is live: there is nothing to be worse than."]
