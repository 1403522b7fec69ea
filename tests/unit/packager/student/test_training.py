"""The training loop: repeatable, stops early, keeps the best epoch, and refuses what cannot be trained."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from packager.contract import reference_contract
from packager.errors import TrainingFailed
from packager.student.lead_decoder import LeadDecoderConfig, build_lead_decoder
from packager.student.losses import hard_loss
from packager.student.normalisation import measure_normalisation
from packager.student.training import ALWAYS_KEPT, TrainingOptions, _Noise, train
from tests.students import weather

CONTRACT = reference_contract()
CASES = 96
INPUTS = weather(CASES)
PLAIN = TrainingOptions(hide_hours=0, hide_channels=0, site_blur=(0, 0, 0), season_blur=0)


class Watch:
    """Progress that remembers."""

    def __init__(self):
        self.seen = []

    def __call__(self, fraction, message):
        self.seen.append((fraction, message))


def small_model(start=0.0):
    """y = w × mean temperature + b, as a dict model with the contract's inputs."""
    inputs = {spec.name: tf_keras.Input(spec.shape[1:], name=spec.name) for spec in CONTRACT.inputs}
    mean = tf_keras.layers.GlobalAveragePooling1D()(inputs["history"])[:, :1]
    y = tf_keras.layers.Dense(1, kernel_initializer=tf_keras.initializers.Constant(start), name="line")(mean)
    return tf_keras.Model(inputs, {"y": y})


def squared(outputs, targets):
    return tf.reduce_mean((outputs["y"] - targets["y"]) ** 2)


def trained(model, *, loss=squared, stopping_loss=None, targets=None, progress=None, **options):
    told = dataclasses.replace(PLAIN, **{"batch": 32, "epochs": 4, "learning_rate": 0.05} | options)
    targets = targets or {"y": INPUTS["history"].mean(axis=1)[:, :1] * 0.5}
    result = train(
        model,
        inputs=INPUTS,
        targets=targets,
        stopping_inputs=INPUTS,
        stopping_targets=targets,
        loss=loss,
        stopping_loss=stopping_loss or loss,
        options=told,
        progress=progress or Watch(),
    )
    return result, model


def test_training_lowers_the_loss_and_says_how_far_it_is():
    watch = Watch()
    result, _ = trained(small_model(), epochs=6, progress=watch)
    losses = result.early_stopping_loss
    assert losses[-1] < 0.5 * losses[0]
    assert result.best_epoch == int(np.argmin(losses)) + 1
    assert [fraction for fraction, _ in watch.seen] == pytest.approx([i / 6 for i in range(1, 7)])
    assert "epoch 6/6" in watch.seen[-1][1]


def test_the_weights_of_the_best_epoch_are_kept():
    # The stopping loss asks for the opposite of what is trained: the first epoch is the best.
    worse = lambda outputs, targets: -squared(outputs, targets)  # noqa: E731
    result, model = trained(small_model(), stopping_loss=worse, epochs=5, patience=99)
    assert len(result.early_stopping_loss) == 5
    assert result.best_epoch == 1
    once, first = trained(small_model(), epochs=5, stopping_loss=worse, patience=1)
    assert once.early_stopping_loss == result.early_stopping_loss[:2]
    for kept, best in zip(model.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, best)


def test_training_stops_when_nothing_gets_better():
    worse = lambda outputs, targets: -squared(outputs, targets)  # noqa: E731
    result, _ = trained(small_model(), stopping_loss=worse, epochs=10, patience=3)
    assert len(result.early_stopping_loss) == 4


def test_too_few_cases_are_named():
    with pytest.raises(TrainingFailed, match="96 training windows are fewer than one batch of 97"):
        trained(small_model(), batch=97)


def test_an_empty_early_stopping_block_is_refused():
    with pytest.raises(TrainingFailed, match="no early-stopping window is left"):
        train(
            small_model(),
            inputs=INPUTS,
            targets={},
            stopping_inputs={name: values[:0] for name, values in INPUTS.items()},
            stopping_targets={},
            loss=squared,
            stopping_loss=squared,
            options=dataclasses.replace(PLAIN, batch=32),
            progress=Watch(),
        )


def test_a_loss_that_is_no_number_ends_training_with_the_epoch():
    with pytest.raises(TrainingFailed, match="The loss became nan in epoch 1"):
        trained(small_model(), targets={"y": np.full((CASES, 1), np.nan, np.float32)})


def lead_decoder_weights(seed):
    config = LeadDecoderConfig(
        channels=8, context=16, per_lead=2, linear=4, hidden=(16, 16), dropout=0.3, seed=seed
    )
    norm = measure_normalisation(INPUTS, CONTRACT)
    targets = {
        spec.name: np.ones((CASES, 48, *([2] if spec.name == "wind" else [])), np.float32)
        for spec in CONTRACT.outputs
    }
    loss = lambda outputs, targets: hard_loss(outputs, targets, CONTRACT, norm)  # noqa: E731
    options = TrainingOptions(epochs=1, batch=32, seed=seed)
    _, model = trained(
        build_lead_decoder(CONTRACT, norm, config), loss=loss, targets=targets, **dataclasses.asdict(options)
    )
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


def test_training_twice_from_one_seed_gives_the_same_weights():
    np.testing.assert_array_equal(lead_decoder_weights(3), lead_decoder_weights(3))


def augmented(seed=1, **options):
    return noisy(INPUTS, np.random.default_rng(seed), dataclasses.replace(PLAIN, **options))


def noisy(inputs, rng, options):
    return _Noise.draw(inputs, rng, options).batch(np.arange(CASES))


def test_without_noise_nothing_is_changed():
    for name, values in augmented().items():
        np.testing.assert_allclose(values, INPUTS[name], atol=1e-6, err_msg=name)


def test_hidden_hours_are_the_oldest_in_values_and_mask_and_leave_the_latest():
    changed = augmented(hide_hours=1.0)
    gone = changed["history_mask"].sum(axis=2) < INPUTS["history_mask"].sum(axis=2)
    assert gone.any()
    assert not gone[:, -1].any()
    # Once an hour is shown, all later ones are.
    hidden = changed["history_mask"].sum(axis=2) == 0
    assert (np.diff(hidden.astype(int), axis=1)[:, 1:] <= 0).mean() > 0.99
    assert (changed["history"][changed["history_mask"] == 0] == 0).all()


def test_hidden_channels_are_hidden_in_the_whole_case_and_only_those_that_some_stations_lack():
    changed = augmented(hide_channels=0.5)
    np.testing.assert_array_equal(changed["history"][..., :ALWAYS_KEPT], INPUTS["history"][..., :ALWAYS_KEPT])
    shown = changed["history_mask"][..., ALWAYS_KEPT:].any(axis=1)
    assert 0.35 < shown.mean() < 0.65
    whole = changed["history_mask"] == INPUTS["history_mask"]
    assert whole.all(axis=1)[:, ALWAYS_KEPT:][shown].all()


def test_blurring_moves_site_and_season_but_not_the_hour_of_the_day():
    changed = augmented(site_blur=(1.0, 2.0, 50.0), season_blur=15.0)
    spread = (changed["site"] - INPUTS["site"]).std(axis=0)
    np.testing.assert_allclose(spread, [1, 2, 50], rtol=0.4)
    np.testing.assert_allclose(np.hypot(*changed["clock"][:, :2].T), 1, atol=1e-5)
    np.testing.assert_array_equal(changed["clock"][:, 2:], INPUTS["clock"][:, 2:])
    before, after = (np.arctan2(values["clock"][:, 0], values["clock"][:, 1]) for values in (INPUTS, changed))
    days = (np.angle(np.exp(1j * (after - before)))) * 365.25 / (2 * np.pi)
    assert 8 < days.std() < 22


def test_guidance_is_hidden_in_a_share_of_the_cases_and_only_there():
    options = dataclasses.replace(PLAIN, hide_guidance=0.5)
    known = {"guidance": np.ones((CASES, 48, 7), np.float32), "guidance_mask": np.ones((CASES, 48, 7))}
    seen = noisy(INPUTS | known, np.random.default_rng(2), options)
    whole = (seen["guidance_mask"] == 1).all(axis=(1, 2))
    assert 0.3 < whole.mean() < 0.7
    np.testing.assert_array_equal(seen["history"], INPUTS["history"])
    # The random numbers that are drawn for a model without guidance stay the same.
    first, second = np.random.default_rng(3), np.random.default_rng(3)
    noisy(INPUTS, first, options)
    noisy(INPUTS, second, dataclasses.replace(options, hide_guidance=0.0))
    assert first.random() == second.random()
