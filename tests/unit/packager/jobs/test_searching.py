from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils.timezone import now

from mobile_models.errors import NotPermitted
from packager.errors import PackagerError, TrainingFailed
from packager.jobs import searching, tasks
from packager.jobs.errors import SearchRefused
from packager.jobs.lease import MAX_ATTEMPTS, Lease, claim_job
from packager.jobs.models import SearchStudy, SearchTrial
from packager.recipes import parse_recipe
from packager.search.run import Run
from packager.search.winner import Winner
from tests.factories import make_user
from tests.integration import figured_builder

pytestmark = pytest.mark.django_db

State = SearchTrial.State
WANTED = {"budget_minutes": 5, "max_bytes": 40_000, "max_skill_loss_percent": 2.0}


@pytest.fixture(autouse=True)
def told(monkeypatch, settings, tmp_path):
    """What the queue was told; trials cost nothing and are kept in a journal of the test."""
    settings.SEARCH_STORAGE_URL = str(tmp_path / "search" / "journal.log")
    settings.SEARCH_BUILDER = "tests.integration.figured_builder.FiguredBuilder"
    monkeypatch.setattr(figured_builder, "TRIAL_SECONDS", 0.0)
    messages = []
    monkeypatch.setattr(
        tasks.run_trial, "apply_async", lambda args, task_id: messages.append((task_id, *args))
    )
    return messages


@pytest.fixture
def study():
    return searching.request_search(name="night", **WANTED)


def run_all(study, most=3):
    """Do what the queue would have done, with time for so many trials; gives the rows."""
    while rows := study.trials.filter(state=State.WAITING, kind="trial")[:1]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(searching, "_has_room", lambda *_: study.trials.count() < most)
            tasks.run_trial(rows[0].pk)
    return list(study.trials.all())


def test_a_search_makes_a_row_for_every_worker_and_tells_the_queue(told, django_capture_on_commit_callbacks):
    user = make_user("engineer", "releaser")
    with django_capture_on_commit_callbacks(execute=True):
        study = searching.request_search(
            name="night", tier="phone_mid", budget_minutes=5, workers=2, user=user
        )
    assert (study.max_bytes, study.max_skill_loss_percent, study.requested_by) == (49_152, 1.0, user)
    rows = list(study.trials.all())
    assert told == [(f"search-trial-{row.pk}-1", row.pk) for row in rows]
    assert len(rows) == 2


def test_who_may_not_register_bundles_may_not_search():
    with pytest.raises(NotPermitted):
        searching.request_search(name="night", **WANTED, user=make_user("reader", "viewer"))
    assert not SearchStudy.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_bytes": 0}, "At most 0 bytes"),
        ({"budget_minutes": -1}, "The budget is -1 minutes"),
        ({"target": "onnx"}, "Target 'onnx' is not known"),
        ({"workers": 0}, "workers: 0 was given"),
        ({"profile": "huge"}, "Profile 'huge' is not known"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises((PackagerError, SearchRefused), match=message):
        searching.request_search(**{"name": "night", **WANTED, **wrong})
    assert not SearchStudy.objects.exists()


def test_a_name_is_given_once(study):
    with pytest.raises(SearchRefused, match="a search 'night' is there already"):
        searching.request_search(name="night", **WANTED)


def test_each_trial_makes_the_next_row_until_the_time_is_over_and_then_the_winners(study):
    rows = run_all(study, most=3)
    assert [row.kind for row in rows] == ["trial", "trial", "trial", "winner"]
    assert [row.number for row in rows] == [0, 1, 2, None]
    assert {row.state for row in rows[:3]} == {State.SUCCEEDED}
    assert rows[0].outcome in {"complete", "pruned"}
    parse_recipe(rows[0].recipe)
    study.refresh_from_db()
    assert (study.state, bool(study.started)) == (SearchStudy.State.RUNNING, True)


def test_a_second_delivery_does_nothing(study):
    (row,) = study.trials.all()
    tasks.run_trial(row.pk)
    count = study.trials.count()
    tasks.run_trial(row.pk)
    assert study.trials.count() == count


def test_a_search_stops_when_its_time_is_over(study):
    SearchStudy.objects.filter(pk=study.pk).update(started=now() - timedelta(minutes=6))
    tasks.run_trial(study.trials.get().pk)
    assert [row.kind for row in study.trials.all()] == ["trial", "winner"]


def test_the_last_of_two_workers_makes_the_winners_row(study, monkeypatch):
    monkeypatch.setattr(searching, "_has_room", lambda *_: False)
    other = SearchTrial.objects.create(study=study)
    tasks.run_trial(study.trials.first().pk)
    assert study.trials.count() == 2
    tasks.run_trial(other.pk)
    assert [row.kind for row in study.trials.all()] == ["trial", "trial", "winner"]


def end(study, monkeypatch, find_winners):
    run_all(study)
    monkeypatch.setattr(Run, "find_winners", find_winners)
    tasks.run_trial(study.trials.get(kind="winner").pk)
    study.refresh_from_db()


def test_the_winners_recipe_and_the_page_are_kept_in_the_study(study, monkeypatch, admin_client):
    def find(self, budget, names):
        assert names == {"tflite": "night_tflite"}
        document = {"name": names["tflite"]}
        self.winners["tflite"] = Winner(1, document, {"bytes_on_wire": 30_000, "skill_loss_percent": 0.9})
        return []

    end(study, monkeypatch, find)
    assert study.state == SearchStudy.State.SUCCEEDED
    assert study.message == "night_tflite: 30000 bytes on the wire, 0.90 % skill loss."
    assert study.recipes == [{"name": "night_tflite"}]
    page = admin_client.get(reverse("admin:jobs_searchstudy_page", args=[study.pk]))
    assert page.content.decode() == study.page
    assert page["Content-Security-Policy"].startswith("default-src 'none'")
    shown = admin_client.get(reverse("admin:jobs_searchstudy_change", args=[study.pk])).content.decode()
    assert "night_tflite" in shown
    assert reverse("admin:jobs_searchstudy_page", args=[study.pk]) in shown


def test_a_search_that_finds_nothing_says_so_and_keeps_its_page(study, monkeypatch):
    end(study, monkeypatch, lambda self, budget, names: ["No tflite trial keeps 100 bytes."])
    assert (study.state, study.message) == (SearchStudy.State.FAILED, "No tflite trial keeps 100 bytes.")
    assert "No tflite" not in study.page
    assert study.page.startswith("<!doctype html>")


def test_an_error_ends_the_search_with_its_sentence(study, monkeypatch):
    def prepare(self):
        raise TrainingFailed("The dataset gives 0 windows.")

    monkeypatch.setattr(figured_builder.FiguredBuilder, "prepare", prepare)
    row = study.trials.get()
    tasks.run_trial(row.pk)
    study.refresh_from_db()
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert (study.state, study.message) == (SearchStudy.State.FAILED, "The dataset gives 0 windows.")


def test_a_row_of_a_search_that_is_over_is_not_run(study, monkeypatch):
    SearchStudy.objects.update(state=SearchStudy.State.FAILED)
    monkeypatch.setattr(searching, "open_run", lambda *_: pytest.fail("ran"))
    row = study.trials.get()
    tasks.run_trial(row.pk)
    row.refresh_from_db()
    assert (row.state, row.message, study.trials.count()) == (State.SUCCEEDED, "Its study was over.", 1)


def test_the_sweep_sends_lost_rows_again_and_fails_a_search_whose_trial_kills_workers(
    study, told, django_capture_on_commit_callbacks
):
    row = study.trials.get()
    assert claim_job(row.pk, SearchTrial)
    SearchTrial.objects.update(lease_until=now() - timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        assert searching.sweep_trials() == 1
    assert told[-1] == (f"search-trial-{row.pk}-2", row.pk)
    SearchTrial.objects.update(attempts=MAX_ATTEMPTS)
    assert searching.sweep_trials() == 0
    study.refresh_from_db()
    assert study.state == SearchStudy.State.FAILED
    assert "died or fell silent 3 times" in study.message


def test_a_worker_that_lost_its_row_writes_nothing(study, monkeypatch):
    row = study.trials.get()
    report = Lease.report

    def taken_over(self, stage, done, message):
        SearchTrial.objects.update(claim="of another worker")
        report(self, stage, done, message)

    monkeypatch.setattr(Lease, "report", taken_over)
    tasks.run_trial(row.pk)
    row.refresh_from_db()
    assert (row.state, row.number, study.trials.count()) == (State.RUNNING, None, 1)


def test_a_search_is_started_and_watched_in_the_admin(admin_client, admin_user):
    url = reverse("admin:jobs_searchstudy_add")
    assert "phone_mid" in admin_client.get(url).content.decode()
    form = {"name": "night", "target": "tflite", "profile": "demo", "tier": "phone_mid"}
    form |= {"budget_minutes": 5, "workers": 1}
    assert admin_client.post(url, form).status_code == 302
    study = SearchStudy.objects.get()
    assert (study.requested_by, study.max_bytes) == (admin_user, 49_152)
    run_all(study, most=2)
    response = admin_client.get(reverse("admin:jobs_searchstudy_change", args=[study.pk]))
    assert response["Refresh"] == "5"
    assert "tflite" in response.content.decode()
    assert admin_client.get(reverse("admin:jobs_searchstudy_changelist")).status_code == 200
    assert admin_client.get(reverse("admin:jobs_searchstudy_page", args=[study.pk])).status_code == 404


def test_a_search_without_limits_is_refused_in_the_admin(admin_client):
    form = {"name": "night", "target": "tflite", "profile": "demo", "budget_minutes": 5, "workers": 1}
    response = admin_client.post(reverse("admin:jobs_searchstudy_add"), form, follow=True)
    assert "No limit on bytes: no tier is given" in response.content.decode()
    assert not SearchStudy.objects.exists()


@pytest.mark.parametrize(("name", "may_add"), [("viewer", False), ("approver", False), ("releaser", True)])
def test_groups_may_see_searches_and_those_who_build_may_start_them(name, may_add):
    codenames = set(Group.objects.get(name=name).permissions.values_list("codename", flat=True))
    assert {"view_searchstudy", "view_searchtrial"} <= codenames
    assert ("add_searchstudy" in codenames) == may_add
