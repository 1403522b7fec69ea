"""Run with the Python that has PyTorch: the function of `foreign_models.py` as PyTorch saves models."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

HOURS = 48


class Teacher(torch.nn.Module):
    """The function, with linear layers."""

    def __init__(self, numbers, outputs):
        super().__init__()
        self.outputs = outputs
        self.register_buffer("usual", torch.from_numpy(numbers["usual"]))
        self.register_buffer("spread", torch.from_numpy(numbers["spread"]))
        self.first = linear(numbers["w"], numbers["b"])
        self.heads = torch.nn.ModuleDict(
            {f"head_{name}": linear(numbers[f"u_{name}"], numbers[f"v_{name}"]) for name, _, _ in outputs}
        )
        self.steps = torch.nn.ParameterDict(
            {f"step_{name}": torch.from_numpy(numbers[f"q_{name}"]) for name, _, _ in outputs}
        )

    def forward(self, obs, place):
        newest = torch.cat([obs[:, -1, :], place], dim=-1)
        z = torch.tanh(self.first((newest - self.usual) / self.spread))
        found = {}
        for name, kind, width in self.outputs:
            y = self.heads[f"head_{name}"](z)
            if kind == "quantiles":
                y = y.unsqueeze(-1) + self.steps[f"step_{name}"]
            elif width > 1:
                y = y.reshape(-1, HOURS, width)
            found[f"out_{name}"] = torch.softmax(y, dim=-1) if kind == "probabilities" else y
        return found


class InOrder(torch.nn.Module):
    """The same with outputs in order, as TorchScript mostly has them."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, obs, place):
        return tuple(self.inner(obs, place).values())


def linear(weight, bias):
    layer = torch.nn.Linear(*weight.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.T.copy()))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer


def main(folder, outputs):
    with np.load(folder / "numbers.npz") as stored:
        teacher = Teacher(dict(stored), outputs).eval()
    obs, place = torch.zeros(3, HOURS, 9), torch.zeros(3, 3)
    cases = torch.export.Dim("cases")
    free = torch.export.export(teacher, (obs, place), dynamic_shapes={"obs": {0: cases}, "place": {0: cases}})
    torch.export.save(free, folder / "model.pt2")
    torch.export.save(torch.export.export(teacher, (obs[:1], place[:1])), folder / "one.pt2")
    torch.jit.trace(InOrder(teacher), (obs, place)).save(str(folder / "model.pt"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
