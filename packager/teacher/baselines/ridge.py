"""Ridge regression from the same inputs, with the spread of its training errors around it."""

from dataclasses import dataclass

import numpy as np

from packager.contract import Contract, Output
from packager.dataset.windows import Windows
from packager.student.normalisation import LOG_OFFSETS, UPPER_LIMITS
from packager.types import FloatArray, Tensors

PENALTY = 10.0


@dataclass(frozen=True)
class Ridge:
    """Linear coefficients and training error quantiles of each output, and what stands for a missing value.

    Guidance is among the features where the contract has it. Precipitation amounts are not linear and left
    out, and so is an output that no training window reports at all its leads.
    """

    missing: dict[str, FloatArray]
    centre: FloatArray
    width: FloatArray
    coefficients: dict[str, FloatArray]
    spread: dict[str, FloatArray]

    @classmethod
    def fit(cls, windows: Windows, contract: Contract) -> "Ridge":
        """Solve the normal equations, one output at a time, on the windows that report all its leads."""
        missing = {group: _reported_means(windows.inputs, group, contract) for group in _groups(contract)}
        raw = _features(windows.inputs, contract, missing)
        centre, width = raw.mean(axis=0), raw.std(axis=0) + 1e-6
        x = _with_constant((raw - centre) / width)
        coefficients, spread = {}, {}
        for spec in contract.outputs:
            if spec.name == "precipitation":
                continue
            y = _target(spec, windows)
            whole = ~np.isnan(y).any(axis=1)
            if not whole.any():
                continue
            coefficients[spec.name] = _solve(x[whole], y[whole])
            if spec.levels:
                error = y[whole] - x[whole] @ coefficients[spec.name]
                spread[spec.name] = np.quantile(error, spec.levels, axis=0).T.astype(np.float32)
        return cls(missing, centre, width, coefficients, spread)

    def forecast(self, windows: Windows, contract: Contract) -> Tensors:
        """Outputs by contract name, (case, lead, ...)."""
        raw = _features(windows.inputs, contract, self.missing)
        x = _with_constant((raw - self.centre) / self.width)
        return {
            name: self._output(contract.output(name), x @ weights)
            for name, weights in self.coefficients.items()
        }

    def _output(self, spec: Output, values: FloatArray) -> FloatArray:
        if spec.kind == "median":
            return values
        if spec.kind == "quantiles":
            return np.asarray(np.clip(values[..., None] + self.spread[spec.name], *spec.valid_range))
        values = values.reshape(len(values), *spec.shape[1:])
        if spec.kind == "vector_median":
            return values
        chances = np.clip(values, 1e-4, None)
        return np.asarray(chances / chances.sum(axis=-1, keepdims=True))


def _groups(contract: Contract) -> tuple[str, ...]:
    return ("history", "guidance") if contract.has_guidance else ("history",)


def _features(inputs: Tensors, contract: Contract, missing: dict[str, FloatArray]) -> FloatArray:
    # A missing value is the channel's mean, so that it says nothing; the mask says that it was missing.
    flat = []
    for group, mean in missing.items():
        mask = inputs[f"{group}_mask"]
        values = np.where(mask > 0, _logarithmic(inputs[group], group, contract), mean)
        flat += [values.reshape(len(values), -1), mask[:, ::6].reshape(len(mask), -1)]
    return np.concatenate([*flat, inputs["site"], inputs["clock"]], axis=1)


def _reported_means(inputs: Tensors, group: str, contract: Contract) -> FloatArray:
    values, mask = _logarithmic(inputs[group], group, contract), inputs[f"{group}_mask"]
    mean = (values * mask).sum(axis=(0, 1), dtype=np.float64) / np.maximum(mask.sum(axis=(0, 1)), 1)
    return np.asarray(mean, np.float32)


def _logarithmic(values: FloatArray, group: str, contract: Contract) -> FloatArray:
    values = values.copy()
    for index, name in enumerate(contract.input(group).channel_names):
        if name in LOG_OFFSETS:
            capped = np.clip(values[..., index], 0, UPPER_LIMITS[name])
            values[..., index] = np.log(LOG_OFFSETS[name] + capped)
    return values


def _with_constant(x: FloatArray) -> FloatArray:
    return np.concatenate([x, np.ones((len(x), 1), x.dtype)], axis=1)


def _target(spec: Output, windows: Windows) -> FloatArray:
    target = windows.targets[spec.name]
    if spec.kind == "probabilities":
        happened = (np.arange(spec.width) == target[..., None]).astype(np.float32)
        happened[np.isnan(target)] = np.nan
        target = happened
    return target.reshape(len(target), -1)


def _solve(x: FloatArray, y: FloatArray) -> FloatArray:
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += PENALTY
    return np.asarray(np.linalg.solve(gram, x.T @ y))
