from packager.verify.goals import teacher_goals


def scores(temperature, rain):
    values = {"temperature_mae": {"1-24": temperature}, "precipitation_probability": {"1-24": rain}}
    return {"unseen_station": {"values": values}}


def test_goals_say_how_far_the_teacher_is_below_each_baseline():
    baselines = {
        "ridge": scores(2.4, None),
        "same_hour_yesterday": scores(4.0, None),
        "climatology": scores(5.0, 0.05),
    }
    goals = teacher_goals(scores(2.1, 0.0425), baselines)
    assert [(goal.baseline, goal.percent_below, goal.met) for goal in goals] == [
        ("ridge", 12.5, False),
        ("same_hour_yesterday", 47.5, True),
        ("climatology", 15.0, True),
    ]
    assert goals[0].to_dict()["wanted_percent"] == 25.0
