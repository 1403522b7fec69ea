"""What can be done with searches: each is a chain of trials for every worker, and then its winners.

Optuna is imported where a worker runs a trial: the web process reads rows and has none of it.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.module_loading import import_string
from django.utils.timezone import now

from mobile_models.transitions import REGISTER, check_permission
from packager.jobs.errors import LeaseLost, SearchRefused
from packager.jobs.lease import Lease
from packager.jobs.models import SearchStudy, SearchTrial
from packager.jobs.working import sweep, work_on
from packager.recipes import get_profile
from packager.search.limits import Limits, check_minutes, check_targets, make_limits

if TYPE_CHECKING:
    from packager.search.run import Run

State = SearchTrial.State
UNFINISHED = (State.WAITING, State.RUNNING)
MOST_WORKERS = 64
ADVICE = "See the workers' logs and memory, then start a search with another name."


def request_search(
    *,
    name: str,
    target: str = "tflite",
    budget_minutes: float,
    max_bytes: int | None = None,
    max_skill_loss_percent: float | None = None,
    tier: str = "",
    profile: str = "demo",
    workers: int = 1,
    user: User | None = None,
) -> SearchStudy:
    """Start a search; so many workers run its trials.

    Raises:
        SearchRefused: the name is taken, or there are no workers or too many.
        PackagerError: a limit, the budget, the target, the tier or the profile makes no sense.
        NotPermitted: the person may not register what a found recipe would build.
    """
    check_permission(REGISTER, user)
    limits = make_limits(max_bytes, max_skill_loss_percent, tier or None)
    check_targets(target)
    get_profile(profile)
    if not 1 <= workers <= MOST_WORKERS:
        raise SearchRefused(f"workers: {workers} was given; allowed are 1 to {MOST_WORKERS}.")
    try:
        with transaction.atomic():
            study = SearchStudy.objects.create(
                name=name,
                target=target,
                profile=profile,
                tier=tier,
                budget_minutes=check_minutes(budget_minutes),
                max_bytes=limits.max_bytes,
                max_skill_loss_percent=limits.max_skill_loss_percent,
                workers=workers,
                requested_by=user,
            )
            for _ in range(workers):
                _add_row(study)
    except IntegrityError as error:
        raise SearchRefused(f"name: a search {name!r} is there already. Give another name.") from error
    return study


def run_trial(row_id: int) -> None:
    """Run one trial of a study, or train its winners, unless another worker has the row or it is over."""
    work_on(SearchTrial, row_id, _work, failed=_end_study)


def sweep_trials() -> int:
    """Enqueue the trials that the queue lost; gives how many. A study whose trial lost its workers fails."""
    return sweep(SearchTrial, _enqueue, advice=ADVICE, failed=_end_study)


def _work(row: SearchTrial, lease: Lease) -> None:
    study = row.study
    SearchStudy.objects.filter(pk=study.pk, started=None).update(started=now())
    study.refresh_from_db()
    lease.note(f"Attempt {row.attempts}")
    if study.state != SearchStudy.State.RUNNING:
        lease.write(state=State.SUCCEEDED, message="Its study was over.", log=lease.log, finished=now())
    elif row.kind == SearchTrial.Kind.WINNER:
        _build_winners(study, lease)
    else:
        _run_one(study, lease)


def _run_one(study: SearchStudy, lease: Lease) -> None:
    run = open_run(study, lease)
    trial = run.search.run_trial()
    attributes: Mapping[str, Any] = trial.user_attrs
    room = _has_room(study, run)
    with transaction.atomic():
        lease.write(
            state=State.SUCCEEDED,
            number=trial.number,
            outcome=trial.state.name.lower(),
            figures=attributes.get("figures", {}),
            recipe=attributes.get("recipe", {}),
            message=attributes.get("reason", ""),
            progress=100,
            stage="",
            log=lease.log,
            finished=now(),
        )
        _go_on(study, room=room)


def _go_on(study: SearchStudy, *, room: bool) -> None:
    """Add the next trial while there is time for it; when the last one is done, add the winners' row."""
    # One at a time: of the last two trials of a study, one must see that it is the last.
    locked = SearchStudy.objects.select_for_update().get(pk=study.pk)
    if locked.state != SearchStudy.State.RUNNING:
        return
    if room:
        _add_row(locked)
    elif not locked.trials.filter(state__in=UNFINISHED).exists():
        _add_row(locked, SearchTrial.Kind.WINNER)


def _build_winners(study: SearchStudy, lease: Lease) -> None:
    from packager.search.budget import Budget

    run = open_run(study, lease)
    names = {target: f"{_recipe_name(study)}_{target}" for target in run.plan.targets}
    missing = run.find_winners(Budget(_seconds_left(study)), names)
    found = [dict(winner.document) for winner in run.winners.values()]
    page = run.page().decode()
    said = [
        f"{winner.document['name']}: {winner.report['bytes_on_wire']} bytes on the wire, "
        f"{winner.report['skill_loss_percent']:.2f} % skill loss."
        for winner in run.winners.values()
    ]
    with transaction.atomic():
        lease.write(state=State.SUCCEEDED, progress=100, stage="", log=lease.log, finished=now())
        SearchStudy.objects.filter(pk=study.pk).update(
            state=SearchStudy.State.FAILED if missing else SearchStudy.State.SUCCEEDED,
            message=" ".join([*said, *missing]),
            recipes=found,
            page=page,
            finished=now(),
        )


def open_run(study: SearchStudy, lease: Lease) -> "Run":
    """The search of a row in this process: what is expensive in it is done when it is asked for."""
    from packager.search.run import Plan, Run

    plan = Plan(
        name=study.name,
        targets=check_targets(study.target),
        limits=Limits(study.max_bytes, study.max_skill_loss_percent),
        profile=get_profile(study.profile),
        work=Path(settings.WORK_DIR),
        storage=settings.SEARCH_STORAGE_URL,
        tier=study.tier or None,
        progress=lease.report,
    )
    return Run(plan, make_builder=import_string(settings.SEARCH_BUILDER), stops=(LeaseLost,))


def _has_room(study: SearchStudy, run: "Run") -> bool:
    from packager.search.budget import Budget

    return Budget(_seconds_left(study), run.plan.winner_scale).has_room_for_trial(run.trials)


def _seconds_left(study: SearchStudy) -> float:
    started = study.started or now()
    return (started + timedelta(minutes=study.budget_minutes) - now()).total_seconds()


def _recipe_name(study: SearchStudy) -> str:
    """The study's name in letters that a recipe's name may have."""
    letters = "".join(letter if letter.isalnum() else "_" for letter in study.name.lower())
    return letters if letters[0].isalpha() and letters.isascii() else f"search_{study.pk}"


def _end_study(row: SearchTrial) -> None:
    SearchStudy.objects.filter(pk=row.study_id, state=SearchStudy.State.RUNNING).update(
        state=SearchStudy.State.FAILED, message=row.message, finished=now()
    )


def _add_row(study: SearchStudy, kind: str = SearchTrial.Kind.TRIAL) -> None:
    _enqueue(SearchTrial.objects.create(study=study, kind=kind))


def _enqueue(row: SearchTrial) -> None:
    from packager.jobs.tasks import run_trial as task

    def send() -> None:
        # The same attempt has the same task id, however often it is sent.
        task.apply_async(args=(row.pk,), task_id=f"search-trial-{row.pk}-{row.attempts + 1}")

    # Robust: a queue that is down loses nothing, the sweep sends the row again.
    transaction.on_commit(send, robust=True)
