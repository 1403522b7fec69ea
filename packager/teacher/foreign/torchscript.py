"""TorchScript archives, `.pt` and `.ts`."""

from collections.abc import Mapping
from pathlib import Path

from packager.teacher.foreign.interface import Shape, count, named
from packager.types import FloatArray


class TorchScriptModel:
    """A scripted or traced module: its inputs have the names of the arguments of `forward`, and no shapes."""

    def __init__(self, path: Path, _signature: str) -> None:
        """Load the module for inference."""
        import torch

        self._module = torch.jit.load(str(path), map_location="cpu").eval()
        arguments = self._module.forward.schema.arguments[1:]
        self.inputs: Mapping[str, Shape] = {argument.name: None for argument in arguments}
        self.parameters: int | None = count(value.shape for value in self._module.state_dict().values())

    def run(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Run every case of the leading axis."""
        import torch

        with torch.no_grad():
            outputs = self._module(*(torch.from_numpy(inputs[name]) for name in self.inputs))
        return {name: value.numpy() for name, value in named(outputs, []).items()}
