"""The operator's pages over Django's client; what they look like is seen in a browser."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from weatherapp.observations import admin
from weatherapp.observations.models import FeedState, Guidance, Observation, Rejection, Station

pytestmark = pytest.mark.django_db
MODELS = {
    "station": Station,
    "observation": Observation,
    "guidance": Guidance,
    "rejection": Rejection,
    "feedstate": FeedState,
}


@pytest.fixture
def now():
    return timezone.now().replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def station(now):
    made = Station.objects.create(
        code="LFLL", name="Lyon", latitude=45.7, longitude=5.1, elevation=248.0, source="METAR"
    )
    for hour in range(5):
        time = now - timedelta(hours=hour + 1)
        Observation.objects.create(
            station=made, valid_time=time, feed="metar", received=time, temperature=15.5
        )
    Guidance.objects.create(station=made, source="gfs", init_time=now, valid_time=now, available_time=now)
    return made


@pytest.fixture
def rejections(station, now):
    refused = [("stuck", 0), ("stuck", 0), ("stuck", 2), ("jump", 1), ("jump", 60)]
    return [
        Rejection.objects.create(
            station=station,
            station_code=station.code,
            feed="metar",
            variable="temperature",
            value=99.0,
            check_name=check,
            received=now - timedelta(days=days),
            digest=str(number),
        )
        for number, (check, days) in enumerate(refused)
    ] + [
        Rejection.objects.create(
            station_code="ZZZZ", feed="metar", text="<b>rubbish", check_name="html", received=now, digest="h"
        )
    ]


@pytest.fixture
def feed(now):
    return FeedState.objects.create(
        feed="metar",
        state="down",
        last_success=now - timedelta(hours=5),
        last_report_time=now - timedelta(hours=6),
        consecutive_failures=4,
        reason="the source answers 503",
    )


@pytest.fixture
def everything(station, rejections, feed):
    return station


def page(client, model, name, *args, **query):
    return client.get(reverse(f"admin:observations_{model}_{name}", args=args), query)


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_detail_page_opens(admin_client, everything, model):
    assert page(admin_client, model, "changelist").status_code == 200
    assert page(admin_client, model, "change", MODELS[model].objects.first().pk).status_code == 200
    assert page(admin_client, model, "add").status_code == 403


@pytest.mark.parametrize("model", ["observation", "guidance", "rejection", "feedstate"])
def test_what_feeds_brought_is_neither_edited_nor_deleted(admin_client, everything, model):
    row = MODELS[model].objects.first()
    url = reverse(f"admin:observations_{model}_change", args=[row.pk])
    assert admin_client.post(url, {}).status_code == 403
    assert page(admin_client, model, "delete", row.pk).status_code == 403


def test_the_list_of_stations_says_how_they_report(admin_client, everything):
    Station.objects.create(code="MUTE", name="Mute", latitude=45, longitude=5, elevation=1, source="METAR")
    told = page(admin_client, "station", "changelist").content.decode()
    assert "1\xa0hour ago" in told
    assert '<span class="text-red-600">never</span>' in told
    assert "<span>5</span>" in told
    assert f"station__id__exact={everything.pk}" in told


def test_a_list_costs_the_same_for_many_stations(admin_client, everything, django_assert_max_num_queries):
    Station.objects.bulk_create(
        [
            Station(code=f"S{number}", name="S", latitude=45, longitude=5, elevation=1, source="METAR")
            for number in range(30)
        ]
    )
    with django_assert_max_num_queries(8):
        page(admin_client, "station", "changelist")


def test_a_station_sums_up_what_was_refused(admin_client, everything):
    told = page(admin_client, "station", "change", everything.pk).content.decode()
    assert "check_name=stuck" in told
    assert "check_name=jump" in told
    table = admin.day_table({"stuck": {timezone.now().date(): 2}}, timezone.now().date())
    assert table.endswith('<td style="padding: .15rem .75rem; text-align: right">2</td></tr></table>')
    assert "check_name=html" not in told


def test_a_station_can_be_switched_off(admin_client, everything):
    told = {"name": "Lyon", "latitude": 45.7, "longitude": 5.1, "elevation": 248.0, "source": "METAR"}
    url = reverse("admin:observations_station_change", args=[everything.pk])
    assert admin_client.post(url, told).status_code == 302
    everything.refresh_from_db()
    assert not everything.active


def test_refusals_are_charted_per_check(admin_client, everything):
    told = page(admin_client, "rejection", "changelist").content.decode()
    assert "Refused per check" in told
    assert told.index("check_name=stuck") < told.index("check_name=html")
    assert 'aria-valuenow="100"' in told
    assert 'aria-valuenow="33"' in told  # one of html and one recent jump against three of stuck
    assert "&lt;b&gt;rubbish" in told


def test_refusals_are_filtered_by_check_and_station(admin_client, everything):
    told = page(admin_client, "rejection", "changelist", check_name="jump").context["cl"]
    assert told.result_count == 2
    told = page(admin_client, "rejection", "changelist", station__id__exact=everything.pk).context["cl"]
    assert told.result_count == 5
    told = page(admin_client, "rejection", "changelist", q="ZZZZ").context["cl"]
    assert told.result_count == 1


def test_no_chart_without_refusals(admin_client):
    assert "Refused per check" not in page(admin_client, "rejection", "changelist").content.decode()


def test_feeds_show_their_state(admin_client, everything):
    told = page(admin_client, "feedstate", "changelist").content.decode()
    assert "the source answers 503" in told
    assert "5\xa0hours ago" in told
    assert "bg-red-100" in told


def press(client, feed):
    url = reverse("admin:observations_feedstate_ingest_now", args=[feed.pk])
    assert client.get(url).status_code == 200
    client.post(url, {"_form_submitted": "on"})
    return page(client, "feedstate", "change", feed.pk).content.decode()


def test_a_feed_is_asked_now(admin_client, feed, monkeypatch):
    asked = []
    monkeypatch.setattr(admin.ingest_feed, "delay", asked.append)
    assert "A pass of metar is queued." in press(admin_client, feed)
    assert asked == ["metar"]


def test_a_feed_that_is_no_more_is_explained(admin_client, monkeypatch):
    monkeypatch.setattr(admin.ingest_feed, "delay", lambda name: pytest.fail("queued"))
    assert "There is no feed" in press(admin_client, FeedState.objects.create(feed="gone"))


def test_a_queue_that_is_down_is_explained(admin_client, feed, monkeypatch):
    def refuse(name):
        raise OperationalError("connection refused")

    monkeypatch.setattr(admin.ingest_feed, "delay", refuse)
    assert "The queue cannot be reached: connection refused" in press(admin_client, feed)


def test_who_may_only_look_cannot_ask_a_feed(client, django_user_model, feed):
    reader = django_user_model.objects.create_user("reader", password="x", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_feedstate"))
    client.force_login(reader)
    assert page(client, "feedstate", "change", feed.pk).status_code == 200
    url = reverse("admin:observations_feedstate_ingest_now", args=[feed.pk])
    assert client.post(url, {"_form_submitted": "on"}).status_code == 403


def test_a_station_named_like_its_code_is_said_once(station):
    assert str(station) == "LFLL Lyon"
    assert str(Station(code="EHAM", name="EHAM")) == "EHAM"


def test_a_long_reason_stays_on_one_line_and_is_whole_when_pointed_at(admin_client, feed):
    feed.reason = "the source <down> " + "says much " * 10
    feed.save()
    content = page(admin_client, "feedstate", "changelist").content.decode()
    assert "the source &lt;down&gt;" in content
    assert f'title="{feed.reason.replace("<", "&lt;").replace(">", "&gt;")}"' in content
