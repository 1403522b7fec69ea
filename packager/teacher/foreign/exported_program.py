"""`torch.export` archives, `.pt2`."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.teacher.foreign.interface import Shape, count, named
from packager.types import FloatArray


class ExportedProgram:
    """An exported program: its inputs have the names of the arguments of `forward`."""

    def __init__(self, path: Path, _signature: str) -> None:
        """Load the program."""
        import torch

        with warnings.catch_warnings():
            # PyTorch warns about its own tree specifications.
            warnings.simplefilter("ignore", FutureWarning)
            self._program = torch.export.load(path)
            self._module = self._program.module()
        places = {node.name: node for node in self._program.graph.nodes if node.op == "placeholder"}
        self._names = [str(name) for name in self._program.graph_signature.user_inputs]
        self.inputs: Mapping[str, Shape] = {name: _shape(places[name]) for name in self._names}
        self.parameters: int | None = count(value.shape for value in self._program.state_dict.values())

    def module(self) -> Any:
        """The program as a module from tensors by name to a dict of tensors."""
        return _by_name(self._module, self._names, self._program.call_spec.in_spec)

    def run(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Run every case of the leading axis."""
        import torch

        with torch.no_grad():
            given = {name: torch.from_numpy(values) for name, values in inputs.items()}
            return {name: value.numpy() for name, value in self.module()(**given).items()}


def _by_name(module: Any, names: list[str], structure: Any) -> Any:
    import torch
    from torch.utils import _pytree as pytree

    class ByName(torch.nn.Module):
        """The program's arguments, positional and by keyword, all by name."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, **tensors: Any) -> dict[str, Any]:
            flat = [tensors[name] for name in names]
            arguments, keywords = pytree.tree_unflatten(flat, structure)
            return named(self.inner(*arguments, **keywords), [])

    return ByName()


def _shape(node: Any) -> Shape:
    return tuple(size if isinstance(size, int) else None for size in node.meta["val"].shape)
