"""Thin layers give what the whole ones gave, as far as their ranks go, and never cost more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packager.compress.factorize import factorize, find_methods, with_thin_layers
from packager.compress.layers import compressible, kernel_of
from packager.compress.lowrank import Choice, choices, cost, fitting_ranks, kept_energy, thin_kernels
from packager.compress.ranks import by_budget, by_energy
from packager.compress.rebuild import config_of
from packager.errors import RecipeInvalid
from packager.student import load_student, read_description, save_student
from tests.compression import material, student_of
from tests.students import largest_difference, student_folder, weather

DENSE, CONVOLUTION = "body_context", "body_conv1"
KERNELS = {
    "svd": np.random.default_rng(1).normal(size=(12, 20)).astype(np.float32),
    "tucker": np.random.default_rng(2).normal(size=(3, 1, 10, 14)).astype(np.float32),
    "cp": np.random.default_rng(3).normal(size=(3, 1, 10, 14)).astype(np.float32),
}


def outputs(model, cases=8):
    return {name: value.numpy() for name, value in model(weather(cases), training=False).items()}


def step(student, folder, **options):
    options = {"epochs": 0} | options
    return factorize(student, folder, material=material(), progress=lambda *_: None, **options)


@pytest.mark.parametrize("convolution", ["tucker", "cp"])
def test_thin_layers_of_full_rank_change_no_output(convolution):
    model, description = load_student(student_of((20, 12))), read_description(student_of((20, 12)))
    methods = find_methods(model, description, "body_", dense="svd", convolution=convolution)
    # CP of full rank is not found by iterating, Tucker's is exact.
    methods = {name: way for name, way in methods.items() if way != "cp"}
    kernels = {name: kernel_of(model.get_layer(name)).numpy() for name in methods}
    ranks = {name: fitting_ranks(kernel, 10**6, methods[name]) for name, kernel in kernels.items()}
    thin, described = with_thin_layers(model, description, ranks, methods)
    assert {DENSE} <= set(config_of(described).ranks) <= set(methods)
    # Amounts of rain, as exponentials, reach 148 mm here.
    assert max(largest_difference(outputs(model), outputs(thin)).values()) < 1e-3


def test_a_kernel_of_low_rank_is_found_to_be_so(tmp_path):
    model, description = load_student(student_folder()), read_description(student_folder())
    random = np.random.default_rng(5)
    rows, columns = kernel_of(model.get_layer(DENSE)).shape
    low = random.normal(size=(rows, 3)) @ random.normal(size=(3, columns)) * 0.05
    kernel_of(model.get_layer(DENSE)).assign(low.astype(np.float32))
    save_student(model, description, tmp_path / "before")
    facts = step(tmp_path / "before", tmp_path / "after", energy=1 - 1e-8, layers=DENSE)
    assert facts["ranks"][DENSE] == [3]
    after = load_student(tmp_path / "after")
    assert after.get_layer(f"{DENSE}_thin0").units == 3
    assert max(largest_difference(outputs(model), outputs(after)).values()) < 1e-3
    assert facts["parameters"][1] < facts["parameters"][0]


def test_a_budget_is_met_and_nearly_spent_and_fine_tuning_lowers_the_loss(tmp_path):
    facts = step(student_folder(), tmp_path, budget_kib=80.0, convolution="cp", epochs=2, learning_rate=5e-3)
    model = load_student(tmp_path)
    body = sum(weight.numpy().size for layer in compressible(model) for weight in layer.weights)
    assert 0.97 * 80 < body * 4 / 1024 <= 80
    assert facts["body_kib"] == pytest.approx(body * 4 / 1024, abs=1e-3)
    assert facts["early_stopping_loss"][1] < facts["early_stopping_loss"][0]


def test_a_budget_below_the_lowest_ranks_is_refused_with_what_they_need(tmp_path):
    with pytest.raises(RecipeInvalid, match=r"with the lowest ranks the body has [\d.]+ KiB"):
        step(student_folder(), tmp_path, budget_kib=1.0)
    assert not (tmp_path / "model.json").exists()


def test_given_ranks_are_taken_and_a_layer_that_would_not_shrink_stays_whole(tmp_path):
    ranks = {DENSE: 4, CONVOLUTION: 5, "body_context_to_hidden": 1000}
    facts = step(student_folder(), tmp_path, energy=1.0, ranks=ranks)
    assert facts["ranks"][DENSE] == [4]
    assert facts["ranks"][CONVOLUTION] == [5, 5]
    assert "body_context_to_hidden" not in facts["ranks"]
    assert 0 < facts["energy"][DENSE] < 1


def test_a_rank_for_a_layer_that_cannot_be_thin_is_refused_with_those_that_can(tmp_path):
    with pytest.raises(RecipeInvalid, match=r"body_out cannot be made thin .* body_conv0, body_conv1"):
        step(student_folder(), tmp_path, ranks={"body_out": 1})


def test_techniques_can_be_left_out():
    model, description = load_student(student_folder()), read_description(student_folder())
    dense = find_methods(model, description, "body_", dense="svd", convolution="none")
    wide = find_methods(model, description, "body_conv", dense="none", convolution="cp")
    assert DENSE in dense
    assert not any(name.startswith("body_conv") and name[9:].isdigit() for name in dense)
    assert set(wide.values()) == {"cp"}
    assert CONVOLUTION in wide


@pytest.mark.parametrize("method", KERNELS)
def test_every_choice_costs_more_and_keeps_more_than_the_one_before(method):
    kernel = KERNELS[method]
    ways = choices(kernel, method)
    assert ways[-1] == Choice((), kernel.size, 1.0)
    assert len(ways) > 3
    pairs = [(way.parameters, way.energy) for way in ways]
    assert pairs == sorted(set(pairs))
    assert [way.energy for way in ways] == sorted(way.energy for way in ways)
    for way in ways[:-1]:
        thin = thin_kernels(kernel, way.ranks, method)
        assert sum(part.size for part in thin) == way.parameters == cost(kernel, way.ranks, method)


@pytest.mark.parametrize("method", KERNELS)
def test_thin_kernels_keep_the_energy_that_the_choice_says(method):
    kernel = KERNELS[method]
    way = choices(kernel, method)[2]
    kept = kept_energy(kernel, way.ranks, method)
    # Tucker's choice is made before iterating, which can only gain.
    assert way.energy - 1e-5 <= kept < way.energy + (0.1 if method == "tucker" else 1e-5)


def test_a_kernel_of_zeros_stays_whole():
    assert choices(np.zeros((4, 4), np.float32), "svd") == [Choice((), 16, 1.0)]


def test_the_cheapest_way_that_keeps_enough_is_taken():
    ways = [Choice((1,), 10, 0.5), Choice((2,), 20, 0.8), Choice((), 25, 1.0)]
    assert by_energy(ways, 0.8).ranks == (2,)
    assert by_energy(ways, 0.81).ranks == ()


def test_a_budget_is_spent_where_it_buys_most():
    steep = [Choice((1,), 10, 0.6), Choice((2,), 20, 0.9), Choice((), 60, 1.0)]
    flat = [Choice((1,), 10, 0.3), Choice((2,), 20, 0.4), Choice((), 60, 1.0)]
    assert by_budget({"steep": steep, "flat": flat}, 19) is None
    taken = by_budget({"steep": steep, "flat": flat}, 30)
    assert (taken["steep"].ranks, taken["flat"].ranks) == ((2,), (1,))
    taken = by_budget({"steep": steep, "flat": flat}, 80)
    assert (taken["steep"].ranks, taken["flat"].ranks) == ((2,), ())


@settings(deadline=None, max_examples=25)
@given(st.integers(30, 700), st.integers(0, 2**16))
def test_a_budget_is_never_exceeded(parameters, seed):
    random = np.random.default_rng(seed)
    layers = {str(i): choices(random.normal(size=(6 + i, 9)).astype(np.float32), "svd") for i in range(3)}
    taken = by_budget(layers, parameters)
    least = sum(ways[0].parameters for ways in layers.values())
    assert (taken is None) == (parameters < least)
    assert taken is None or sum(way.parameters for way in taken.values()) <= parameters
