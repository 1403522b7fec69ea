"""PyTorch to TFLite with litert-torch, as it is or quantized by PyTorch itself. Runs where PyTorch is."""

import dataclasses
import logging
import warnings
from pathlib import Path
from typing import Any, cast

from packager.contract import Contract
from packager.errors import ConversionFailed
from packager.export.float_borders import tensor_types, with_float_borders
from packager.export.torch_module import FittedModule, biases_apart, case_of, exported, one_case, versions
from packager.teacher.foreign.interface import ForeignModel, TorchModel
from packager.teacher.foreign.side_file import TeacherContract
from packager.types import Tensors

TOOLS = ("torch", "litert-torch", "torchao", "ai-edge-litert", "numpy")
SCHEMES = ("none", "dynamic", "static")
# Layers with weights. Sums and products stay float: they denormalise outputs, whose channels have unlike
# units.
WEIGHTED = ["linear", "addmm", "conv_relu", "conv"]


def export_torch_tflite(
    model: ForeignModel,
    side: TeacherContract,
    contract: Contract,
    path: Path,
    *,
    calibration: Tensors | None,
    torch: str = "none",
    quantization: str = "fp32",
    batch: int | None = 1,
) -> dict[str, Any]:
    """Convert a torch.export model to one `.tflite` file for one case at a time.

    Args:
        model: an `ExportedProgram`.
        side: how its tensors map.
        contract: gives names, shapes and units.
        path: the file to write.
        calibration: representative inputs, (case, ...), the contract's units, for static.
        torch: PyTorch's own quantization: none, dynamic (int8 weights of linear and convolutional
            layers, whose inputs are rounded as they come) or static (int8 both, calibrated).
        quantization: fp32 only: PyTorch does the rounding here.
        batch: 1 only.

    Returns:
        `scheme`, `tensors` by type, `toolchain` by version, and for static the cases of its calibration.

    Raises:
        ConversionFailed: an option that this way does not have, or no calibration where it is needed.
    """
    _check(torch, quantization, batch)
    import litert_torch

    logging.getLogger().setLevel(logging.ERROR)
    module = FittedModule(cast("TorchModel", model), side, contract)
    facts: dict[str, Any] = {"scheme": "fp32" if torch == "none" else f"torch_{torch}"}
    with warnings.catch_warnings():
        # The toolchain warns itself of its own deprecations.
        warnings.simplefilter("ignore")
        if torch == "none":
            edge = litert_torch.convert(module, sample_kwargs=one_case(contract))
        else:
            if torch == "static":
                facts["calibration_cases"] = _count(calibration)
            edge = _quantized(module, contract, calibration or {}, dynamic=torch == "dynamic")
        edge.export(str(path))
    # int8 reaches the inputs where only a change of shape lies before a rounded layer.
    content = with_float_borders(path.read_bytes())
    path.write_bytes(content)
    return facts | {"tensors": tensor_types(content), "toolchain": versions(TOOLS)}


def _check(scheme: str, quantization: str, batch: int | None) -> None:
    if scheme not in SCHEMES:
        raise ConversionFailed(
            f"PyTorch quantization {scheme!r} is not known; choose one of {', '.join(SCHEMES)}."
        )
    if quantization != "fp32" or batch != 1:
        raise ConversionFailed(
            f"A PyTorch model is converted to TFLite for one case at a time and rounded by PyTorch, not with "
            f"quantization {quantization!r} and batch {batch or 'any'}. Use torch: none, dynamic or static, "
            "or distil a "
            "student from the model."
        )


def _count(calibration: Tensors | None) -> int:
    cases = len(next(iter(calibration.values()))) if calibration else 0
    if not cases:
        raise ConversionFailed(
            "Static quantization needs calibration inputs; give a few hundred representative cases."
        )
    return cases


def _quantized(module: Any, contract: Contract, calibration: Tensors, *, dynamic: bool) -> Any:
    import litert_torch
    from litert_torch.quantize import pt2e_quantizer, quant_config
    from torchao.quantization.pt2e import observer, quantize_pt2e

    class WeightedLayers(pt2e_quantizer.PT2EQuantizer):
        """Quantizes layers with weights, and nothing else."""

        STATIC_OPS = WEIGHTED

    config = pt2e_quantizer.get_symmetric_quantization_config(is_per_channel=True, is_dynamic=dynamic)
    if not dynamic:
        # The usual observer cuts off what is rare, which in weather is what matters.
        whole = observer.MinMaxObserver.with_args(eps=2**-12)
        rounded = dataclasses.replace(config.input_activation, observer_or_fake_quant_ctr=whole)
        config = dataclasses.replace(config, input_activation=rounded, output_activation=rounded)
    quantizer = WeightedLayers().set_global(config)
    prepared = quantize_pt2e.prepare_pt2e(biases_apart(exported(module, contract).module()), quantizer)
    _calibrate(prepared, contract, {} if dynamic else calibration)
    converted = quantize_pt2e.convert_pt2e(prepared, fold_quantize=False)
    return litert_torch.convert(
        converted,
        sample_kwargs=one_case(contract),
        quant_config=quant_config.QuantConfig(pt2e_quantizer=quantizer),
    )


def _calibrate(prepared: Any, contract: Contract, calibration: Tensors) -> None:
    """Show it the cases; one of zeros where there are none, because weights are observed in the same way."""
    import torch

    # Threads that wait for each other after every small operation take minutes on a busy machine.
    torch.set_num_threads(1)
    cases = range(_count(calibration)) if calibration else ()
    with torch.no_grad():
        for tensors in (case_of(calibration, index) for index in cases) if cases else [one_case(contract)]:
            prepared(**tensors)
