"""A PyTorch model and its side file as one module, which converters export again. Runs where PyTorch is."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from packager.contract import Contract
from packager.export.fitted import Operations, fitted
from packager.teacher.foreign.interface import TorchModel
from packager.teacher.foreign.side_file import TeacherContract
from packager.types import Tensors

# Of operations with weights, how many axes follow that of the channels in what they give.
AXES_BEHIND_CHANNELS = {
    torch.ops.aten.linear.default: 0,
    torch.ops.aten.conv1d.default: 1,
    torch.ops.aten.conv2d.default: 2,
}


class FittedModule(torch.nn.Module):
    """From the contract's inputs, by keyword, to a dict of its outputs."""

    def __init__(self, model: TorchModel, side: TeacherContract, contract: Contract) -> None:
        super().__init__()
        self.inner = model.module()
        self._call = fitted(
            lambda given: self.inner(**given), list(model.inputs), side, contract, torch_operations()
        )

    def forward(self, **tensors: Any) -> dict[str, Any]:
        """Outputs by contract name."""
        return self._call(tensors)


def torch_operations() -> Operations:
    """The operations of a PyTorch graph."""
    return Operations(
        take=lambda tensor, channels: tensor.index_select(-1, torch.tensor(channels)),
        clip=torch.clamp,
        total=lambda tensor: tensor.sum(dim=-1, keepdim=True),
        constant=lambda numbers: torch.tensor(numbers, dtype=torch.float32),
    )


def one_case(contract: Contract) -> dict[str, Any]:
    """Inputs of one case of zeros: what a phone asks for at once."""
    return {spec.name: torch.zeros(spec.shape, dtype=torch.float32) for spec in contract.inputs}


def case_of(inputs: Tensors, index: int) -> dict[str, Any]:
    """One case of many, as tensors."""
    return {
        name: torch.from_numpy(np.ascontiguousarray(values[index : index + 1]))
        for name, values in inputs.items()
    }


def versions(tools: Sequence[str]) -> dict[str, str]:
    """What converted a model here: the rest of the packager runs with other versions."""
    return {name: version(name) for name in tools}


def exported(module: Any, contract: Contract) -> Any:
    """The module as `torch.export` sees it, for one case at a time."""
    with torch.no_grad():
        return torch.export.export(module, (), one_case(contract), strict=False)


def biases_apart(graph_module: Any) -> Any:
    """Let layers with weights add their biases in an operation of their own, which stays float.

    litert-torch 0.10 loses the bias of a layer whose output is rounded to int8: a test model was 111 K off.
    """
    graph = graph_module.graph
    for node in list(graph.nodes):
        if node.target not in AXES_BEHIND_CHANNELS or len(node.args) < 3 or node.args[2] is None:
            continue
        bias, axes = node.args[2], AXES_BEHIND_CHANNELS[node.target]
        node.args = (*node.args[:2], None, *node.args[3:])
        with graph.inserting_after(node):
            shaped = graph.call_function(torch.ops.aten.reshape.default, (bias, [-1] + [1] * axes))
        with graph.inserting_after(shaped):
            added = graph.call_function(torch.ops.aten.add.Tensor, (node, shaped))
        shaped.meta["val"] = bias.meta["val"].reshape([-1] + [1] * axes)
        added.meta = dict(node.meta)
        node.replace_all_uses_with(added, delete_user_cb=lambda user, added=added: user is not added)
    graph.lint()
    graph_module.recompile()
    return graph_module
