"""Steps in an impossible order are refused with the reason."""

import pytest

from packager.errors import RecipeInvalid
from packager.recipes.order import ORDER, check_steps

INT8 = {"quantization": "w8a8"}


def check(*steps, source="student", target="tflite", export=INT8):
    check_steps("mine", source, steps, target, export)


def test_the_order_that_is_named_is_possible_but_for_bits_that_the_export_ignores():
    check(*(step for step in ORDER if step != "mixed_precision"))


@pytest.mark.parametrize("late", range(1, len(ORDER)))
def test_no_step_may_stand_behind_a_later_one(late):
    for early in range(late):
        export = {"quantization": "mixed"} if "mixed_precision" in (ORDER[early], ORDER[late]) else INT8
        with pytest.raises(RecipeInvalid, match=f"{ORDER[early]} cannot come after {ORDER[late]}"):
            check(ORDER[late], ORDER[early], export=export)


def test_the_same_step_twice_is_refused():
    with pytest.raises(RecipeInvalid, match="cluster stands twice"):
        check("cluster", "cluster")


def test_fine_tuning_may_stand_before_weights_are_fixed_and_not_after():
    check("finetune", "factorize", "finetune", "prune_weights")
    with pytest.raises(
        RecipeInvalid, match="finetune cannot come after prune_weights: it moves every weight"
    ):
        check("prune_weights", "finetune")


def test_steps_need_a_student():
    with pytest.raises(RecipeInvalid, match="its source is teacher"):
        check("cluster", source="teacher")


def test_int8_training_needs_an_int8_export():
    with pytest.raises(RecipeInvalid, match="would store fp16"):
        check("quantize_aware", export={"quantization": "fp16"})
    check("quantize_aware", target="coreml", export={"weights": "int8"})


def test_bits_by_layer_and_the_export_that_stores_them_need_each_other():
    with pytest.raises(RecipeInvalid, match="would store w8a8"):
        check("mixed_precision")
    with pytest.raises(RecipeInvalid, match="needs the step mixed_precision"):
        check("cluster", export={"quantization": "mixed"})
