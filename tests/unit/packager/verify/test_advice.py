"""Advice names the change of the recipe that would most likely help, by what the recipe does."""

import pytest

from packager.recipes import parse_recipe, recipe_names
from packager.recipes.recipe import STORED_AS, get_recipe
from packager.verify.advice import FINER, SMALLER, for_memory, for_size, for_skill, stored_as


def recipe(export, steps=(), source="student"):
    return parse_recipe(
        {
            "name": "test",
            "summary": "A variant made for a test.",
            "source": source,
            "export": export,
            "steps": list(steps),
        }
    )


def coreml(weights):
    return {"format": "coreml", "weights": weights}


def tflite(quantization):
    return {"format": "tflite", "quantization": quantization}


@pytest.mark.parametrize(
    ("export", "steps", "advice"),
    [
        (coreml("pal2"), [], "Store the weights as pal4 instead of pal2 (export.weights)."),
        (coreml("pal2"), [{"prune_weights": {"sparsity": 0.9}}], "Store the weights as pal4 instead"),
        (
            tflite("w8a8"),
            [{"prune_weights": {"sparsity": 0.9}}],
            "Prune fewer weights: prune_weights.sparsity is 0.9.",
        ),
        (tflite("fp16"), [{"prune_structure": {"remove": 0.5}}], "Remove fewer channels"),
        (tflite("fp16"), [{"factorize": {"energy": 0.5}}], "Keep more of the matrices"),
        (tflite("fp16"), [{"cluster": {"clusters": 8}}], "Share fewer weights: cluster.clusters is 8."),
        (
            tflite("fp16"),
            [{"prune_weights": {"sparsity": 0.5, "epochs": 0}}],
            "Nothing was learned after step prune_weights: give it epochs",
        ),
        (tflite("w8a8"), [], "Add the step quantize_aware"),
        (tflite("w8a8"), [{"quantize_aware": {}}], "Store the weights as fp16 instead of w8a8"),
        (coreml("pal4"), [], "Store the weights as pal6 instead of pal4"),
        (tflite("fp16"), [], "Distil for more epochs"),
    ],
)
def test_what_costs_most_skill_is_taken_back_first(export, steps, advice):
    assert for_skill(recipe(export, steps), limit=1.0).startswith(advice)


def test_a_student_that_is_bad_itself_is_to_be_enlarged_whatever_the_steps():
    harsh = recipe(tflite("w8a8"), [{"prune_weights": {"sparsity": 0.9}}])
    assert for_skill(harsh, limit=1.0, student_loss_percent=1.5).startswith("The student lost 1.50 %")
    assert for_skill(harsh, limit=2.0, student_loss_percent=1.5).startswith("Prune fewer weights")


def test_the_output_that_loses_most_is_named():
    assert for_skill(recipe(tflite("w8a8")), limit=1, worst_output="wind").endswith("loses most on wind.")


@pytest.mark.parametrize(
    ("export", "steps", "source", "advice"),
    [
        (tflite("fp16"), [], "student", "Store the weights as w8a8 instead of fp16 (export.quantization)."),
        (coreml("fp16"), [], "student", "Store the weights as pal6 instead of fp16 (export.weights)."),
        (tflite("w8a8"), [], "student", "Add the step prune_weights"),
        (tflite("w8a8"), [{"prune_weights": {"sparsity": 0.5}}], "student", "Prune more weights"),
        (
            tflite("w8a8"),
            [{"prune_weights": {"sparsity": 0.9}}],
            "student",
            "Add the step cluster",
        ),
        (coreml("pal2"), [], "student", "Make the student smaller"),
        (tflite("w8a8"), [], "teacher", "Distil a student"),
    ],
)
def test_a_bundle_that_is_too_large_is_told_the_next_smaller_way(export, steps, source, advice):
    assert for_size(recipe(export, steps, source)).startswith(advice)


def test_memory_is_that_of_activations():
    assert for_memory(recipe({"format": "micro"})).startswith("Lower student.channels")
    pruned = recipe({"format": "micro"}, [{"prune_structure": {"remove": 0.2}}])
    assert for_memory(pruned).startswith("Remove more channels")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_can_be_advised(name):
    known = get_recipe(name)
    assert for_skill(known, limit=1.0)
    assert for_size(known)
    assert for_memory(known)


@pytest.mark.parametrize("target", sorted(STORED_AS))
def test_advice_names_only_what_a_format_can_hold(target):
    known = set(STORED_AS[target][1])
    for ways in (FINER[target], SMALLER[target]):
        assert set(ways) | set(ways.values()) <= known
    assert stored_as(recipe({"format": target})) in known
