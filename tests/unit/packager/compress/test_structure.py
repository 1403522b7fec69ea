"""Units that are removed are really gone, with all that makes and reads them, and nothing else is."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from tf_keras import Model, layers

from packager.compress.importance import least_important, norm_importance, taylor_importance
from packager.compress.layers import compressible, kernel_of
from packager.compress.rebuild import config_of
from packager.compress.structure import prune_structure, remove_units, shares_of
from packager.compress.units import FIXED, find_units
from packager.compress.widths import Width, find_widths, keep_unalike
from packager.errors import RecipeInvalid
from packager.student import load_student, read_description
from packager.student.lead_decoder import LeadDecoderConfig
from tests.compression import material, student_of
from tests.students import largest_difference, student_folder, weather

SUMMED, NOT_SUMMED = (16, 16), (20, 12)


def outputs(model):
    return {name: value.numpy() for name, value in model(weather(8), training=False).items()}


@cache
def silenced(hidden):
    """A student half of whose units nobody reads: rows of zeros in all their readers; and which units."""
    model, description = load_student(student_of(hidden)), read_description(student_of(hidden))
    units = find_units(model)
    widths = find_widths(model, description, units)
    silent = {width.names: width.units[:, : width.size // 2] for width in widths}
    for layer in compressible(model):
        kernel = kernel_of(layer).numpy()
        kernel[
            ...,
            np.isin(units.read[layer.name], np.concatenate([gone.ravel() for gone in silent.values()])),
            :,
        ] = 0
        kernel_of(layer).assign(kernel)
    return model, description, units, widths, silent


@cache
def importance(criterion):
    model, _, units, *_ = silenced(SUMMED)
    if criterion == "taylor":
        return taylor_importance(model, units, material().lesson(), batches=2)
    return norm_importance(model, units, order=int(criterion[1]))


@pytest.mark.parametrize("criterion", ["l1", "l2", "taylor"])
def test_units_that_nobody_reads_are_the_least_important(criterion):
    *_, widths, silent = silenced(SUMMED)
    for width in widths:
        chosen = least_important(width.units, importance(criterion), width.size // 2)
        np.testing.assert_array_equal(np.sort(chosen), silent[width.names], err_msg=str(width.names))


@pytest.mark.parametrize("hidden", [SUMMED, NOT_SUMMED], ids=["summed", "not summed"])
def test_no_output_changes_when_units_that_nobody_reads_are_removed(hidden):
    model, description, units, widths, silent = silenced(hidden)
    smaller, described = remove_units(model, description, units, widths, silent)
    assert max(largest_difference(outputs(model), outputs(smaller)).values()) < 1e-4
    config = config_of(described)
    assert (config.channels, config.context, config.linear, config.per_lead) == (4, 6, 3, 2)
    assert config.hidden == tuple(width // 2 for width in hidden)
    assert smaller.count_params() < 0.6 * model.count_params()


def test_every_width_of_a_student_is_found_and_summed_layers_share_theirs():
    singles = [("channels",), ("context",), ("linear",), ("per_lead",)]
    assert [width.names for width in silenced(SUMMED)[3]] == [*singles, ("hidden0", "hidden1")]
    assert [width.names for width in silenced(NOT_SUMMED)[3]] == [*singles, ("hidden0",), ("hidden1",)]
    assert [width.size for width in silenced(NOT_SUMMED)[3]] == [8, 12, 6, 3, *NOT_SUMMED]


def test_a_step_removes_each_widths_own_share_and_learns_again(tmp_path):
    facts = prune_structure(
        student_folder(),
        tmp_path,
        material=material(),
        progress=lambda *_: None,
        criterion="l1",
        remove=0.5,
        widths={"context": 0.25, "linear": 0.0},
        epochs=2,
        learning_rate=5e-3,
    )
    config = config_of(read_description(tmp_path))
    assert (config.channels, config.context, config.linear, config.hidden) == (8, 24, 32, (16, 16))
    assert facts["widths"]["context"] == [32, 24]
    assert facts["parameters"] == [
        load_student(folder).count_params() for folder in (student_folder(), tmp_path)
    ]
    assert len(facts["early_stopping_loss"]) == 2
    assert facts["early_stopping_loss"][1] < facts["early_stopping_loss"][0]


def test_one_unit_of_every_width_stays():
    assert least_important(np.arange(3)[None], np.zeros(3), 3).tolist() == [[0, 1]]


def test_every_set_of_a_width_loses_as_many_units_and_equally_important_ones_in_their_order():
    units, importance = np.array([[5, 2, 7], [1, 3, 4]]), np.array([0, 3, 1.0, 0, 2, 1.0, 0, 0.5])
    assert least_important(units, importance, 2).tolist() == [[7, 5], [3, 4]]


@pytest.mark.parametrize(
    ("hidden", "removed", "left"),
    [
        ((20, 12), (8, 0), (13, 12)),
        ((12, 20), (0, 8), (12, 13)),
        ((20, 12, 6), (14, 6, 0), (8, 7, 6)),
    ],
)
def test_layers_that_were_not_summed_are_not_after_they_lost_units(hidden, removed, left):
    widths = [Width((f"hidden{index}",), np.arange(size)[None]) for index, size in enumerate(hidden)]
    going = {width.names: np.arange(count)[None] for width, count in zip(widths, removed, strict=True)}
    gone = keep_unalike(LeadDecoderConfig(hidden=hidden), widths, going)
    assert tuple(width.size - gone[width.names].shape[1] for width in widths) == left


def test_an_unknown_width_is_refused_with_the_known_ones():
    widths = [
        Width(("channels",), np.zeros((1, 8), int)),
        Width(("hidden0", "hidden1"), np.zeros((1, 16), int)),
    ]
    with pytest.raises(RecipeInvalid, match=r"width hidden7 is none .* channels, hidden0, hidden1\."):
        shares_of(widths, {"hidden7": 0.5}, 0.25)


def test_two_shares_for_summed_widths_are_refused():
    widths = [Width(("hidden0", "hidden1"), np.zeros((1, 16), int))]
    assert shares_of(widths, {"hidden1": 0.5}, 0.25) == {("hidden0", "hidden1"): 0.5}
    with pytest.raises(RecipeInvalid, match=r"hidden0 and hidden1 are summed.*0\.25, 0\.5"):
        shares_of(widths, {"hidden0": 0.5, "hidden1": 0.25}, 0.0)


def test_norms_do_not_rank_a_unit_by_how_its_scale_is_shared_between_its_two_sides():
    model = load_student(student_of(NOT_SUMMED))
    units = find_units(model)
    own = units.made["body_decode1"]
    before = norm_importance(model, units, order=2)[own]
    maker = model.get_layer("body_decode1")
    maker.set_weights([2 * weight for weight in maker.get_weights()])
    for layer in compressible(model):
        halved = np.where(np.isin(units.read[layer.name], own), 0.5, 1.0)[:, None].astype(np.float32)
        kernel_of(layer).assign(kernel_of(layer) * halved)
    np.testing.assert_allclose(norm_importance(model, units, order=2)[own], before, rtol=1e-4)


def test_taylor_importance_tells_what_the_loss_would_change():
    model = load_student(student_of(NOT_SUMMED))
    units, lesson = find_units(model), material().lesson()
    importance = taylor_importance(model, units, lesson, batches=1)
    maker = model.get_layer("body_decode1")
    index = int(np.argmax(importance[units.made[maker.name]]))

    def loss():
        targets = {name: values.astype(np.float32) for name, values in lesson.targets.items()}
        return float(lesson.loss(model(lesson.windows.inputs, training=False), targets))

    start, step = loss(), 1e-2
    scale = np.where(np.arange(12) == index, 1 - step, 1).astype(np.float32)
    maker.set_weights([weight * scale for weight in maker.get_weights()])
    expected = importance[units.made[maker.name][index]]
    assert abs(loss() - start) / step == pytest.approx(expected, rel=0.1)


def graph(build):
    inputs = layers.Input((4, 1, 3))
    return find_units(Model(inputs, build(inputs)))


def test_repeated_and_reordered_numbers_keep_their_units():
    def build(x):
        x = layers.Conv2D(2, 1, name="body_first")(x)
        x = layers.Lambda(lambda values: tf.tile(values[:, ::-1], (1, 3, 1, 1)))(x)
        return layers.Dense(1, name="body_last")(layers.Flatten()(x))

    units = graph(build)
    assert units.read["body_last"].tolist() == units.made["body_first"].tolist() * 12
    assert units.made["body_last"].tolist() == [FIXED]


def test_what_a_layer_of_unknown_kind_changes_stays():
    def build(x):
        x = layers.Conv2D(2, 1, name="body_first")(x)
        return layers.Conv2D(1, 1, name="body_last")(layers.Lambda(lambda values: 2 * values)(x))

    assert graph(build).made["body_first"].tolist() == [FIXED, FIXED]


def test_channels_that_a_depthwise_layer_and_padding_hand_on_keep_their_units():
    def build(x):
        x = layers.Conv2D(2, 1, name="body_first")(x)
        x = layers.DepthwiseConv2D((3, 1), padding="same", name="body_depthwise")(x)
        x = layers.AveragePooling2D((2, 1))(x)
        return layers.Conv2D(1, 1, name="body_last")(layers.ZeroPadding2D((1, 0))(x))

    units = graph(build)
    assert units.read["body_last"].tolist() == units.made["body_first"].tolist()
    assert FIXED not in units.made["body_first"]
