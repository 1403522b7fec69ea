"""Convert a model from elsewhere as it is: what TensorFlow or PyTorch can trace, where its library is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from packager.contract import Contract
from packager.errors import ConversionFailed
from packager.export.fitted import Operations, check_convertible, fitted
from packager.teacher.foreign import TENSORFLOW_FORMATS, open_model
from packager.teacher.foreign.interface import TensorFlowModel
from packager.teacher.foreign.side_file import TeacherContract, parse_teacher_contract
from packager.types import Tensors

INSTEAD = "Distil a student from it, or save the model as a SavedModel, as Keras or with torch.export."


def export_foreign(
    folder: Path,
    description: Mapping[str, Any],
    contract: Contract,
    path: Path,
    *,
    target: str,
    options: Mapping[str, Any],
    calibration: Tensors | None,
) -> dict[str, Any]:
    """Convert a model from elsewhere to one artifact by the contract's names.

    Args:
        folder: where `packager.teacher.foreign.keeping` put it.
        description: what it wrote beside.
        contract: gives names, shapes and units.
        path: the artifact to write.
        target: tflite or coreml.
        options: of the target's exporter; `torch` is PyTorch's own quantization.
        calibration: representative inputs, (case, ...), the contract's units, for static quantization.

    Returns:
        What was done to the numbers, for the manifest.

    Raises:
        ConversionFailed: its format or the target cannot be converted, or a device could not run it.
    """
    side = parse_teacher_contract(description["side"], contract)
    check_convertible(side, description["crossing"])
    given, format_ = dict(options), str(description["format"])
    model = open_model(folder / description["file"], format_, signature=side.signature)
    if format_ in TENSORFLOW_FORMATS and target in ("tflite", "coreml"):
        _check_own_quantization(given.pop("torch", "none"), format_)
        return _export_tensorflow(cast("TensorFlowModel", model), side, contract, path, target, given)
    if format_ == "pt2" and target == "tflite":
        from packager.export.torch_tflite import export_torch_tflite

        return export_torch_tflite(model, side, contract, path, calibration=calibration, **given)
    if format_ == "pt2" and target == "coreml":
        from packager.export.torch_coreml import export_torch_coreml

        return export_torch_coreml(model, side, contract, path, **given)
    raise ConversionFailed(
        f"A model saved as {format_} cannot be converted to {target} as it is; SavedModel, Keras and "
        "torch.export "
        f"models can, to tflite and coreml. {INSTEAD}"
    )


def _check_own_quantization(scheme: str, format_: str) -> None:
    if scheme != "none":
        raise ConversionFailed(
            f"PyTorch's {scheme} quantization needs a torch.export .pt2 model, and this one is saved as "
            f"{format_}. "
            "Give a .pt2 file, or use another recipe."
        )


class TracedModel:
    """A model and its side file, as the exporters of our own models take them: weights, and a call."""

    def __init__(self, model: TensorFlowModel, side: TeacherContract, contract: Contract) -> None:
        self.weights = model.weights
        self._call = fitted(model.call, list(model.inputs), side, contract, tensorflow_operations())

    def __call__(self, inputs: Mapping[str, Any], *, training: bool = False) -> dict[str, Any]:
        """Outputs by contract name; it is never trained here."""
        if training:
            raise ConversionFailed("A model from elsewhere is not trained here. Distil a student from it.")
        return self._call(inputs)


def tensorflow_operations() -> Operations:
    """The operations of a TensorFlow graph."""
    import tensorflow as tf

    return Operations(
        take=lambda tensor, channels: tf.gather(tensor, list(channels), axis=-1),
        clip=tf.clip_by_value,
        total=lambda tensor: tf.reduce_sum(tensor, axis=-1, keepdims=True),
        constant=lambda numbers: tf.constant(numbers, tf.float32),
    )


def _export_tensorflow(
    model: TensorFlowModel,
    side: TeacherContract,
    contract: Contract,
    path: Path,
    target: str,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    traced = TracedModel(model, side, contract)
    if target == "coreml":
        from packager.export.coreml import export_coreml

        return export_coreml(traced, contract, path, **options)
    from packager.export.tflite import export_tflite

    return export_tflite(traced, contract, path, calibration=None, **options)
