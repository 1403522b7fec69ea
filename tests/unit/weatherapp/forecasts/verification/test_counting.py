from datetime import date, timedelta

import numpy as np
import pytest
from django.db.models import Sum

from mobile_models.models import Release
from tests.weather import INIT, make_run
from weatherapp.forecasts.models import (
    ForecastRun,
    LeadScore,
    ReliabilityBin,
    StationScore,
    Verification,
)
from weatherapp.forecasts.verification import counting, selectors, services
from weatherapp.forecasts.verification.selectors import Question
from weatherapp.observations.models import Observation, Station

from .conftest import constant, verification_of

pytestmark = pytest.mark.django_db
AFTER = INIT + timedelta(hours=60)  # every lead's reports are in
SPAN = {"since": date(2026, 7, 1), "until": date(2026, 7, 10)}


def one(variable, **question):
    (result,) = selectors.results(Question(**SPAN, variables=(variable,), **question))
    return result


def snapshot():
    tables = (LeadScore, StationScore, ReliabilityBin)
    return [sorted(table.objects.values_list()) for table in tables]


def figures():
    """Every sum in every group, in order."""
    question = Question(**SPAN, group_by=("variable", "lead", "day"))
    return [(r.n, r.score, r.mae or 0, r.reference_score or 0) for r in selectors.results(question)]


def test_scores_are_means_over_pairs_of_a_forecast_and_a_report(run):
    assert services.verify_runs(now=AFTER) == 48
    temperature = one("temperature")
    assert temperature.n == 3 * 48
    assert temperature.mae == pytest.approx(1.0)
    assert temperature.bias == pytest.approx(-1.0)
    assert temperature.rmse == pytest.approx(1.0)
    assert temperature.score == pytest.approx(1.0)  # all quantiles equal: the CRPS is the absolute error
    pressure = one("pressure_msl")
    assert (pressure.score, pressure.bias) == (pytest.approx(3.0), pytest.approx(3.0))
    wind = one("wind")
    assert wind.score == pytest.approx(5.0)  # (-3, 0) against (0, 4)
    assert wind.bias is None


def test_classes_and_the_chance_of_rain_have_their_own_scores(run):
    services.verify_runs(now=AFTER)
    kinds, ceiling = one("precipitation_type"), one("cloud_base")
    assert kinds.score == pytest.approx(0.1**2 + 0.1**2)
    assert (kinds.mae, kinds.bias, ceiling.mae) == (None, None, None)
    chance = one("precipitation_probability")
    assert chance.score == pytest.approx(0.01)
    assert chance.bias == pytest.approx(0.1)
    (tenth,) = selectors.reliability(Question(**SPAN))
    assert tenth == {"n": 144, "probability": pytest.approx(0.1), "frequency": 0.0}


def test_amounts_are_scored_in_the_hours_that_were_wet(run, observe):
    observe(3, 3, precipitation=2.0)
    services.verify_runs(now=AFTER)
    amount = one("precipitation")
    assert amount.n == 3
    assert amount.bias == pytest.approx(1.6 - 2.0)
    assert one("precipitation_probability").n == 144


def test_the_reference_is_the_same_hour_of_the_last_day_before_the_run(run, observe):
    observe(-24 + 5, -24 + 5, temperature=25.0)  # speaks for leads 5 and 29
    services.verify_runs(now=AFTER)
    by_lead = {
        r.keys["lead"]: r
        for r in selectors.results(Question(**SPAN, variables=("temperature",), group_by=("lead",)))
    }
    assert by_lead[5].reference_score == pytest.approx(4.0)
    assert by_lead[29].reference_score == pytest.approx(4.0)
    assert by_lead[6].reference_score == pytest.approx(0.0)
    assert by_lead[6].skill is None  # a reference without an error
    assert by_lead[5].skill == pytest.approx(0.75)


def test_beyond_a_day_the_reference_is_two_days_back_never_after_the_run_began(run, observe):
    observe(1, 24, temperature=99.0)  # nobody could know these when the run began
    services.verify_runs(now=AFTER)
    by_lead = {
        r.keys["lead"]: r
        for r in selectors.results(Question(**SPAN, variables=("temperature",), group_by=("lead",)))
    }
    assert by_lead[30].reference_score == pytest.approx(0.0)


def test_an_hour_is_counted_when_its_delay_has_passed_and_once(run, settings):
    settings.VERIFICATION_DELAY_HOURS = 2
    assert services.verify_runs(now=INIT + timedelta(hours=2, minutes=59)) == 0
    assert services.verify_runs(now=INIT + timedelta(hours=3)) == 1
    assert services.verify_runs(now=INIT + timedelta(hours=3, minutes=30)) == 0
    assert services.verify_runs(now=INIT + timedelta(hours=10)) == 7
    assert verification_of(run).leads == 8
    services.verify_runs(now=AFTER)
    bit_by_bit = figures()
    for table in (LeadScore, StationScore, ReliabilityBin, Verification):
        table.objects.all().delete()
    services.verify_runs(now=AFTER)
    assert len(figures()) == len(bit_by_bit)
    assert np.array(figures()) == pytest.approx(np.array(bit_by_bit))


def test_again_changes_nothing(run):
    services.verify_runs(now=AFTER)
    before = snapshot()
    assert services.verify_runs(now=AFTER) == 0
    assert snapshot() == before


def test_a_report_that_comes_after_the_delay_is_not_counted_any_more(run, observe):
    services.verify_runs(now=AFTER)
    observe(1, 48, temperature=-40.0)
    services.verify_runs(now=AFTER + timedelta(hours=1))
    assert one("temperature").bias == pytest.approx(-1.0)


@pytest.mark.parametrize("step", ["_claim", "_write", "_add"])
def test_killed_at_any_step_nothing_is_counted_and_the_next_pass_counts_it(run, monkeypatch, step):
    def killed(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(counting, step, killed)
        with pytest.raises(KeyboardInterrupt):
            services.verify_runs(now=AFTER)
    assert snapshot() == [[], [], []]
    assert not Verification.objects.exists()
    assert services.verify_runs(now=AFTER) == 48


def test_what_another_process_counts_first_is_counted_once(run, monkeypatch):
    due = [counting.due_hours(run, now=AFTER, counted=0)]
    assert counting.count(due) == 48
    before = snapshot()
    with pytest.raises(counting.CountedMeanwhile):
        counting.count(due)
    assert snapshot() == before
    monkeypatch.setattr(selectors, "counted_leads", lambda runs: {run.pk: 0 for run in runs})
    assert services.verify_runs(now=AFTER) == 0
    assert snapshot() == before


def test_of_an_hour_made_twice_the_newest_run_counts(run):
    newest = make_run(outputs=constant(temperature=24.0))
    services.verify_runs(now=AFTER)
    assert one("temperature").bias == pytest.approx(3.0)
    assert newest.init_time == run.init_time


def test_hours_that_a_replay_leaps_over_are_not_compared(observe):
    observe(-47, 10, series=1)
    observe(11, 48, series=2)
    make_run(outputs=constant(temperature=20.0))
    services.verify_runs(now=AFTER)
    result = one("temperature")
    assert (result.n, result.paired) == (30, 30)


def test_a_reference_of_another_series_says_nothing(observe):
    observe(-47, -12, series=1)
    observe(-11, 48, series=2)
    make_run(outputs=constant(temperature=20.0))
    services.verify_runs(now=AFTER)
    result = one("temperature")
    assert result.n == 144
    assert result.paired == 3 * 24  # the hours before the leap speak for leads 1–12 and 25–36


def test_missing_reports_stations_and_files_count_for_nothing(run, observe, runs_dir):
    Observation.objects.filter(station__code="chi", valid_time__gt=INIT).update(temperature=None)
    Station.objects.filter(code="ewr").update(active=False)
    broken = make_run(init_time=INIT + timedelta(hours=1))
    for file in (runs_dir / broken.folder).iterdir():
        file.unlink()
    assert services.verify_runs(now=AFTER) == 48
    assert one("temperature").n == 48
    assert not StationScore.objects.filter(station__code="ewr").exists()


def test_nothing_to_count_is_harmless(db):
    assert services.verify_runs(now=AFTER) == 0
    assert counting.count([]) == 0


def test_runs_without_any_station_that_reports_are_done_with(db):
    run = make_run()
    assert services.verify_runs(now=AFTER) == 48
    assert verification_of(run).leads == 48
    assert not LeadScore.objects.exists()


def test_sums_by_lead_and_by_station_agree(run):
    services.verify_runs(now=AFTER)
    sums = [
        table.objects.filter(variable="temperature").aggregate(Sum("n"), Sum("score"), Sum("error"))
        for table in (LeadScore, StationScore)
    ]
    assert sums[0] == pytest.approx(sums[1])


def test_releases_are_counted_apart(run, observe):
    other = Release.objects.create(version="2026.07.05-1")
    later = make_run(init_time=INIT + timedelta(hours=1), outputs=constant(temperature=24.0))
    ForecastRun.objects.filter(pk=later.pk).update(release=other)
    services.verify_runs(now=AFTER)
    found = selectors.results(Question(**SPAN, variables=("temperature",), group_by=("release",)))
    assert {r.keys["release"]: r.bias for r in found} == {
        "2026.07.04-1": pytest.approx(-1.0),
        "2026.07.05-1": pytest.approx(3.0),
    }


def test_old_scores_are_forgotten(run, settings):
    settings.VERIFICATION_KEPT_DAYS = 30
    services.verify_runs(now=AFTER)
    services.prune_scores(now=AFTER + timedelta(days=20))
    assert LeadScore.objects.exists()
    services.prune_scores(now=AFTER + timedelta(days=60))
    assert snapshot() == [[], [], []]
    assert not Verification.objects.exists()
