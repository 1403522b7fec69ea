"""Goals are judged against what the rows say, with the peers' front interpolated."""

import pytest

from packager.comparison.goals import best_phone, bytes_at, judge, loss_at
from tests.unit.packager.comparison.small_rows import KIB, failed, own, peer

PEERS = [peer("small", 50, 4.0), peer("large", 200, 2.0), peer("bad", 300, 9.0)]
FRONT = PEERS[:2]


def judged(rows, number, **changed):
    return judge(rows, changed.get("teacher_kib", 10_000) * KIB)[number]


def test_between_two_peers_the_loss_follows_the_logarithm_of_the_bytes():
    assert loss_at(FRONT, 100 * KIB) == pytest.approx(3.0)
    assert bytes_at(FRONT, 3.0) == pytest.approx(100 * KIB)


def test_beyond_its_ends_the_nearest_peer_stands():
    assert loss_at(FRONT, 10 * KIB) == 4.0
    assert loss_at(FRONT, 999 * KIB) == 2.0
    assert bytes_at(FRONT, 0.5) == pytest.approx(200 * KIB)
    assert bytes_at(FRONT, 9.0) == pytest.approx(50 * KIB)


@pytest.mark.parametrize(("kib", "loss", "reached"), [(48, 1.0, True), (48, 1.01, False), (48.1, 0.1, False)])
def test_a_phone_bundle_must_be_small_and_good(kib, loss, reached):
    goal = judged([own("tflite_a", kib, loss)], 0)
    assert goal.reached is reached
    assert goal.verdict == ("reached" if reached else "MISSED")
    assert judged([own("coreml_a", kib, loss)], 1).reached is reached


def test_the_best_of_those_that_fit_is_judged():
    rows = [own("tflite_a", 30, 0.9), own("tflite_b", 47, 0.4), own("tflite_c", 60, 0.1)]
    assert best_phone(rows, "tflite").recipe == "tflite_b"
    assert best_phone(rows, "coreml") is None


def test_the_smallest_good_bundle_is_held_against_the_teacher():
    rows = [own("tflite_a", 20, 3.0), own("tflite_b", 40, 0.9)]
    goal = judged(rows, 2, teacher_kib=4000)
    assert (goal.recipe, goal.figure, goal.reached) == ("tflite_b", 100.0, True)
    assert not judged(rows, 2, teacher_kib=3999).reached


def test_bytes_at_equal_skill_are_a_share_of_the_peers():
    goal = judged([own("tflite_a", 40, 3.0), *PEERS], 3)
    assert goal.figure == pytest.approx(0.4)
    assert goal.reached
    assert not judged([own("tflite_a", 48, 4.0), *PEERS], 3).reached


def test_loss_at_equal_bytes_is_a_share_of_the_peers():
    goal = judged([own("tflite_a", 40, 2.0), *PEERS], 5)
    assert (goal.figure, goal.reached) == (0.5, True)
    assert not judged([own("tflite_a", 40, 2.1), *PEERS], 5).reached


def test_of_several_good_recipes_each_comparison_takes_the_one_that_does_best():
    rows = [own("tflite_tiny", 20, 0.9), own("tflite_fine", 48, 0.1), own("tflite_poor", 5, 1.1), *PEERS]
    assert (judged(rows, 3).recipe, judged(rows, 3).figure) == ("tflite_tiny", pytest.approx(0.1))
    assert (judged(rows, 5).recipe, judged(rows, 5).figure) == ("tflite_fine", pytest.approx(0.025))


def test_peers_of_another_format_are_no_measure():
    assert judged([own("coreml_a", 40, 0.5), *PEERS], 4).figure is None


def test_stock_tools_that_are_given_our_student_are_judged_apart():
    given = peer("given", 50, 1.0, source="student")
    member, student = (
        judged([own("tflite_a", 40, 1.0), *PEERS, given], 3),
        judged([own("tflite_a", 40, 1.0), *PEERS, given], 7),
    )
    assert (member.figure, student.figure) == (pytest.approx(0.2), pytest.approx(0.8))
    assert "on a member of the teacher" in member.wanted
    assert "on our own student" in student.wanted


def test_a_peer_without_loss_is_matched_by_no_loss():
    peers = [peer("perfect", 40, 0.0)]
    assert judged([own("tflite_a", 40, 0.0), *peers], 5).reached
    assert not judged([own("tflite_a", 40, 0.1), *peers], 5).reached


def test_speed_is_that_of_the_tier_where_it_has_a_recipe():
    fast, slow = (
        own("tflite_a", 40, 1, microseconds=9.0),
        own("tflite_b", 40, 1, microseconds=25.0, tier="phone_mid"),
    )
    assert judged([fast, slow], -1).figure == 25.0
    assert judged([fast], -1).figure == 9.0
    assert judged([own("coreml_a", 40, 1)], -1).figure is None


def test_nothing_to_compare_is_no_success():
    for rows in ([], [failed("tflite_a")], PEERS):
        for goal in judge(rows, 0):
            assert not goal.reached
            assert str(goal).startswith("MISSED: ")
            assert str(goal).endswith("(nothing to compare)")


def test_a_goal_is_one_line():
    assert str(judged([own("tflite_a", 40, 0.5)], 0)) == (
        "reached: tflite: skill loss of a bundle of at most 48 KiB, at most 1.0 %: 0.5 % (tflite_a)"
    )
