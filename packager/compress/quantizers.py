"""The toolkit's simulated rounding, set up as the exporters round.

Of the toolkit these are its wrapper, its last-value and moving-average quantizers, and its clustering
algorithm. Its own registries cannot be taken: they round dense kernels with one scale, where the exporters
have one per output; they pass depthwise kernels over; and the cluster-preserving one makes values per channel
out of a convolution's shared ones, and writes them into the kernel, of which training then takes averages.

Import this module where it is used: the toolkit takes a second.
"""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from packager.compress.layers import channel_axis
from packager.compress.toolkit import FLOAT_BITS, load_toolkit
from packager.types import FloatArray

toolkit = load_toolkit()
from tensorflow_model_optimization.python.core.clustering.keras.cluster_config import (  # noqa: E402
    GradientAggregation,
)
from tensorflow_model_optimization.python.core.clustering.keras.clustering_algorithm import (  # noqa: E402
    ClusteringAlgorithm,
)

quantization = toolkit.quantization.keras
LastValueQuantizer: Any = quantization.quantizers.LastValueQuantizer
MovingAverageQuantizer: Any = quantization.quantizers.MovingAverageQuantizer
QuantizeConfig: Any = quantization.QuantizeConfig
ACTIVATION_BITS = 8


class KernelQuantizer(LastValueQuantizer):  # type: ignore[misc]
    """Rounds a kernel symmetrically, its largest weight to the largest integer.

    Attributes:
        bits: 2 to 8; from 16 nothing is rounded.
        sparse: zeros of the kernel stay zero.
        clustered: equal weights stay equal, and one scale holds for the whole kernel; else one per output.
    """

    def __init__(self, layer: Any, *, bits: int, sparse: bool, clustered: bool) -> None:
        rounded = bits < FLOAT_BITS
        super().__init__(
            num_bits=bits if rounded else ACTIVATION_BITS,
            per_axis=not clustered,
            symmetric=True,
            narrow_range=True,
        )
        self.bits, self.sparse, self.clustered = bits, sparse, clustered
        # The toolkit takes a kernel's last axis for its outputs.
        self.swapped = channel_axis(layer) != len(layer.weights[0].shape) - 1

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Make the variables: the range, and what zeros and shared values need."""
        shape = self._outputs_last(tf.zeros(tensor_shape)).shape
        made = super().build(shape, name, layer)
        kernel = getattr(layer.layer, name).numpy()
        if self.sparse:
            made["mask"] = tf.constant((kernel != 0).astype(np.float32))
        values = np.unique(kernel[kernel != 0] if self.sparse else kernel)
        if self.clustered and values.size:
            shared = layer.add_weight(
                f"{name}_shared",
                shape=values.shape,
                initializer=tf_keras.initializers.Constant(values),
                trainable=True,
            )
            made["algorithm"] = ClusteringAlgorithm(shared, GradientAggregation.SUM)
        return made  # type: ignore[no-any-return]

    def __call__(self, inputs: Any, training: Any, weights: dict[str, Any], **_: Any) -> Any:  # noqa: ARG002
        """The kernel as it will be stored."""
        kernel = inputs
        if "algorithm" in weights:
            nearest = weights["algorithm"].get_pulling_indices(kernel)
            kernel = weights["algorithm"].get_clustered_weight(nearest, kernel)
        if "mask" in weights:
            kernel = kernel * weights["mask"]
        if self.bits >= FLOAT_BITS:
            return kernel
        # Always the range of these very weights, also of the averaged ones: the exporters take no other.
        rounded = super().__call__(self._outputs_last(kernel), True, weights)
        return self._outputs_last(rounded)

    def _outputs_last(self, kernel: Any) -> Any:
        """A depthwise kernel has its outputs on the last axis but one: swapped, and swapped back."""
        return tf.transpose(kernel, (0, 1, 3, 2)) if self.swapped else kernel


class OutputQuantizer(MovingAverageQuantizer):  # type: ignore[misc]
    """Rounds a layer's output within a moving average of its range, from a measured range on.

    The toolkit starts at −6 to 6, which a few epochs do not forget.
    """

    def __init__(self, lowest: float, highest: float) -> None:
        super().__init__(num_bits=ACTIVATION_BITS, per_axis=False, symmetric=False, narrow_range=False)
        self.lowest, self.highest = lowest, highest

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """Make the variables of the range."""
        made: dict[str, Any] = super().build(tensor_shape, name, layer)
        made["min_var"].assign(min(self.lowest, 0.0))
        made["max_var"].assign(max(self.highest, 0.0))
        return made


class BodyConfig(QuantizeConfig):  # type: ignore[misc]
    """How one layer is rounded: its kernel, if it has one, and what it puts out."""

    def __init__(
        self, attribute: str | None, kernel: KernelQuantizer | None, output: OutputQuantizer | None
    ) -> None:
        self.attribute, self.kernel, self.output = attribute, kernel, output

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        """The kernel's variable and its quantizer."""
        return [(getattr(layer, self.attribute), self.kernel)] if self.attribute else []

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:  # noqa: ARG002
        """None: what a layer puts out is rounded after its activation."""
        return []

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        """Let the layer work with the rounded kernel."""
        if self.attribute:
            setattr(layer, self.attribute, quantize_weights[0])

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        """Nothing to set; a body of a sentence alone is one that TensorFlow warns it cannot read."""
        del layer, quantize_activations

    def get_output_quantizers(self, layer: Any) -> list[Any]:  # noqa: ARG002
        """The output's quantizer."""
        return [self.output] if self.output else []

    def get_config(self) -> dict[str, Any]:
        """Nothing: a wrapped model is never saved."""
        return {}


def wrap(layer: Any, config: BodyConfig) -> Any:
    """The layer in the toolkit's wrapper."""
    from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import (
        QuantizeWrapperV2,
    )

    return QuantizeWrapperV2(layer, config)


def rounded_kernel(wrapper: Any) -> FloatArray:
    """What a wrapped layer works with: its kernel, zeros kept, shared and rounded."""
    ((kernel, quantizer, made),) = wrapper._weight_vars  # noqa: SLF001
    return np.asarray(quantizer(kernel, True, made).numpy(), np.float32)
