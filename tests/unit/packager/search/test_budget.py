from datetime import datetime, timedelta

import pytest
from optuna.trial import TrialState, create_trial

from packager.search.budget import Budget, trial_seconds, winner_scale


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def took(seconds, state=TrialState.COMPLETE):
    trial = create_trial(state=state, values=[1.0, 1.0, 1.0] if state == TrialState.COMPLETE else None)
    trial.datetime_start = datetime(2026, 1, 1)  # noqa: DTZ001 - as Optuna keeps it
    trial.datetime_complete = trial.datetime_start + timedelta(seconds=seconds)
    return trial


def test_a_trial_is_planned_with_what_the_slower_ones_took():
    assert trial_seconds([]) == 0.0
    assert trial_seconds([took(10)]) == 10.0
    assert trial_seconds([took(10)] * 8 + [took(60)] * 2) == pytest.approx(60.0)
    assert trial_seconds([took(1, TrialState.PRUNED), took(10)]) == 10.0


def test_no_trial_is_started_that_cannot_be_finished():
    clock = Clock()
    budget = Budget(60.0, clock=clock)
    clock.now += 45
    assert budget.has_room_for_trial([took(10)])
    clock.now += 6
    assert not budget.has_room_for_trial([took(10)])


def test_the_winners_training_is_in_the_budget():
    clock = Clock()
    budget = Budget(60.0, winner_scale(trial_epochs=2, full_epochs=6, targets=1), clock=clock)
    assert budget.has_room_for_trial([took(14)])
    assert not budget.has_room_for_trial([took(16)])
    assert budget.has_room_for_winner([took(16)], 1)
    assert not Budget(60.0, winner_scale(2, 6, 2), clock=clock).has_room_for_trial([took(9)])


def test_a_budget_that_is_over_has_no_room():
    clock = Clock()
    budget = Budget(60.0, 3.0, clock=clock)
    clock.now += 61
    assert not budget.has_room_for_trial([])
    assert not budget.has_room_for_winner([took(0)], 1)
