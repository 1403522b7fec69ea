"""Trials of a study: what is kept of each, and that a study goes on where it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from optuna import load_study
from optuna.trial import TrialState

from packager.errors import TrainingFailed
from packager.recipes import get_recipe
from packager.search import ownership
from packager.search.errors import SearchFailed, SearchInvalid
from packager.search.front import finished, front, inside, nearest
from packager.search.limits import Limits
from packager.search.ownership import RETRY_OF, SEED, is_orphan
from packager.search.seeds import Seed, first_seeds, recipe_seeds, sensitivity_seeds
from packager.search.storage import open_storage
from packager.search.study import Purpose, enqueue_seeds, load_trials, objectives, open_study
from packager.search.trial import Hopeless
from tests.unit.packager.search.searching import LIMITS, PURPOSE, SIZES, Broken, Figured, make_search

ROOT = Path(__file__).resolve().parents[4]


def run(search, count):
    return [search.run_trial() for _ in range(count)]


def killed_worker(journal):
    """A process that dies in the middle of a trial."""
    code = (
        "import os, signal, sys\n"
        "from tests.unit.packager.search.searching import make_search\n"
        "from packager.search.storage import open_storage\n"
        "class Dying:\n"
        "    def build(self, document, rung):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "make_search(open_storage(sys.argv[1]), Dying()).run_trial()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(journal)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def test_a_finished_trial_has_its_figures_its_rungs_and_its_recipe(storage):
    trial = make_search(storage).run_trial()
    figures = trial.user_attrs["figures"]
    assert trial.state == TrialState.COMPLETE
    assert trial.values == [figures[name] for name in objectives(("tflite",))]
    assert trial.user_attrs["rungs"]["steps"] == figures["skill_loss_percent"]
    assert trial.user_attrs["recipe"]["export"]["format"] == "tflite"


def test_operations_stand_in_for_time_where_nothing_here_runs_as_a_device_does():
    assert objectives(("tflite",))[2] == "microseconds"
    assert objectives(("coreml",))[2] == objectives(("tflite", "coreml"))[2] == "multiplications"


def test_the_sampler_is_told_what_is_outside_the_limits(storage):
    search = make_search(storage, limits=Limits(12_000, 5.0))
    for trial in run(search, 6):
        wire, loss = trial.values[:2]
        assert trial.constraints == {"wire_bytes": wire / 12_000 - 1, "skill_loss_percent": loss - 5.0}


def test_a_search_finds_better_recipes_than_it_began_with(storage):
    trials = run(make_search(storage), 60)
    best = [min((t.values[1] for t in inside(part, LIMITS)), default=9.0) for part in (trials[:12], trials)]
    assert best[1] < best[0]
    early, late = (len(inside(part, LIMITS)) for part in (trials[:20], trials[-20:]))
    assert late > early


def test_the_same_command_goes_on_in_the_same_study(journal):
    run(make_search(open_storage(str(journal))), 3)
    search = make_search(open_storage(str(journal)))
    run(search, 2)
    assert [trial.number for trial in search.study.trials] == [0, 1, 2, 3, 4]


def test_a_study_that_is_interrupted_tries_what_it_would_have_tried(tmp_path):
    whole = run(make_search(open_storage(str(tmp_path / "whole.log"))), 16)
    parts = []
    for count in (5, 11):
        parts += run(make_search(open_storage(str(tmp_path / "parts.log"))), count)
    assert [trial.params for trial in parts] == [trial.params for trial in whole]


def test_other_seeds_try_other_things(tmp_path):
    one, two = (
        run(make_search(open_storage(str(tmp_path / f"{seed}.log")), seed=seed), 2) for seed in (1, 2)
    )
    assert one[0].params != two[0].params
    assert one[0].params != one[1].params


def test_a_study_is_not_mixed_with_trials_that_cannot_be_compared(storage):
    make_search(storage)
    other = Purpose(("tflite",), "tiny", 4, "another-teacher")
    with pytest.raises(SearchInvalid, match="teacher is teacher-key there, another-teacher here"):
        open_study(storage, "study", other)
    make_search(storage, name="other", purpose=other)


def test_a_study_that_is_there_can_be_refused(storage):
    make_search(storage, resume=False)
    with pytest.raises(SearchInvalid, match="Study 'study' is there already"):
        make_search(storage, resume=False)


def test_a_study_that_is_not_there_is_named(storage):
    with pytest.raises(SearchInvalid, match="holds no study 'none'"):
        load_trials(storage, "none")


def test_a_killed_workers_trial_is_failed_and_its_values_are_tried_once_more(journal):
    killed_worker(journal)
    (left,) = load_trials(open_storage(str(journal)), "study")
    assert left.state == TrialState.RUNNING
    search = make_search(open_storage(str(journal)))
    again = search.run_trial()
    first = search.study.trials[0]
    assert (first.state, first.user_attrs["reason"]) == (TrialState.FAIL, ownership.GONE)
    assert again.params == first.params
    assert again.user_attrs[RETRY_OF] == 0
    assert again.state == TrialState.COMPLETE


def test_values_that_killed_two_workers_are_left_alone(journal):
    killed_worker(journal)
    killed_worker(journal)
    search = make_search(open_storage(str(journal)))
    third = search.run_trial()
    assert [trial.state.name for trial in search.study.trials] == ["FAIL", "FAIL", "COMPLETE"]
    assert search.study.trials[1].params == search.study.trials[0].params != third.params


def test_a_trial_of_a_living_worker_is_left_to_it(storage):
    study = open_study(storage, "study", PURPOSE)
    with ownership.Ownership(study.ask()):
        assert ownership.retry_orphans(study) == []


def test_a_worker_elsewhere_is_gone_when_it_was_silent_for_long(storage):
    study = open_study(storage, "study", PURPOSE)
    trial = study.ask()
    trial.set_user_attr(ownership.OWNER, {"host": "another-machine", "process": 1})
    trial.set_user_attr(ownership.BEAT, 1_000_000.0)
    (running,) = study.trials
    assert not is_orphan(running, now=1_000_000.0 + ownership.SILENT_SECONDS - 1)
    assert is_orphan(running, now=1_000_000.0 + ownership.SILENT_SECONDS + 1)


def test_an_owner_says_that_it_lives(storage):
    study = open_study(storage, "study", PURPOSE)
    trial = study.ask()
    with ownership.Ownership(trial, beat_seconds=0.02) as owner:
        first = study.trials[0].user_attrs[ownership.BEAT]
        owner._thread.join(0.3)
        assert study.trials[0].user_attrs[ownership.BEAT] > first


def test_two_who_find_the_same_orphan_try_it_once(journal):
    killed_worker(journal)
    studies = [load_study(storage=open_storage(str(journal)), study_name="study") for _ in range(2)]
    orphans = [study.trials[0] for study in studies]
    outcome = [ownership.fail_and_retry(s, orphan) for s, orphan in zip(studies, orphans, strict=True)]
    assert outcome == [True, False]
    assert [trial.state.name for trial in studies[0].trials] == ["FAIL", "WAITING"]


def test_a_stopped_trial_is_tried_again(storage):
    with pytest.raises(KeyboardInterrupt):
        make_search(storage, Broken(KeyboardInterrupt())).run_trial()
    search = make_search(storage)
    again = search.run_trial()
    assert again.user_attrs[RETRY_OF] == 0
    assert search.study.trials[0].user_attrs["reason"] == "It was stopped."


def test_a_hopeless_trial_is_pruned_with_its_reason(storage):
    trial = make_search(storage, Broken(Hopeless("Too large.", wire_bytes=80_000))).run_trial()
    assert (trial.state, trial.user_attrs["reason"]) == (TrialState.PRUNED, "Too large.")
    assert trial.constraints["wire_bytes"] == 1.0


@pytest.mark.parametrize("error", [TrainingFailed("The loss became nan."), ValueError("odd")])
def test_trial_after_trial_that_fails_ends_the_search_with_the_last_reason(storage, error):
    search = make_search(storage, Broken(error))
    assert [trial.state for trial in run(search, 2)] == [TrialState.FAIL] * 2
    with pytest.raises(SearchFailed, match=rf"3 trials failed one after the other.*{error}"):
        search.run_trial()


def test_seeds_come_first_once_and_with_their_options_by_layer(storage):
    class Sensitivity:
        layers = ("body_context", "body_conv0")

        def sparsities(self, loss):
            return {"body_context": 0.4 + 0.1 * loss}

        def clusters(self, loss):
            return {"body_context": 16}

        def bits(self, loss):
            return {"body_context": 4 if loss > 1 else 8}

    seeds = first_seeds(
        [
            *sensitivity_seeds(("tflite",), SIZES, Sensitivity(), LIMITS),
            *recipe_seeds(("tflite",), SIZES),
        ]
    )
    search = make_search(storage)
    assert enqueue_seeds(search.study, lambda: seeds) == len(seeds)
    assert enqueue_seeds(search.study, lambda: pytest.fail("seeded twice")) == 0
    first, second = run(search, 2)
    assert first.user_attrs[SEED] == "sensitivity at 1 %, zeros by layer"
    (step,) = first.user_attrs["recipe"]["steps"]
    assert step["prune_weights"]["per_layer"] == {"body_context": 0.5, "body_conv0": 0.0}
    assert step["prune_weights"]["sparsity"] == 0.5
    (step,) = second.user_attrs["recipe"]["steps"]
    assert step["cluster"]["per_layer"] == {"body_context": 16, "body_conv0": 256}
    origins = [trial.user_attrs[SEED] for trial in search.study.trials]
    assert "sensitivity at 2 %, bits by layer" in origins
    assert "sensitivity at 1 %, bits by layer" not in origins
    assert any(origin.startswith("recipe ") for origin in origins)


def test_a_worker_that_dies_while_it_seeds_leaves_the_seeds_to_the_next(storage):
    def killed():
        raise KeyboardInterrupt

    search = make_search(storage)
    with pytest.raises(KeyboardInterrupt):
        enqueue_seeds(search.study, killed)
    seeds = recipe_seeds(("tflite",), SIZES)
    assert enqueue_seeds(search.study, lambda: seeds) == len(seeds)


def test_recipes_of_a_tier_are_tried_before_the_others():
    tiers = [
        get_recipe(seed.origin.removeprefix("recipe ")).tier for seed in recipe_seeds(("tflite",), SIZES)
    ]
    assert tiers == sorted(tiers, key=lambda tier: tier is None)
    assert tiers[0] is not None


def test_equal_seeds_are_tried_once():
    seed = Seed({"channels": 8}, "one")
    assert first_seeds([seed, Seed({"channels": 8}, "two"), Seed({"channels": 16}, "three")], most=2) == [
        seed,
        Seed({"channels": 16}, "three"),
    ]


def test_front_and_limits_are_read_off_the_finished_trials(storage):
    trials = finished(run(make_search(storage, limits=Limits(40_000, 9.0)), 25))
    kept = front(trials)
    for one in kept:
        assert not any(
            all(a <= b for a, b in zip(other.values, one.values, strict=True)) and other.values != one.values
            for other in trials
        )
    assert [trial.values[0] for trial in kept] == sorted(trial.values[0] for trial in kept)
    assert all(trial.values[0] <= 1.0 for trial in inside(trials, Limits(1, 1.0)))
    assert inside(trials, Limits(1, 1.0)) == []
    closest = nearest(trials, Limits(1, 1e9))
    assert closest.values[0] == min(trial.values[0] for trial in trials)
    assert nearest([], LIMITS) is None


def test_a_builder_sees_one_trial_at_a_time_with_its_number(storage):
    builder = Figured()
    run(make_search(storage, builder), 3)
    assert [document["name"] for document in builder.built] == [f"tflite_trial{n}" for n in range(3)]
