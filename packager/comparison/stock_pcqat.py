"""Stock PCQAT: the Model Optimization Toolkit's sparsity- and cluster-preserving quantization-aware training.

As in its tutorial: `prune_low_magnitude` to half of the weights, `cluster_weights` to 8 values that keep the
zeros, then `quantize_apply` with `Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=True)`, one
epoch each at its rates, and the converter's `Optimize.DEFAULT`. The toolkit cannot copy head and tail, whose
layers hold constants: it is given the body alone.
"""

import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from packager.comparison.body import body_of
from packager.comparison.stock import Subject
from packager.runtimes.tflite import SIGNATURE
from packager.student.losses import hard_loss
from packager.student.normalisation import measure_normalisation
from packager.types import Tensors

SPARSITY, CLUSTERS = 0.5, 8
# The tutorial's rates for clustering and for quantization-aware training.
CLUSTER_RATE, RATE = 1e-5, 1e-4
BATCH = 128
WITH_KERNEL = (tf_keras.layers.Dense, tf_keras.layers.Conv2D)


def pcqat(subject: Subject, path: Path) -> Mapping[str, Any]:
    """Prune, cluster, train with simulated rounding, convert."""
    toolkit = _toolkit()
    inputs, targets = subject.read_lesson()
    normalisation = measure_normalisation(inputs, subject.contract)

    def loss(outputs: dict[str, Any], happened: dict[str, Any]) -> Any:
        return hard_loss(outputs, happened, subject.contract, normalisation)

    teach = _Teaching(inputs, targets, loss)
    body = body_of(subject.model)
    model = _pruned(toolkit, body.model, lambda trained, step: teach(body.around(trained), RATE, step))
    model = _clustered(toolkit, model, lambda trained, step: teach(body.around(trained), CLUSTER_RATE, step))
    model = _rounded(toolkit, model)
    teach(body.around(model), RATE)
    path.write_bytes(_convert(body.around(model), subject))
    return {"scheme": "tfmot PCQAT", "sparsity": SPARSITY, "clusters": CLUSTERS, "cases": len(teach)}


class _Teaching:
    """One epoch over the lesson."""

    def __init__(self, inputs: Tensors, targets: Tensors, loss: Callable[[Any, Any], Any]) -> None:
        self.inputs, self.targets, self.loss = inputs, targets, loss

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def __call__(self, model: Any, rate: float, after_step: Callable[[], None] | None = None) -> None:
        optimizer = tf_keras.optimizers.Adam(rate)

        @tf.function  # type: ignore[untyped-decorator]
        def step(inputs: dict[str, Any], targets: dict[str, Any]) -> Any:
            with tf.GradientTape() as tape:
                value = self.loss(model(inputs, training=True), targets)
            weights = model.trainable_weights
            slopes = zip(tape.gradient(value, weights), weights, strict=True)
            optimizer.apply_gradients([(slope, weight) for slope, weight in slopes if slope is not None])
            return value

        order = np.random.default_rng(1).permutation(len(self))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            if after_step:
                after_step()
            step(_take(self.inputs, chosen), _take(self.targets, chosen))


def _pruned(toolkit: Any, model: Any, teach: Callable[[Any, Callable[[], None]], None]) -> Any:
    schedule = toolkit.sparsity.keras.ConstantSparsity(SPARSITY, begin_step=0, frequency=100)

    def wrap(layer: Any) -> Any:
        if not isinstance(layer, WITH_KERNEL):
            return layer
        return toolkit.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=schedule)

    wrapped = tf_keras.models.clone_model(model, clone_function=wrap)
    update = toolkit.sparsity.keras.UpdatePruningStep()
    update.set_model(wrapped)
    update.on_train_begin()
    teach(wrapped, lambda: update.on_train_batch_begin(0))
    update.on_epoch_end(0)
    return toolkit.sparsity.keras.strip_pruning(wrapped)


def _clustered(toolkit: Any, model: Any, teach: Callable[[Any, Callable[[], None]], None]) -> Any:
    keras = toolkit.clustering.keras
    from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

    def wrap(layer: Any) -> Any:
        if not isinstance(layer, WITH_KERNEL):
            return layer
        return cluster.cluster_weights(
            layer,
            number_of_clusters=CLUSTERS,
            cluster_centroids_init=keras.CentroidInitialization.KMEANS_PLUS_PLUS,
            preserve_sparsity=True,
        )

    wrapped = tf_keras.models.clone_model(model, clone_function=wrap)
    teach(wrapped, lambda: None)
    return keras.strip_clustering(wrapped)


def _rounded(toolkit: Any, model: Any) -> Any:
    keras = toolkit.quantization.keras

    def annotate(layer: Any) -> Any:
        known = isinstance(layer, WITH_KERNEL) and _reads_known(model.get_layer(layer.name))
        return keras.quantize_annotate_layer(layer) if known else layer

    annotated = tf_keras.models.clone_model(model, clone_function=annotate)
    own = {type(layer).__name__: type(layer) for layer in model.layers}
    with keras.quantize_scope(own):
        scheme = toolkit.experimental.combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=True)
        return keras.quantize_apply(annotated, scheme)


def _reads_known(layer: Any) -> bool:
    """Whether what a layer reads was made by a layer that the toolkit knows.

    It rounds what a rounded layer reads, and its cluster-preserving registry stops at layers of our own.
    """
    (node,) = layer.inbound_nodes[:1]
    makers = tf.nest.flatten(node.inbound_layers)
    return all(type(maker).__module__.startswith("tf_keras.") for maker in makers)


def _convert(model: Any, subject: Subject) -> bytes:
    function = tf.function(lambda **inputs: model(inputs, training=False), autograph=False)
    module = tf.Module()
    module.weights, module.serve = model.weights, function
    concrete = function.get_concrete_function(
        **{s.name: tf.TensorSpec(s.shape, tf.float32, name=s.name) for s in subject.contract.inputs}
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={SIGNATURE: concrete})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        content: bytes = converter.convert()
    return content


def _take(tensors: Tensors, chosen: Any) -> dict[str, Any]:
    return {name: tf.constant(values[chosen]) for name, values in tensors.items()}


def _toolkit() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import tensorflow_model_optimization
    return tensorflow_model_optimization
