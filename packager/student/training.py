"""One training loop for teacher members and students: AdamW on a cosine, averaged weights, early stopping."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
import tf_keras

from packager.dataset.known import hide_guidance
from packager.errors import TrainingFailed
from packager.student.pointwise import pointwise_as_products
from packager.types import BoolArray, FloatArray, IntArray, Tensors

# The contract's first history channels, which every station reports: temperature, dew point, pressure, wind.
ALWAYS_KEPT = 5
Loss = Callable[[dict[str, Any], dict[str, Any]], Any]
# Called after every step of the optimiser with the count of steps done and of steps in all.
AfterStep = Callable[[int, int], None]


class Progress(Protocol):
    """Called after every epoch."""

    def __call__(self, fraction: float, message: str) -> None:
        """`fraction` of the work done, 0..1, and one line about it."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How long and how fast.

    Attributes:
        epochs: at most; the learning rate falls to a fifth over them.
        batch: cases per step.
        learning_rate: the highest.
        weight_decay: of AdamW.
        patience: epochs without a better early-stopping loss before training ends.
        hide_hours: share of the cases whose oldest observations are hidden, as after a station's outage.
        hide_channels: share of the cases in which a channel that some stations never report is hidden,
            channel by channel.
        hide_guidance: share of the cases whose guidance is hidden, wholly or from some lead on, so that a
            model forecasts without it too; see `packager.dataset.known.hide_guidance`.
        site_blur: standard deviation of the noise on latitude and longitude (degrees) and elevation (m).
        season_blur: of the noise on the day of the year, days.
        seed: of the order of cases and of what is hidden.
    """

    epochs: int = 10
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    patience: int = 4
    hide_hours: float = 0.05
    hide_channels: float = 0.3
    hide_guidance: float = 0.25
    site_blur: tuple[float, float, float] = (3.0, 6.0, 200.0)
    season_blur: float = 15.0
    seed: int = 1


@dataclass(frozen=True)
class TrainingResult:
    """The loss on the early-stopping block after every epoch; the weights of the best one are kept."""

    early_stopping_loss: list[float]
    best_epoch: int


def train(
    model: tf_keras.Model,
    *,
    inputs: Tensors,
    targets: Tensors,
    stopping_inputs: Tensors,
    stopping_targets: Tensors,
    loss: Loss,
    stopping_loss: Loss,
    options: TrainingOptions,
    progress: Progress,
    masks: Sequence[FloatArray] | None = None,
    after_step: AfterStep | None = None,
    penalty: Callable[[], Any] | None = None,
) -> TrainingResult:
    """Train in place and leave the averaged weights of the best epoch in the model.

    Args:
        model: dict in, dict out.
        inputs: (case, ...) by contract name.
        targets: (case, ...) whatever `loss` reads.
        stopping_inputs: of the early-stopping block, whose hours are in no training window.
        stopping_targets: the same block.
        loss: (outputs, targets) → scalar, for training.
        stopping_loss: (outputs, targets) → scalar, for choosing the epoch.
        options: how long and how fast.
        progress: told after every epoch.
        masks: one per trainable weight of the model, 1 where it may move and 0 where it stays as it is; all
            may move when not given. Weight decay moves what has no gradient: set none with them.
        after_step: may change the model's weights, to put them back where a step of compression wants them;
            the averaged weights, which the model holds at the end, are the caller's to put back.
        penalty: a scalar of the model's weights that is added to the training loss, such as their L1 norm.

    Raises:
        TrainingFailed: no cases, or the loss became NaN.
    """
    cases = len(next(iter(inputs.values())))
    if cases < options.batch or not len(next(iter(stopping_inputs.values()))):
        raise TrainingFailed(
            f"{cases} training windows are fewer than one batch of {options.batch}, or no early-stopping "
            "window is left. Bring more data, or use a smaller stride or batch."
        )
    steps = options.epochs * (cases // options.batch)
    trainer = _Trainer(model, loss, options, steps, masks, after_step, penalty)
    with pointwise_as_products(model):
        return _train(trainer, inputs, targets, (stopping_inputs, stopping_targets), stopping_loss, progress)


def _train(
    trainer: "_Trainer",
    inputs: Tensors,
    targets: Tensors,
    stopping: tuple[Tensors, Tensors],
    stopping_loss: Loss,
    progress: Progress,
) -> TrainingResult:
    """Epoch after epoch, until the last or until nothing gets better."""
    model, options, cases = trainer.model, trainer.options, len(next(iter(inputs.values())))
    stopping_step = tf.function(
        lambda part, observed: stopping_loss(model(part, training=False), observed), reduce_retracing=True
    )
    rng = np.random.default_rng(options.seed)
    losses: list[float] = []
    best: list[FloatArray] = model.get_weights()
    for epoch in range(options.epochs):
        order = rng.permutation(cases)[: cases // options.batch * options.batch].reshape(-1, options.batch)
        trained = trainer.epoch(_Noise.draw(inputs, rng, options), targets, order)
        with trainer.averaged_weights():
            losses.append(_mean_loss(stopping_step, *stopping))
            if losses[-1] <= min(losses):
                best = model.get_weights()
        if not np.isfinite(losses[-1]):
            raise TrainingFailed(
                f"The loss became {losses[-1]} in epoch {epoch + 1}. "
                "Lower the learning rate or clean the data."
            )
        progress(
            (epoch + 1) / options.epochs,
            f"epoch {epoch + 1}/{options.epochs}, loss {trained:.4f}, early-stopping loss {losses[-1]:.4f}",
        )
        if epoch - int(np.argmin(losses)) >= options.patience:
            break
    model.set_weights(best)
    return TrainingResult([round(value, 6) for value in losses], int(np.argmin(losses)) + 1)


class _Trainer:
    """The compiled step, its optimiser and the running average of the weights."""

    def __init__(
        self,
        model: tf_keras.Model,
        loss: Loss,
        options: TrainingOptions,
        steps: int,
        masks: Sequence[FloatArray] | None,
        after_step: AfterStep | None,
        penalty: Callable[[], Any] | None,
    ) -> None:
        self.model, self.options = model, options
        self.steps, self.after_step = steps, after_step
        self.average = [tf.Variable(weight) for weight in model.trainable_weights]
        self.steps_done = 0
        schedule = tf_keras.optimizers.schedules.CosineDecay(
            options.learning_rate / 20,
            steps,
            alpha=0.2,
            warmup_target=options.learning_rate,
            warmup_steps=steps // 20 + 1,
        )
        optimizer = tf_keras.optimizers.AdamW(schedule, weight_decay=options.weight_decay, clipnorm=1.0)

        @tf.function
        def gradients(inputs: dict[str, Any], targets: dict[str, Any]) -> Any:
            with tf.GradientTape() as tape:
                value = loss(model(inputs, training=True), targets)
                value = value if penalty is None else value + penalty()
            slopes = tape.gradient(value, model.trainable_weights)
            if masks is not None:
                # What a layer gathers from, such as shared values, has slopes by index.
                dense = [tf.convert_to_tensor(slope) for slope in slopes]
                slopes = [slope * mask for slope, mask in zip(dense, masks, strict=True)]
            return value, slopes

        @tf.function
        def step(inputs: dict[str, Any], targets: dict[str, Any], rate: Any) -> Any:
            value, slopes = gradients(inputs, targets)
            optimizer.apply_gradients(zip(slopes, model.trainable_weights, strict=True))
            for mean, weight in zip(self.average, model.trainable_weights, strict=True):
                mean.assign_add((weight - mean) * rate)
            return value

        self.step = step

    def epoch(self, noise: "_Noise", targets: Tensors, order: Any) -> float:
        total = 0.0
        for index in order:
            self.steps_done += 1
            # Early on the average follows closely, later it spans about a hundred steps.
            rate = max(0.01, 1.0 / self.steps_done)
            batch_inputs = {name: tf.constant(values) for name, values in noise.batch(index).items()}
            batch_targets = {
                name: tf.constant(values.take(index, axis=0).astype(np.float32, copy=False))
                for name, values in targets.items()
            }
            total += float(self.step(batch_inputs, batch_targets, tf.constant(rate, tf.float32)))
            if self.after_step is not None:
                self.after_step(self.steps_done, self.steps)
        return total / len(order)

    def averaged_weights(self) -> "_Swapped":
        return _Swapped(self.model, self.average)


class _Swapped:
    """While entered, the model holds the averaged weights."""

    def __init__(self, model: tf_keras.Model, average: list[Any]) -> None:
        self.pairs = list(zip(model.trainable_weights, average, strict=True))

    def __enter__(self) -> None:
        self.kept = [weight.numpy() for weight, _ in self.pairs]
        for weight, mean in self.pairs:
            weight.assign(mean)

    def __exit__(self, *_: object) -> None:
        for (weight, _mean), value in zip(self.pairs, self.kept, strict=True):
            weight.assign(value)


@dataclass(frozen=True)
class _Noise:
    """What makes it harder, for one epoch, to know a training window by heart.

    The oldest hours of some cases are hidden: a station that was down, or a replay that begins with its
    month. So are channels that some stations never report, else their absence would name the station. Site
    and season are blurred: exact, they name one station and one week, and the network would recall its
    weather instead of forecasting.

    `inputs` are blurred already. The history is not hidden yet, batch by batch it costs half as much: case i
    keeps the hours from `first_hour` (case,) on and the channels in `channels` (case, 1, channel).
    """

    inputs: Tensors
    first_hour: IntArray
    channels: BoolArray

    @classmethod
    def draw(cls, inputs: Tensors, rng: np.random.Generator, options: TrainingOptions) -> "_Noise":
        cases, hours, _ = shape = inputs["history_mask"].shape
        first = np.where(rng.random(cases) < options.hide_hours, rng.integers(0, hours - 1, cases), 0)
        channels = _kept_channels(shape, rng, options)
        blurred = inputs | {
            "site": inputs["site"] + (rng.standard_normal((cases, 3)) * options.site_blur).astype(np.float32),
            "clock": _season_blurred(inputs["clock"], rng, options.season_blur),
        }
        return cls(hide_guidance(blurred, rng, options.hide_guidance), first, channels)

    def batch(self, index: IntArray) -> Tensors:
        """The inputs of some cases, with what is hidden of them set to 0."""
        batch = {name: values.take(index, axis=0) for name, values in self.inputs.items()}
        hours = np.arange(batch["history_mask"].shape[1])
        shown = (hours >= self.first_hour[index][:, None])[..., None] & self.channels[index]
        return batch | {name: batch[name] * shown.astype(np.float32) for name in ("history", "history_mask")}


def _kept_channels(shape: tuple[int, ...], rng: np.random.Generator, options: TrainingOptions) -> BoolArray:
    """(case, 1, channel): whether the case keeps the channel. What all stations report always stays."""
    cases, _, channels = shape
    kept = rng.random((cases, 1, channels)) >= options.hide_channels
    kept[..., :ALWAYS_KEPT] = True
    return kept


def _season_blurred(clock: FloatArray, rng: np.random.Generator, days: float) -> FloatArray:
    angle = rng.standard_normal(len(clock)) * days * 2 * np.pi / 365.25
    sine, cosine = np.sin(angle), np.cos(angle)
    blurred = clock.copy()
    blurred[:, 0] = clock[:, 0] * cosine + clock[:, 1] * sine
    blurred[:, 1] = clock[:, 1] * cosine - clock[:, 0] * sine
    return blurred


def _mean_loss(step: Callable[..., Any], inputs: Tensors, targets: Tensors, batch: int = 512) -> float:
    cases = len(next(iter(inputs.values())))
    total = 0.0
    for start in range(0, cases, batch):
        part = slice(start, start + batch)
        value = step(
            {name: tf.constant(values[part]) for name, values in inputs.items()},
            {name: tf.constant(values[part]) for name, values in targets.items()},
        )
        total += float(value) * len(range(*part.indices(cases)))
    return total / cases


def predict(model: tf_keras.Model, inputs: Tensors, batch: int = 1024) -> Tensors:
    """Run a Keras model over many cases: (case, ...) in, (case, ...) out, by contract name."""
    cases = len(next(iter(inputs.values())))
    call = tf.function(lambda values: model(values, training=False))
    parts: list[dict[str, FloatArray]] = []
    for start in range(0, cases, batch):
        values = {name: tf.constant(array[start : start + batch]) for name, array in inputs.items()}
        parts.append({name: value.numpy() for name, value in call(values).items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
