import pytest
from optuna.trial import create_trial

from packager.search.limits import Limits
from packager.search.rungs import UNKNOWN_LOSS, USUAL_GAIN, check_rung, possible_gain
from packager.search.trial import Hopeless

LIMITS = Limits(1000, 2.0)


def trial(short, end):
    figures = {"wire_bytes": 1, "skill_loss_percent": end}
    return create_trial(
        values=[1.0, end, 1.0], user_attrs={"rungs": {"short": short, "steps": end}, "figures": figures}
    )


def test_while_little_is_known_a_trial_is_given_time():
    assert possible_gain("short", [trial(5.0, 1.0)] * 2) == USUAL_GAIN["short"]
    check_rung("short", 16.9, [], LIMITS)


def test_a_trial_is_given_up_when_no_other_ever_made_so_much_good():
    known = [trial(5.0, 2.0), trial(4.0, 3.0), trial(6.0, 4.0)]
    assert possible_gain("short", known) == 6.0
    check_rung("short", 8.0, known, LIMITS)
    with pytest.raises(Hopeless, match=r"Skill loss is 8\.10 % after a short distillation; at most 8\.00 %"):
        check_rung("short", 8.1, known, LIMITS)


def test_two_trainings_of_one_recipe_may_always_differ():
    assert possible_gain("steps", [trial(5.0, 2.0)] * 3) == 0.5


def test_a_loss_that_is_no_number_is_hopeless():
    with pytest.raises(Hopeless) as hopeless:
        check_rung("steps", float("nan"), [], LIMITS)
    assert hopeless.value.skill_loss_percent == UNKNOWN_LOSS
