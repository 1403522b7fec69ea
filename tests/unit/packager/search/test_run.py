"""A search as a whole, with trials that cost nothing."""

from dataclasses import replace

import pytest

from packager.pipeline import Pipeline
from packager.recipes import get_profile
from packager.search.budget import Budget
from packager.search.limits import Limits
from packager.search.ownership import SEED
from packager.search.run import Plan, Run
from tests.integration import figured_builder
from tests.integration.figured_builder import FiguredBuilder

DEMO = get_profile("demo")


class Clock:
    """Every look at it takes a second."""

    now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setattr(figured_builder, "TRIAL_SECONDS", 0.0)
    return Plan(
        "whole",
        ("tflite",),
        Limits(40_000, 9.0),
        DEMO,
        tmp_path / "work",
        str(tmp_path / "journal.log"),
        progress=lambda *_: None,
    )


def test_one_trial_is_done_whatever_the_budget(plan):
    told = []
    assert Run(plan, make_builder=FiguredBuilder).run_trials(Budget(0.0), told.append) == 1
    assert [trial.number for trial in told] == [0]


def test_trials_are_run_while_there_is_time(plan):
    run = Run(plan, make_builder=FiguredBuilder)
    assert run.run_trials(Budget(10.0, clock=Clock()), lambda _: None) == 10
    assert len([trial for trial in run.trials if trial.state.is_finished()]) == 10


def test_a_trial_trains_for_a_third_of_what_the_winner_does(plan):
    assert plan.epochs == DEMO.student_epochs / 3 == 2
    assert plan.winner_scale == 3.0


def test_trials_may_lose_what_short_training_costs_a_plain_student(plan):
    class Short(FiguredBuilder):
        def plain_loss(self, document):
            assert document["steps"] == []
            return 1.25

    assert Run(plan, make_builder=Short).trial_limits == Limits(40_000, 10.25)
    assert Run(replace(plan, trial_epochs=6), make_builder=Short).trial_limits == plan.limits


def test_named_recipes_are_tried_first(plan):
    run = Run(plan, make_builder=FiguredBuilder)
    origins = [trial.user_attrs[SEED] for trial in run.trials]
    assert origins
    assert all(origin.startswith("recipe ") for origin in origins)


def test_formats_without_a_winner_say_why_and_the_others_have_theirs(plan, monkeypatch):
    monkeypatch.setattr(
        Pipeline, "report", lambda self, recipe: {"bundled": True, "reason": "", "bytes_on_wire": 1}
    )
    run = Run(plan, make_builder=FiguredBuilder)
    run.run_trials(Budget(20.0, clock=Clock()), lambda _: None)
    run.plan = replace(plan, targets=("tflite", "coreml"))
    missing = run.find_winners(Budget(60.0), {"tflite": "best_tflite", "coreml": "best_coreml"})
    assert list(run.winners) == ["tflite"]
    assert run.winners["tflite"].document["name"] == "best_tflite"
    (reason,) = missing
    assert reason.startswith("No coreml trial was built to its end within 40000 bytes and 9 % skill loss.")
