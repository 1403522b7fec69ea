import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from packager.recipes import get_recipe, parse_recipe, recipe_names
from packager.recipes.order import ORDER
from packager.search.space import (
    EXPORTS,
    HIDDEN,
    SIZES,
    needed_steps,
    possible_steps,
    recipe_document,
    suggest,
    values_of,
)
from tests.unit.packager.search.searching import SIZES as USUAL

BOTH = ("tflite", "coreml")


class Drawn:
    """Chooses as Hypothesis likes, and remembers the ranges that it was asked for."""

    def __init__(self, data):
        self.data, self.asked = data, {}

    def suggest_categorical(self, name, choices):
        return self._note(name, tuple(choices), st.sampled_from(list(choices)))

    def suggest_int(self, name, low, high, *, step=1):
        return self._note(name, (low, high, step), st.sampled_from(range(low, high + 1, step)))

    def suggest_float(self, name, low, high, *, step):
        count = round((high - low) / step)
        return self._note(
            name, (low, high, step), st.integers(0, count).map(lambda index: low + index * step)
        )

    def _note(self, name, asked, strategy):
        assert name not in self.asked, f"{name} is asked twice"
        self.asked[name] = asked
        return self.data.draw(strategy, label=name)


def document_of(values, epochs=10, **more):
    return recipe_document(values, name="a_trial", summary="A trial of a test.", epochs=epochs, **more)


@settings(deadline=None, max_examples=300)
@given(st.data(), st.integers(1, 100))
def test_whatever_is_chosen_is_a_recipe(data, epochs):
    values = suggest(Drawn(data), BOTH)
    recipe = parse_recipe(document_of(values, epochs))
    option, stored = EXPORTS[recipe.export.format]
    assert recipe.export.options[option] in stored
    names = [step.name for step in recipe.steps]
    assert names == sorted(names, key=ORDER.index)
    assert set(needed_steps(values[option])) <= set(names) <= set(possible_steps(values[option]))
    assert min(step.options["epochs"] for step in recipe.steps) >= 1 if names else True


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_values_survive_the_way_to_a_recipe_and_back(data):
    values = suggest(Drawn(data), BOTH)
    # These widen the student to whole blocks.
    assume(values.get("quantization") not in ("w4", "mixed"))
    recipe = parse_recipe(document_of(values))
    again = values_of(recipe, USUAL)
    palette = {"pal4": 4, "sparse_pal4": 4}.get(values.get("weights"), 6)
    for name in set(again) - {"distil_share", "cluster_bits"}:
        assert again[name] == values[name], name
    if "cluster_bits" in again:
        assert again["cluster_bits"] == min(values["cluster_bits"], palette)


@given(st.data(), st.data())
@settings(deadline=None, max_examples=100)
def test_a_parameter_has_one_range_in_all_trials(first, second):
    one, other = Drawn(first), Drawn(second)
    suggest(one, BOTH)
    suggest(other, BOTH)
    for name in set(one.asked) & set(other.asked):
        assert one.asked[name] == other.asked[name]


@pytest.mark.parametrize(("stored", "step"), [("fp16", "quantize_aware"), ("w8a8", "mixed_precision")])
def test_a_step_that_the_export_cannot_use_is_not_asked_for(stored, step):
    assert step not in possible_steps(stored)


def test_training_is_shared_between_distillation_and_steps():
    values = values_of(get_recipe("tflite_w8a8"), USUAL) | {
        "prune_weights": True,
        "sparsity": 0.5,
        "quantize_aware": True,
        "distil_share": 0.6,
    }
    document = document_of(values, epochs=40)
    assert document["distil"] == {"epochs": 24}
    assert [options["epochs"] for step in document["steps"] for options in step.values()] == [8, 8]


def test_four_bits_by_blocks_have_widths_of_whole_blocks():
    values = values_of(get_recipe("tflite_w8a8"), USUAL | {"hidden": (80, 48), "channels": 40})
    narrow = document_of(values)["student"]
    assert (narrow["channels"], narrow["hidden"]) == (40, [80, 48])
    wide = document_of(values | {"quantization": "w4"})["student"]
    assert (wide["channels"], wide["context"], wide["hidden"]) == (64, 64, [96, 64])


def test_options_by_layer_stand_beside_those_that_are_searched():
    values = values_of(get_recipe("tflite_w8a8"), USUAL) | {
        "prune_weights": True,
        "sparsity": 0.5,
        "distil_share": 0.5,
    }
    extra = {"prune_weights": {"per_layer": {"body_context": 0.9}}}
    document = document_of(values, extra=extra)
    (step,) = document["steps"]
    assert step["prune_weights"] == {"sparsity": 0.5, "epochs": 5, "per_layer": {"body_context": 0.9}}
    parse_recipe(document)


def test_every_named_recipe_of_a_student_gives_values_inside_the_ranges_or_none():
    known = {}
    for name in recipe_names():
        values = values_of(get_recipe(name), USUAL)
        if values is not None:
            known[name] = values
            assert all(low <= values[size] <= high for size, (low, high, _) in SIZES.items())
            assert all(HIDDEN[i][0] <= values[f"hidden{i}"] <= HIDDEN[i][1] for i in range(values["layers"]))
            parse_recipe(document_of(values))
    assert {"tflite_w8a8", "coreml_pal4"} <= set(known)
    assert "server_fp32" not in known
