"""Gates decide whether a variant is bundled, at the limit and around it."""

import pytest

from packager.recipes import get_recipe, parse_recipe
from packager.verify.gates import Found, failed_gates

RECIPE = get_recipe("tflite_fp16")
EVERY_LIMIT = {
    "max_wire_kib": 40,
    "max_skill_loss_percent": 1.0,
    "max_station_loss_percent": 3.0,
    "max_bucket_loss_percent": 2.0,
    "max_arena_kib": 128,
}
GOOD = Found(station=("denver", 3.0), bucket=("1-6", 2.0), arena_kib=128.0)


def limited(**gates):
    document = {
        "name": "tflite_test",
        "summary": "A variant made for a test.",
        "source": "student",
        "export": {"format": "tflite", "quantization": "w8a8"},
        "gates": {"reason": "A limit made for this test."} | gates,
    }
    return parse_recipe(document)


def failures(wire_bytes, loss, recipe=RECIPE, found=None):
    return failed_gates(recipe, wire_bytes=wire_bytes, skill_loss_percent=loss, found=found)


@pytest.mark.parametrize(
    ("wire_bytes", "loss"), [(1000, 0.0), (200 * 1024, 5.0), (0, -30.0), (200 * 1024, float("-inf"))]
)
def test_a_variant_inside_its_limits_passes(wire_bytes, loss):
    assert failures(wire_bytes, loss) == []


@pytest.mark.parametrize(
    ("wire_bytes", "loss", "gates"),
    [
        (200 * 1024 + 1, 0.0, ["Size on the wire in KiB"]),
        (1000, 5.001, ["Skill loss in percent"]),
        (1000, float("nan"), ["Skill loss in percent"]),
        (1000, float("inf"), ["Skill loss in percent"]),
        (900_000, 12.0, ["Size on the wire in KiB", "Skill loss in percent"]),
    ],
)
def test_every_missed_limit_is_named(wire_bytes, loss, gates):
    assert [failure.gate for failure in failures(wire_bytes, loss)] == gates


def test_a_variant_at_every_limit_passes():
    assert failures(40 * 1024, 1.0, limited(**EVERY_LIMIT), GOOD) == []


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            Found(station=("denver", 3.5), bucket=("1-6", 2.0), arena_kib=1.0),
            "Skill loss in percent at the worst station (denver) is 3.50, the limit is 3.00. ",
        ),
        (
            Found(station=("denver", 0.0), bucket=("25-48", 2.25), arena_kib=1.0),
            "Skill loss in percent at the worst lead bucket (25-48) is 2.25, the limit is 2.00. ",
        ),
        (
            Found(station=("denver", 0.0), bucket=("1-6", 0.0), arena_kib=300.5),
            "Arena in KiB is 300.50, the limit is 128.00. ",
        ),
        (
            Found(station=("denver", 0.0), bucket=("1-6", 0.0)),
            "Arena in KiB was not measured, the limit is 128.00. ",
        ),
    ],
    ids=["station", "bucket", "arena", "unmeasured"],
)
def test_a_limit_on_the_worst_part_is_held_alone(found, sentence):
    (failure,) = failures(1000, 0.5, limited(**EVERY_LIMIT), found)
    assert str(failure).startswith(sentence)


def test_a_limit_that_nothing_was_measured_for_is_missed():
    assert len(failures(1000, 0.5, limited(**EVERY_LIMIT))) == 3


def test_a_server_has_no_limit_of_size():
    assert failures(10**9, 0.0, get_recipe("server_fp32")) == []


def test_a_recipes_own_limits_count():
    assert len(failures(1025, 0.5, limited(max_wire_kib=1, max_skill_loss_percent=0))) == 2


def test_found_is_read_from_the_facts_of_stages():
    evaluation = {
        "loss": {"station": ["denver", 1.25], "bucket": ["1-6", 2.5]},
        "depth": {"unseen_station": {"outputs": {"wind": 3.0, "temperature": 1.0}}},
    }
    found = Found.of(evaluation, {"arena_bytes": 2048}, "unseen_station")
    assert found == Found(
        ("denver", 1.25), ("1-6", 2.5), outputs={"wind": 3.0, "temperature": 1.0}, arena_kib=2.0
    )
    assert found.worst_output == "wind"
    assert Found.of({}, {}, "unseen_station") == Found()
    assert Found().worst_output is None


def test_the_advice_knows_what_the_student_alone_lost():
    found = Found(outputs={"wind": 3.0}, student_loss_percent=6.5)
    (failure,) = failures(1000, 7.0, RECIPE, found)
    assert failure.advice == (
        "The student lost 6.50 % before any step: enlarge it (student.channels, student.hidden) or distil it "
        "for longer (distil.epochs). It loses most on wind."
    )
