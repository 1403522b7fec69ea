"""Gates decide whether a variant is bundled, at the limit and around it."""

import pytest

from packager.recipes import get_recipe, parse_recipe
from packager.verify.gates import failed_gates

RECIPE = get_recipe("tflite_fp16")


def failures(wire_bytes, loss, recipe=RECIPE):
    return failed_gates(recipe, wire_bytes=wire_bytes, skill_loss_percent=loss)


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


def test_a_failure_says_figure_limit_and_what_would_help():
    size, skill = map(str, failures(250 * 1024, 7.125))
    assert size == (
        "Size on the wire in KiB is 250.00, the limit is 200.00. "
        "Use fewer weight bits or smaller student sizes."
    )
    assert skill.startswith("Skill loss in percent is 7.12, the limit is 5.00. Distil for more epochs")


def test_a_server_has_no_limit_of_size():
    assert failures(10**9, 0.0, get_recipe("server_fp32")) == []


def test_a_recipes_own_limits_count():
    document = dict(RECIPE.document) | {
        "gates": {"max_wire_kib": 1, "max_skill_loss_percent": 0, "reason": "A limit made for this test."}
    }
    assert len(failures(1025, 0.5, parse_recipe(document))) == 2
