"""Rules, the feed and deliveries."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.weather import INIT, NOW, make_outputs, make_run
from weatherapp.personal import alerts, deliveries, retention, selectors, sentences, services, tasks, webhooks
from weatherapp.personal.errors import DeliveryFailed, TargetRefused
from weatherapp.personal.models import Delivery, Device, FeedEntry, Webhook

MUCH = 0.7


def rain(at, **changes):
    return {
        "place": str(at.pk),
        "variable": "rain",
        "comparison": "above",
        "threshold": 0.0,
        "probability": 0.4,
        **changes,
    }


@pytest.fixture
def rule(device, home):
    return services.add_rule(device=device, values=rain(home))


def found():
    return list(FeedEntry.objects.order_by("sequence"))


def test_a_finding_is_told_once_per_occasion_and_run(rule, wet_run):
    assert alerts.evaluate_rules(now=NOW) == 1
    assert alerts.evaluate_rules(now=NOW) == 0
    [entry] = found()
    assert (entry.sequence, entry.run, entry.probability) == (
        1,
        wet_run.folder,
        pytest.approx(MUCH, abs=0.01),
    )
    assert entry.time >= NOW
    # The next run says the same about the same day: nothing new.
    outputs = make_outputs(3, wet=MUCH)
    make_run(init_time=INIT + timedelta(hours=1), outputs=outputs)
    assert alerts.evaluate_rules(now=NOW + timedelta(hours=1)) == 0
    # On the next day it is news again.
    make_run(init_time=INIT + timedelta(hours=24), outputs=outputs)
    assert alerts.evaluate_rules(now=NOW + timedelta(hours=24)) == 1
    assert [entry.sequence for entry in found()] == [1, 2]


def test_a_changed_rule_may_speak_again(device, rule, wet_run):
    alerts.evaluate_rules(now=NOW)
    services.change_rule(device=device, rule_id=str(rule.pk), changes={"threshold": 0.1, "unit": "mm"})
    make_run(init_time=INIT + timedelta(hours=1), outputs=make_outputs(3, wet=MUCH))
    assert alerts.evaluate_rules(now=NOW + timedelta(hours=1)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"probability": 0.75},
        {"variable": "snowfall"},
        {"enabled": False},
        {"comparison": "below", "probability": 0.5},
    ],
)
def test_what_is_not_likely_enough_is_not_told(device, home, wet_run, changes):
    services.add_rule(device=device, values=rain(home, **changes))
    assert alerts.evaluate_rules(now=NOW) == 0


def test_a_rule_counts_in_its_window_only(device, home, wet_run):
    services.add_rule(device=device, values=rain(home, days=["sun"], start="08:00", end="09:00"))
    assert alerts.evaluate_rules(now=NOW) == 1
    [entry] = found()
    # Sunday 08:00 in Chicago is 13:00 UTC; the amount of the hour after stands at 14:00.
    assert entry.time == datetime(2026, 7, 5, 14, tzinfo=UTC)


def test_the_thermal_index_is_worked_out_only_for_a_rule_about_it(device, home, wet_run, monkeypatch):
    from weatherapp.core.personal import comfort

    called, whole = [], comfort.utci
    monkeypatch.setattr(comfort, "utci", lambda *values: called.append(1) or whole(*values))
    services.add_rule(device=device, values=rain(home))
    assert alerts.evaluate_rules(now=NOW) == 1
    assert not called
    other, _ = services.register(profile={})
    place = services.add_place(device=other, values={"latitude": 41.9, "longitude": -87.7})
    services.add_rule(device=other, values=rain(place, variable="feels_like", threshold=5.0))
    assert alerts.evaluate_rules(now=NOW) == 1
    assert called
    assert {entry.finding["variable"] for entry in found()} == {"rain", "feels_like"}


def test_a_commute_is_looked_at_on_both_ends(device, home, wet_run):
    office = services.add_place(
        device=device, values={"latitude": 40.04, "longitude": -88.28, "kind": "work"}
    )
    commute = services.add_commute(
        device=device,
        values={
            "days": ["sat", "sun"],
            "start": "17:00",
            "end": "18:00",
            "origin": str(home.pk),
            "destination": str(office.pk),
        },
    )
    values = rain(
        home, commute=str(commute.pk), place=None, variable="temperature", threshold=15.0, probability=0.5
    )
    services.add_rule(device=device, values=values)
    assert alerts.evaluate_rules(now=NOW) == 1
    assert found()[0].place_id in {home.pk, office.pk}


def test_a_place_out_of_reach_keeps_quiet_and_stops_nobody(device, home, wet_run):
    far = services.add_place(device=device, values={"latitude": 0.0, "longitude": 0.0})
    services.add_rule(device=device, values=rain(far))
    services.add_rule(device=device, values=rain(home))
    assert alerts.evaluate_rules(now=NOW) == 1


@pytest.mark.parametrize(
    ("start", "end", "quiet"),
    [
        ("22:00", "07:00", False),
        ("13:00", "14:00", True),
        ("13:25", "13:26", True),
        ("12:00", "13:25", False),
        ("13:00", "12:00", True),
        ("", "", False),
    ],
)
def test_quiet_hours_are_local_and_may_cross_midnight(device, start, end, quiet):
    device.quiet_start, device.quiet_end = start, end
    # 18:25 UTC is 13:25 in Chicago.
    assert alerts.is_quiet(device, NOW) is quiet


def test_nothing_is_told_in_quiet_hours_and_afterwards_what_is_true_then(device, rule, wet_run):
    services.change_profile(device=device, changes={"quiet_hours": {"start": "13:00", "end": "15:00"}})
    assert alerts.evaluate_rules(now=NOW) == 0
    dry = make_run(init_time=INIT + timedelta(hours=1), outputs=make_outputs(3, wet=0.05))
    assert alerts.evaluate_rules(now=NOW + timedelta(hours=2)) == 0
    assert Device.objects.get().evaluated_run == dry.folder


def test_a_device_that_is_erased_meanwhile_gets_nothing(device, rule, wet_run, monkeypatch):
    whole = alerts._findings

    def erased(*args, **options):
        made = whole(*args, **options)
        services.erase(device=device)
        return made

    monkeypatch.setattr(alerts, "_findings", erased)
    assert alerts.evaluate_rules(now=NOW) == 0
    assert not FeedEntry.objects.exists()


def test_without_a_run_the_task_waits(rule):
    assert tasks.evaluate_rules() is None
    assert not FeedEntry.objects.exists()


def test_feeds_are_read_page_by_page(device, rule, home, monkeypatch):
    monkeypatch.setattr(selectors, "FEED_PAGE", 2)
    for number in range(1, 6):
        entry(device, rule, home, number)
    first, more = selectors.feed(device, 0)
    assert ([one.sequence for one in first], more) == ([1, 2], True)
    last, more = selectors.feed(device, 4)
    assert ([one.sequence for one in last], more) == ([5], False)


def entry(device, rule, place, number=1, **changes):
    finding = {
        "variable": "rain",
        "comparison": "above",
        "threshold": 0.5,
        "unit": "mm",
        "occasion": "2026-07-04",
        "highest": 0.7,
        "at_most": 1.0,
    }
    return FeedEntry.objects.create(
        device=device, rule=rule, place=place, sequence=number, dedup_key=f"{number}", run="r", time=NOW,
        probability=0.7, created=NOW, finding={**finding, **changes},
    )  # fmt: skip


def test_sentences_follow_the_profile(device, rule, home):
    made = entry(device, rule, home)
    english = "Balcony: Rain above 0.5 mm around 13:25 on Saturday, probability 70 %."
    assert sentences.sentence(made, device, "en") == english
    assert sentences.sentence(made, device, "zh") == "Balcony：周六13:25前后，降雨高于0.5 mm的概率为70%。"
    device.precipitation_unit, device.time_zone, home.label = "inch", "UTC", ""
    made.place = home
    assert (
        sentences.sentence(made, device, "en")
        == "Home: Rain above 0.02 inch around 18:25 on Saturday, probability 70 %."
    )


@pytest.mark.parametrize(
    ("variable", "english", "chinese"),
    [
        ("rain", "Rain around 13:25", "周六13:25前后出现降雨的概率"),
        ("snowfall", "Snowfall around 13:25", "周六13:25前后出现降雪的概率"),
    ],
)
def test_nobody_says_above_nothing(device, rule, home, variable, english, chinese):
    made = entry(device, rule, home, variable=variable, threshold=0.0)
    assert sentences.sentence(made, device, "en") == f"Balcony: {english} on Saturday, probability 70 %."
    assert sentences.sentence(made, device, "zh") == f"Balcony：{chinese}为70%。"


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-Hans-CN, en;q=0.9", "zh"),
        ("en;q=0.5, zh;q=0.9", "zh"),
        ("fr", "en"),
        ("zh;q=0", "en"),
        ("zh;q=x, ;;,", "en"),
    ],
)
def test_the_language_is_what_the_caller_likes_best(device, accept, language):
    assert sentences.language_of(device, accept) == language
    device.language = "en"
    assert sentences.language_of(device, accept) == "en"


def test_old_entries_go(device, rule, home):
    entry(device, rule, home)
    retention.forget(now=NOW + timedelta(days=29))
    assert FeedEntry.objects.exists()
    retention.forget(now=NOW + timedelta(days=31))
    assert not FeedEntry.objects.exists()


@pytest.fixture
def delivery(device, rule, wet_run, django_capture_on_commit_callbacks, monkeypatch):
    """A delivery that waits, and whose message was sent."""
    sent = []
    monkeypatch.setattr(tasks.deliver, "delay_on_commit", sent.append)
    deliveries.set_webhook(device=device, url="https://hooks.example.org/x")
    alerts.evaluate_rules(now=NOW)
    row = Delivery.objects.get()
    assert sent == [row.pk], "the message holds the key and nothing else"
    return row


def answering(*answers):
    """A post that gives these statuses, or raises; keeps what it was given."""
    left = list(answers)

    def post(url, body, headers):
        post.calls.append((url, body, headers))
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    post.calls = []
    return post


def test_an_entry_is_delivered_signed_and_once(delivery):
    post = answering(204)
    deliveries.deliver(delivery.pk, post=post)
    deliveries.deliver(delivery.pk, post=post)
    [(url, body, headers)] = post.calls
    assert url == "https://hooks.example.org/x"
    assert headers["Skyfold-Signature"] == webhooks.sign(
        Webhook.objects.get().secret, body, int(NOW.timestamp())
    )
    told = json.loads(body)
    assert headers["Skyfold-Delivery"] == told["id"] == str(delivery.entry_id)
    assert told["text"].startswith("Balcony: Rain")
    assert "latitude" not in body.decode()
    assert "41.9" not in body.decode()
    assert Delivery.objects.get().state == "delivered"


def at(monkeypatch, moment):
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)


def test_a_failure_is_tried_again_later_and_later_and_then_given_up(delivery, monkeypatch):
    moment = NOW
    for wait in deliveries.BACKOFF:
        deliveries.deliver(delivery.pk, post=answering(DeliveryFailed("No connection.")))
        row = Delivery.objects.get()
        assert (row.state, row.due, row.reason) == ("waiting", moment + wait, "No connection.")
        assert deliveries.due(moment + wait - timedelta(seconds=1)) == []
        assert deliveries.due(moment + wait) == [delivery.pk]
        # Too early: nobody is called.
        deliveries.deliver(delivery.pk, post=answering())
        moment += wait
        at(monkeypatch, moment)
    deliveries.deliver(delivery.pk, post=answering(500))
    row = Delivery.objects.get()
    assert (row.state, row.reason, row.attempts) == ("failed", "It answered 500.", 6)
    assert Webhook.objects.get().failures == 6


def test_a_success_forgets_the_failures(delivery, monkeypatch):
    deliveries.deliver(delivery.pk, post=answering(302))
    assert Webhook.objects.get().failures == 1
    at(monkeypatch, NOW + timedelta(minutes=1))
    deliveries.deliver(delivery.pk, post=answering(200))
    assert Webhook.objects.get().failures == 0


@pytest.mark.parametrize("answer", [410, TargetRefused("url: it leads to an address that is not public.")])
def test_a_webhook_that_is_gone_or_turns_private_is_left_alone(device, rule, delivery, answer):
    deliveries.deliver(delivery.pk, post=answering(answer))
    assert Delivery.objects.get().state == "failed"
    assert Webhook.objects.get().disabled_because
    before = Delivery.objects.count()
    make_run(init_time=INIT + timedelta(hours=24), outputs=make_outputs(3, wet=MUCH))
    assert alerts.evaluate_rules(now=NOW + timedelta(hours=24)) == 1
    assert Delivery.objects.count() == before
    deliveries.set_webhook(device=device, url="https://hooks.example.org/y")
    assert not Webhook.objects.get().disabled_because


def test_a_webhook_that_keeps_failing_is_left_alone(delivery, monkeypatch):
    Webhook.objects.update(failures=deliveries.FAILURES - 1)
    deliveries.deliver(delivery.pk, post=answering(503))
    assert "It answered 503." in Webhook.objects.get().disabled_because
    assert deliveries.due(NOW + timedelta(days=1)) == []


def test_a_delivery_whose_worker_died_is_taken_again(delivery, monkeypatch):
    class Killed(BaseException):
        pass

    with pytest.raises(Killed):
        deliveries.deliver(delivery.pk, post=answering(Killed()))
    assert deliveries.due(NOW) == []
    at(monkeypatch, NOW + deliveries.CLAIM)
    post = answering(200)
    monkeypatch.setattr(webhooks, "post", post)
    monkeypatch.setattr(deliveries.deliver, "__kwdefaults__", {"post": post})
    tasks.sweep_deliveries()
    assert Delivery.objects.get().state == "delivered"
