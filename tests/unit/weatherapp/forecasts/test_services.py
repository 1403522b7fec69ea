from datetime import timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from mobile_models.errors import NoLiveRelease
from packager.contract import reference_contract
from tests.weather import INIT, NOW, make_outputs, make_run
from weatherapp.forecasts import selectors, services, store, tasks
from weatherapp.forecasts.errors import NoCurrentRun, NothingToForecast, RunNotStored, RunRefused
from weatherapp.forecasts.models import ForecastRun
from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.models import Observation, Station


@pytest.mark.django_db
def test_a_cycle_replays_forecasts_stores_and_becomes_current(live):
    run = services.run_cycle(now=NOW)
    assert selectors.current_run() == run
    assert (run.state, run.stations, run.replay, run.release) == ("stored", 21, True, live)
    stored = store.open_run(run.folder)
    assert stored.outputs["temperature"].shape == (21, 48, 7)
    assert np.isfinite(stored.outputs["temperature"]).all()
    # The model gives back the temperature of two days before: each station got its own history.
    first = stored.inputs["history"][:, 0, 0]
    assert np.corrcoef(first, stored.outputs["temperature"][:, 0, 3])[0, 1] > 0.99


@pytest.mark.django_db
def test_a_cycle_delivered_twice_makes_one_run(live, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    tasks.run_cycle()
    tasks.run_cycle()
    assert ForecastRun.objects.count() == 1
    assert services.run_cycle(now=NOW, again=True).pk != ForecastRun.objects.last().pk
    assert ForecastRun.objects.count() == 2


@pytest.mark.django_db
def test_without_the_replay_nothing_is_invented(live, settings):
    settings.REPLAY_FEED = False
    with pytest.raises(NothingToForecast):
        services.run_cycle(now=NOW)
    assert ForecastRun.objects.get().state == "failed"


@pytest.mark.django_db
def test_without_a_release_there_is_no_run():
    with pytest.raises(NoLiveRelease):
        services.run_cycle(now=NOW)
    assert not ForecastRun.objects.exists()


def _full_disk(*_args, **_kwargs):
    raise OSError(28, "No space left on device")


def _crash(*_args, **_kwargs):
    raise RuntimeError("the process died here")


def _lost_row(*_args, **_kwargs):
    raise DatabaseError("lost")


def _not_finite(self, inputs):
    outputs = make_outputs(len(inputs["site"]))
    outputs["wind"][0, 0, 0] = np.nan
    return outputs


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("target", "failure", "error"),
    [
        ("weatherapp.forecasts.inference.open_bundle", _crash, RuntimeError),
        ("weatherapp.forecasts.services.build_inputs", _crash, RuntimeError),
        ("packager.runtimes.tflite.TfliteRuntime.run", _crash, RuntimeError),
        ("packager.runtimes.tflite.TfliteRuntime.run", _not_finite, RunRefused),
        ("numpy.save", _full_disk, RunNotStored),
        ("weatherapp.forecasts.store.Path.rename", _full_disk, RunNotStored),
        ("weatherapp.forecasts.models.ForecastRun.save", _lost_row, RunNotStored),
    ],
)
def test_a_failure_at_any_step_keeps_the_run_before_current(
    live, monkeypatch, runs_dir, target, failure, error
):
    before = services.run_cycle(now=NOW)
    row = ForecastRun(init_time=INIT + timedelta(hours=1), release=live, bundle_sha256=before.bundle_sha256)
    row.save()
    monkeypatch.setattr(ForecastRun.objects, "create", lambda **_: row)
    with monkeypatch.context() as patch:
        patch.setattr(target, failure)
        with pytest.raises(error):
            services.run_cycle(now=NOW + timedelta(hours=1))
    assert selectors.current_run() == before
    assert store.open_run(before.folder).outputs["temperature"].shape == (21, 48, 7)
    failed = ForecastRun.objects.get(pk=row.pk)
    assert failed.state == "failed"
    assert error.__name__ in failed.reason
    assert [folder.name for folder in runs_dir.iterdir()] == [before.folder]


@pytest.mark.django_db
def test_the_newest_init_time_is_current_whatever_was_stored_last():
    newest = make_run(init_time=NOW.replace(minute=0))
    make_run(init_time=NOW.replace(minute=0) - timedelta(hours=1))
    assert selectors.current_run() == newest
    again = make_run(init_time=NOW.replace(minute=0))
    assert selectors.current_run() == again


@pytest.mark.django_db
def test_no_run_says_what_to_do():
    with pytest.raises(NoCurrentRun, match=r"manage\.py forecast"):
        selectors.current_run()


@pytest.mark.django_db
def test_current_run_costs_one_query(django_assert_num_queries):
    make_run()
    # 1. the newest stored run with its release
    with django_assert_num_queries(1):
        assert selectors.current_run().release.version


@pytest.mark.django_db
def test_only_the_newest_runs_are_kept(settings, runs_dir):
    settings.RUNS_KEPT = 2
    runs = [make_run(init_time=NOW + timedelta(hours=hour)) for hour in range(4)]
    ForecastRun.objects.create(
        init_time=NOW - timedelta(hours=9), release=runs[0].release, bundle_sha256="c" * 64, state="failed"
    )
    services.prune_runs()
    assert set(ForecastRun.objects.all()) == set(runs[2:])
    assert {folder.name for folder in runs_dir.iterdir()} == {run.folder for run in runs[2:]}


@pytest.mark.django_db
def test_a_replaced_run_goes_when_its_readers_have_opened_it(runs_dir):
    replaced, newest = make_run(), make_run()
    services.prune_runs(now=newest.stored + timedelta(seconds=5))
    assert set(ForecastRun.objects.all()) == {replaced, newest}
    services.prune_runs(now=newest.stored + timedelta(hours=1))
    assert set(ForecastRun.objects.all()) == {newest}
    assert [folder.name for folder in runs_dir.iterdir()] == [newest.folder]


@pytest.mark.django_db
def test_a_replay_that_fails_leaves_the_forecast_to_what_is_stored(live, monkeypatch, caplog):
    first = services.run_cycle(now=NOW)

    def down(*_args, **_kwargs):
        raise FeedUnreadable("the dataset is gone")

    monkeypatch.setattr(services, "ingest", down)
    assert services.run_cycle(now=NOW, again=True).stations == first.stations
    assert "the dataset is gone" in caplog.text


def report_late(hours_ago, **values):
    """A report of the run's window that comes, or is corrected, after the run was stored."""
    station = Station.objects.order_by("code").first()
    Observation.objects.update_or_create(
        station=station,
        valid_time=NOW.replace(minute=0) - timedelta(hours=hours_ago),
        defaults={**values, "received": timezone.now() + timedelta(minutes=20)},
    )
    return station


@pytest.mark.django_db
def test_a_corrected_report_makes_the_run_again(live):
    before = services.run_cycle(now=NOW)
    assert services.renew_run(now=NOW) is None
    station = report_late(5, temperature=-77.0)
    again = services.renew_run(now=NOW + timedelta(minutes=20))
    assert selectors.current_run() == again
    assert (again.init_time, again.state) == (before.init_time, "stored")
    stored = store.open_run(again.folder)
    row = [found.code for found in stored.stations].index(station.code)
    assert stored.inputs["history"][row, -6, 0] == -77.0
    assert services.renew_run(now=NOW + timedelta(minutes=25)) is None


@pytest.mark.django_db
def test_a_late_report_that_says_the_same_changes_nothing(live):
    services.run_cycle(now=NOW)
    Observation.objects.update(received=timezone.now() + timedelta(minutes=20))
    assert services.renew_run(now=NOW + timedelta(minutes=20)) is None


@pytest.mark.django_db
def test_a_station_that_reports_for_the_first_time_makes_the_run_again(live):
    services.run_cycle(now=NOW)
    code = Station.objects.create(code="new", name="New", latitude=1, longitude=1, elevation=0).pk
    Observation.objects.create(
        station_id=code,
        valid_time=NOW.replace(minute=0),
        temperature=20.0,
        feed="test",
        received=timezone.now() + timedelta(minutes=1),
    )
    assert services.renew_run(now=NOW + timedelta(minutes=10)).stations == 22


@pytest.mark.django_db
def test_an_older_run_and_one_of_another_release_are_left_alone(live, monkeypatch):
    assert services.renew_run(now=NOW) is None
    services.run_cycle(now=NOW)
    report_late(5, temperature=-77.0)
    assert services.renew_run(now=NOW + timedelta(hours=1)) is None
    ForecastRun.objects.update(bundle_sha256="b" * 64)
    assert services.renew_run(now=NOW) is None


@pytest.mark.django_db
def test_a_failed_renewal_keeps_the_run_current_and_says_so(live, monkeypatch):
    before = services.run_cycle(now=NOW)
    report_late(5, temperature=-77.0)
    monkeypatch.setattr("packager.runtimes.tflite.TfliteRuntime.run", _crash)
    with pytest.raises(RuntimeError):
        tasks.services.renew_run(now=NOW)
    assert selectors.current_run() == before
    said = selectors.run_condition(before, NOW)
    assert said.startswith("degraded: ")
    assert "failed (RuntimeError)" in said
    assert "died" not in said


@pytest.mark.django_db
def test_a_runs_condition_tells_its_age_and_that_a_cycle_is_overdue():
    run = make_run()
    assert selectors.run_condition(run, run.init_time + timedelta(minutes=30)).endswith("0.5 hours old")
    late = selectors.run_condition(run, run.init_time + timedelta(hours=3))
    assert late.startswith("degraded: ")
    assert "no cycle has run" in late
    assert selectors.run_age(run, run.init_time + timedelta(hours=3)) == timedelta(hours=3)


@pytest.mark.django_db
def test_the_run_that_ends_before_a_moment_is_the_newest_stored_one():
    first, second = make_run(init_time=NOW - timedelta(hours=5)), make_run(init_time=NOW - timedelta(hours=1))
    ForecastRun.objects.create(init_time=NOW, release=first.release, bundle_sha256="c" * 64, state="failed")
    assert selectors.run_ending(NOW) == second
    assert selectors.run_ending(second.init_time - timedelta(seconds=1)) == first
    assert selectors.run_ending(first.init_time - timedelta(seconds=1)) is None


@pytest.mark.django_db
def test_a_run_fills_what_nobody_reported_from_the_run_before(live, settings):
    first = services.run_cycle(now=NOW)
    settings.REPLAY_FEED = False
    later = services.run_cycle(now=NOW + timedelta(hours=1))
    forecast, past = store.open_run(first.folder).outputs, store.open_run(later.folder).past
    assert np.array_equal(past["temperature"][:, -1], forecast["temperature"][:, 0])
    assert np.isfinite(past["temperature"][:, -2]).any()


@pytest.mark.parametrize("change", ["missing", "shape", "infinite"])
def test_outputs_that_cannot_be_a_forecast_are_refused(change):
    outputs = make_outputs(2)
    if change == "missing":
        del outputs["dew_point"]
    if change == "shape":
        outputs["dew_point"] = outputs["dew_point"][:, :5]
    if change == "infinite":
        outputs["dew_point"][1, 3] = np.inf
    with pytest.raises(RunRefused, match="dew_point"):
        services.check_outputs(outputs, reference_contract(), stations=2)


@pytest.mark.django_db
def test_the_command_says_what_it_made_and_why_it_could_not(live, capsys, monkeypatch):
    call_command("forecast")
    assert "21 stations, release 2026.07.04-1" in capsys.readouterr().out
    monkeypatch.setattr("mobile_models.selectors.live_release", _no_release)
    with pytest.raises(CommandError, match="nothing on offer") as caught:
        call_command("forecast")
    assert caught.value.returncode == 2


def _no_release():
    raise NoLiveRelease("nothing on offer")
