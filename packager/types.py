"""Array types that the packager's signatures use."""

from weatherapp.core.arrays import BoolArray, FloatArray, IntArray

# By contract name, with a leading case axis.
Tensors = dict[str, FloatArray]

__all__ = ["BoolArray", "FloatArray", "IntArray", "Tensors"]
