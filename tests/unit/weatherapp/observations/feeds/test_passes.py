import os
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from weatherapp.observations import feed_state, passes, tasks
from weatherapp.observations.errors import FeedBusy, FeedUnknown, FeedUnreadable
from weatherapp.observations.management.commands.ingest import Command
from weatherapp.observations.models import FeedState, Guidance, Observation, Rejection, Station
from weatherapp.observations.passes import Wishes, run_pass

NOW = datetime(2026, 7, 4, 18, 25, tzinfo=UTC)
STATIONS = "code,name,latitude,longitude,elevation\nLFPG,Roissy,49.01,2.53,119\n"
METAR = "METAR LFPG {time}Z 00000KT CAVOK {temperature}/10 Q1013=\n"
pytestmark = pytest.mark.django_db


@pytest.fixture
def bulletins(tmp_path, settings):
    """A folder that the METAR feed reads; call it to put a file there."""
    listed = tmp_path / "stations.csv"
    listed.write_text(STATIONS)
    folder = tmp_path / "bulletins"
    folder.mkdir()
    settings.FEED_SOURCES = {**settings.FEED_SOURCES, "metar": str(folder)}
    settings.FEED_STATIONS = {**settings.FEED_STATIONS, "metar": str(listed)}

    def put(name, text, *, changed=1_700_000_000):
        (folder / name).write_text(text)
        os.utime(folder / name, (changed, changed))

    put.folder = folder
    return put


def state():
    return FeedState.objects.get(feed="metar")


def test_a_pass_stores_reports_and_the_feed_is_up(bulletins):
    bulletins("a.txt", METAR.format(time="041800", temperature=20))
    report = run_pass(name="metar", now=NOW)
    assert (report.stored.reports, report.state) == (1, "up")
    assert Observation.objects.get().temperature == 20
    row = state()
    assert (row.state, row.reason, row.reports, row.consecutive_failures) == ("up", "", 1, 0)
    assert row.last_success == row.last_attempt == NOW
    assert row.last_report_time == NOW.replace(minute=0)


def test_what_was_read_is_not_read_again(bulletins):
    bulletins("a.txt", METAR.format(time="041800", temperature=20))
    run_pass(name="metar", now=NOW)
    report = run_pass(name="metar", now=NOW + timedelta(minutes=1))
    assert (report.stored.reports, report.unchanged) == (0, 1)
    assert state().last_report_time == NOW.replace(minute=0)


def test_a_report_of_the_coming_hour_is_read_once_it_has_come(bulletins):
    bulletins("a.txt", METAR.format(time="041755", temperature=20))
    early = run_pass(name="metar", now=NOW.replace(hour=17, minute=57))
    assert early.stored.reports == 0
    assert not Rejection.objects.exists()
    assert run_pass(name="metar", now=NOW).stored.reports == 1


def test_a_source_that_is_gone_makes_the_feed_down_and_keeps_what_it_brought(bulletins, settings):
    bulletins("a.txt", METAR.format(time="041800", temperature=20))
    run_pass(name="metar", now=NOW)
    remembered = state().validators
    settings.FEED_SOURCES = {**settings.FEED_SOURCES, "metar": str(bulletins.folder / "elsewhere")}
    for failures in (1, 2):
        with pytest.raises(FeedUnreadable, match="cannot be read"):
            run_pass(name="metar", now=NOW + timedelta(minutes=failures))
        assert (state().state, state().consecutive_failures) == ("down", failures)
    assert "elsewhere" in state().reason
    assert state().validators == remembered
    assert state().last_success == NOW
    assert Observation.objects.count() == 1


def test_a_feed_that_comes_back_is_up_again(bulletins, settings):
    settings.FEED_SOURCES = {**settings.FEED_SOURCES, "metar": ""}
    with pytest.raises(FeedUnreadable, match="FEED_METAR_SOURCE"):
        run_pass(name="metar", now=NOW)
    settings.FEED_SOURCES = {**settings.FEED_SOURCES, "metar": str(bulletins.folder)}
    bulletins("a.txt", METAR.format(time="041800", temperature=20))
    assert run_pass(name="metar", now=NOW).state == "up"
    assert state().consecutive_failures == 0


def test_part_of_a_source_makes_the_feed_degraded(bulletins):
    bulletins("a.txt", METAR.format(time="041800", temperature=20))
    bulletins("b.txt", "<html>Sorry</html>")
    report = run_pass(name="metar", now=NOW)
    assert report.state == "degraded"
    assert "Sorry" in state().reason
    assert Observation.objects.count() == 1


def test_a_source_of_nonsense_makes_the_feed_degraded_and_is_kept_to_look_at(bulletins):
    bulletins("a.txt", "one=\ntwo=\nthree=\n" + METAR.format(time="041800", temperature=20))
    run_pass(name="metar", now=NOW)
    assert state().reason == "3 of 4 reports could not be read."
    assert state().rejected == 3
    assert set(Rejection.objects.values_list("text", "check_name")) == {
        (word, "not a METAR") for word in ("one", "two", "three")
    }


def test_a_source_of_nothing_but_nonsense_is_degraded_too(bulletins):
    bulletins("a.txt", "one=\ntwo=\n")
    assert run_pass(name="metar", now=NOW).state == "degraded"


def test_a_live_feed_without_new_reports_is_degraded(bulletins):
    bulletins("a.txt", METAR.format(time="041800", temperature=20))
    run_pass(name="metar", now=NOW)
    later = run_pass(name="metar", now=NOW + timedelta(hours=4))
    assert later.reason == "The newest report is of 2026-07-04T18Z."


def test_two_passes_of_a_feed_never_run_at_once(bulletins):
    claim = feed_state.claim(feed="metar", now=NOW)
    with pytest.raises(FeedBusy, match="under way"):
        run_pass(name="metar", now=NOW + timedelta(minutes=5))
    feed_state.record_failure(claim, "stopped")
    assert run_pass(name="metar", now=NOW + timedelta(minutes=6)).state == "up"


def test_a_pass_that_was_killed_holds_the_feed_for_a_while_only_and_cannot_speak_for_the_next(bulletins):
    dead = feed_state.claim(feed="metar", now=NOW)
    bulletins("a.txt", METAR.format(time="041800", temperature=20))
    later = NOW + feed_state.HELD + timedelta(seconds=1)
    alive = feed_state.claim(feed="metar", now=later)
    feed_state.record_failure(dead, "killed")
    assert state().reason == feed_state.UNDER_WAY
    feed_state.record_failure(alive, "mine")
    assert state().reason == "mine"
    assert feed_state.HELD.total_seconds() > tasks.HARD_SECONDS


def test_an_error_nobody_thought_of_frees_the_feed(bulletins, monkeypatch):
    def stumble(**kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(passes.services, "ingest", stumble)
    with pytest.raises(RuntimeError):
        run_pass(name="metar", now=NOW)
    assert (state().state, state().reason) == ("down", "RuntimeError: the disk is full")


def test_nothing_is_remembered_as_read_before_it_is_stored(bulletins, monkeypatch):
    bulletins("a.txt", METAR.format(time="041800", temperature=20))

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(feed_state, "record_feed", killed)
        with pytest.raises(KeyboardInterrupt):
            run_pass(name="metar", now=NOW)
    assert state().validators == {}
    assert run_pass(name="metar", now=NOW + timedelta(minutes=1)).stored.unchanged == 1


def test_a_source_of_ones_own_is_read_whole(bulletins):
    bulletins("a.txt", METAR.format(time="041800", temperature=20))
    run_pass(name="metar", now=NOW)
    wishes = Wishes(source=str(bulletins.folder))
    assert run_pass(name="metar", now=NOW + timedelta(minutes=1), wishes=wishes).stored.reports == 1


def test_wishes_that_a_feed_cannot_fulfil_change_no_state():
    with pytest.raises(FeedUnreadable, match="takes no source"):
        run_pass(name="replay", wishes=Wishes(source="x"))
    with pytest.raises(FeedUnreadable, match="not a place"):
        run_pass(name="open_meteo", wishes=Wishes(places=("here",)))
    with pytest.raises(FeedUnknown, match="metar"):
        run_pass(name="rumours")
    assert not FeedState.objects.exists()


def test_an_address_that_is_neither_a_folder_nor_http_is_told():
    with pytest.raises(FeedUnreadable, match=r"'ftp://a/b' is no source.*http\(s\) address"):
        run_pass(name="metar", wishes=Wishes(source="ftp://a/b"))


@pytest.mark.parametrize(("since", "said"), [("2999-01-01", "still to come"), ("yesterday", "is no time")])
def test_a_wrong_since_is_told_before_anything_is_read(since, said):
    with pytest.raises(CommandError, match=said):
        call_command("ingest", "metar", f"--since={since}")
    assert not FeedState.objects.exists()


def test_the_help_teaches_with_examples(capsys):
    with pytest.raises(SystemExit):
        Command().create_parser("manage.py", "ingest").parse_args(["--help"])
    said = capsys.readouterr().out
    assert "  manage.py ingest metar --source bulletins/ --stations stations.csv\n" in said
    assert "It ends with 2" in said


def test_a_task_logs_a_feed_that_is_down_and_goes_on(caplog):
    tasks.ingest_feed("metar")
    assert "FEED_METAR_SOURCE" in caplog.text
    assert state().state == "down"


def test_the_stored_stations_are_known(bulletins, settings):
    settings.FEED_STATIONS = {**settings.FEED_STATIONS, "metar": ""}
    Station.objects.create(code="LFPG", name="R", latitude=49, longitude=2.5, elevation=119, source="list")
    bulletins("a.txt", METAR.format(time="041800", temperature=20))
    assert run_pass(name="metar", now=NOW).stored.reports == 1


def test_every_configured_feed_has_its_own_entry_in_the_beat_schedule():
    from weatherapp.config.celery import app

    entry = app.conf.beat_schedule["feed-replay"]
    assert entry["task"] == tasks.ingest_feed.name
    assert entry["args"] == ("replay",)


def command(*words):
    out = StringIO()
    call_command("ingest", *words, stdout=out)
    return out.getvalue()


def test_the_command_says_what_it_did(tmp_path, settings):
    listed = tmp_path / "stations.csv"
    listed.write_text(STATIONS)
    file = tmp_path / "a.txt"
    file.write_text(
        "2020/07/04 18:00\n"
        + METAR.format(time="041800", temperature=20)
        + METAR.format(time="041830", temperature=20)
        + "x=\n"
    )
    said = command("metar", "--source", str(file), "--stations", str(listed), "--since", "2020-01-01")
    assert "metar: 1 reports of 1 stations (1 new, 0 changed, 0 as before); rejected: 1 × not a METAR" in said
    assert "passed over: 1 × between two hours" in said
    assert "state: degraded" in said


def test_the_command_reads_on_until_all_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("weatherapp.observations.feeds.sources.MAX_FILES_PER_PASS", 1)
    (tmp_path / "list.csv").write_text(STATIONS)
    folder = tmp_path / "b"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text(METAR.format(time="041800", temperature=20))
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))
    said = command("metar", "--source", str(folder), "--stations", str(tmp_path / "list.csv"))
    assert said.count("state:") == 3
    assert "left for the next pass: 2" in said


def test_the_command_fails_with_2_where_the_source_is_no_data(tmp_path):
    page = tmp_path / "page"
    page.write_text("<html>")
    for words in (["metar", "--source", str(page)], ["metar"], ["rumours"]):
        with pytest.raises(CommandError) as caught:
            command(*words)
        assert caught.value.returncode == 2


def test_a_time_that_is_none_is_told():
    with pytest.raises(CommandError, match="'yesterday' is no time"):
        command("metar", "--since", "yesterday")


def test_places_without_stations_and_guidance_for_them(tmp_path):
    from pathlib import Path

    replies = Path(__file__).parents[4] / "data" / "openmeteo"
    said = command(
        "open_meteo", "--source", str(replies / "previous_runs.json"), "--place", "previous_runs,52.3,6.9,35"
    )
    assert "guidance: 6 hours" in said
    assert Guidance.objects.count() == 6
    assert Station.objects.get().elevation == 35


@pytest.mark.parametrize(
    ("answer", "said"),
    [((200, {"Content-Type": "text/html"}, b"<p>"), "a page"), ((404, {}, b""), "answered 404")],
)
def test_a_server_without_data_makes_the_feed_down(web, bulletins, settings, answer, said):
    url = web.lines_up("/metars", answer)
    settings.FEED_SOURCES = {**settings.FEED_SOURCES, "metar": url}
    with pytest.raises(FeedUnreadable, match=said):
        run_pass(name="metar", now=NOW)
    assert (state().state, state().validators) == ("down", {})


def test_a_server_is_asked_only_for_what_changed(web, bulletins, settings):
    report = METAR.format(time="041800", temperature=20).encode()
    url = web.lines_up("/metars", (200, {"ETag": '"1"'}, report), (304, {}, b""))
    settings.FEED_SOURCES = {**settings.FEED_SOURCES, "metar": url}
    assert run_pass(name="metar", now=NOW).stored.reports == 1
    again = run_pass(name="metar", now=NOW + timedelta(minutes=1))
    assert (again.state, again.unchanged, again.stored.reports) == ("up", 1, 0)
    assert state().validators == {url: {"etag": '"1"'}}


@pytest.mark.parametrize("date", ["0001/01/01", "9999/12/31", "2025/07/04"])
def test_a_report_of_another_age_is_refused_and_kept(bulletins, date):
    day = date[-2:]
    bulletins("a.txt", f"{date} 00:00\n" + METAR.format(time=f"{day}1800", temperature=20))
    run_pass(name="metar", now=NOW)
    assert Rejection.objects.get().check_name in {"too old", "a time in the future"}
    assert not Observation.objects.exists()
