"""PyTorch to Core ML with coremltools, by way of `torch.export`. Runs where PyTorch is."""

import logging
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np

from packager.contract import Contract
from packager.errors import ConversionFailed
from packager.export.coreml_facts import program_facts
from packager.export.mlpackage import rename_outputs, write_package
from packager.export.torch_module import FittedModule, exported, versions
from packager.teacher.foreign.interface import ForeignModel, TorchModel
from packager.teacher.foreign.side_file import TeacherContract

TOOLS = ("torch", "coremltools", "numpy")
WEIGHTS = ("fp16", "fp32")
WEIGHTED = frozenset({"linear", "conv", "matmul"})
TARGETS = ("ios17", "ios18")


def export_torch_coreml(
    model: ForeignModel,
    side: TeacherContract,
    contract: Contract,
    path: Path,
    *,
    weights: str = "fp16",
    target: str = "ios17",
    torch: str = "none",
) -> dict[str, Any]:
    """Convert a torch.export model to a `.mlpackage`.

    Args:
        model: an `ExportedProgram`.
        side: how its tensors map.
        contract: gives names, shapes and units.
        path: the folder to write; it must not exist.
        weights: fp16 rounds the layers with weights; what lies between them stays float32, because
            visibility in metres overflows fp16. fp32 rounds nothing.
        target: ios17 or ios18.
        torch: none only: Core ML does not take PyTorch's quantized operations of this kind.

    Raises:
        ConversionFailed: an option that this way does not have.
    """
    if weights not in WEIGHTS or target not in TARGETS or torch != "none":
        raise ConversionFailed(
            f"A PyTorch model becomes Core ML with weights {' or '.join(WEIGHTS)} for {' or '.join(TARGETS)} "
            f"and torch none, not with weights {weights!r} for {target!r} and torch {torch!r}. Change the "
            "recipe's export, or distil a student from the model."
        )
    module = FittedModule(cast("TorchModel", model), side, contract)
    converted = _convert(module, contract, weights, target)
    specification = converted.get_spec()
    rename_outputs(specification, {spec.name: spec.name for spec in contract.outputs})
    write_package(specification, Path(converted.weights_dir) / "weight.bin", path)
    return {
        "scheme": weights,
        **program_facts(specification),
        "minimum_deployment_target": target.replace("ios", "iOS"),
        "toolchain": versions(TOOLS),
    }


def _convert(module: Any, contract: Contract, weights: str, target: str) -> Any:
    import coremltools as ct

    logging.getLogger("coremltools").setLevel(logging.ERROR)
    half = ct.transform.FP16ComputePrecision(op_selector=lambda operation: operation.op_type in WEIGHTED)
    with warnings.catch_warnings():
        # The newest PyTorch is newer than what coremltools was tested with; the artifact is run and scored
        # later.
        warnings.simplefilter("ignore")
        return ct.convert(
            exported(module, contract).run_decompositions({}),
            convert_to="mlprogram",
            minimum_deployment_target=getattr(ct.target, target.replace("ios", "iOS")),
            compute_precision=half if weights == "fp16" else ct.precision.FLOAT32,
            inputs=[
                ct.TensorType(name=spec.name, shape=spec.shape, dtype=np.float32) for spec in contract.inputs
            ],
            outputs=[ct.TensorType(name=spec.name, dtype=np.float32) for spec in contract.outputs],
            skip_model_load=True,
        )
