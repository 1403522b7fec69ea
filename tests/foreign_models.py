"""One small function of the contract's inputs as a model of every format, with its side file.

The function: tanh of a few sums over the newest row of the history and the site; from these a number per
lead and output, with fixed distances between quantiles. It takes temperatures in K, pressure in Pa and wind
in km/h, and gives temperature in K, pressure in Pa and wind speed in knots, so that units must be converted
both ways.
"""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from packager.contract import reference_contract
from packager.types import Tensors

CONTRACT = reference_contract()
ROOT = Path(__file__).resolve().parents[1]
TORCH_PYTHON = Path(os.environ.get("TORCH_PYTHON") or ROOT / ".venv-torch" / "bin" / "python")
HIDDEN = 6
CHANNELS = CONTRACT.input("history").channel_names
UNITS_IN = {"temperature": "K", "dew_point": "K", "pressure_msl": "Pa", "wind_u": "km/h", "wind_v": "km/h"}
UNITS_OUT = {"temperature": "K", "pressure_msl": "Pa", "wind_speed": "knot"}
# Of every output in the model's own units: its middle, how far the function moves it, and between quantiles.
SCALES = {
    "temperature": (285.0, 6.0, 1.2), "dew_point": (6.0, 4.0, 0.0), "pressure_msl": (101_500.0, 600.0, 0.0),
    "wind": (1.0, 2.0, 0.0), "wind_speed": (12.0, 1.5, 1.4), "cloud_cover": (0.45, 0.1, 0.1),
    "cloud_base": (0.0, 1.0, 0.0), "precipitation_type": (0.0, 1.0, 0.0), "precipitation": (2.5, 0.5, 0.5),
}  # fmt: skip


def need_torch() -> None:
    """Skip where PyTorch's environment is not made; fail where it must be."""
    if TORCH_PYTHON.is_file():
        return
    message = "PyTorch is not installed: run `make install-torch`."
    if os.environ.get("TEST_TORCH") == "required":
        pytest.fail(message)
    pytest.skip(message)


@cache
def numbers() -> dict[str, np.ndarray]:
    """The weights by name: float32, the same for every format."""
    random = np.random.default_rng(17)
    usual = np.array([283, 279, 101_500, 10, 10, 1, 0.5, 5000, 15000, 45, -100, 500], np.float32)
    spread = np.array([10, 10, 800, 15, 15, 1, 0.5, 6000, 6000, 15, 20, 500], np.float32)
    found = {"usual": usual, "spread": spread}
    found |= {"w": random.normal(size=(12, HIDDEN)) * 0.4, "b": np.zeros(HIDDEN)}
    for spec in CONTRACT.outputs:
        middle, move, step = SCALES[spec.name]
        m = 1 if spec.kind == "quantiles" else spec.width
        found[f"u_{spec.name}"] = random.normal(size=(HIDDEN, 48 * m)) * move / np.sqrt(HIDDEN)
        found[f"v_{spec.name}"] = np.full(48 * m, middle)
        found[f"q_{spec.name}"] = (np.arange(spec.width) - spec.width // 2) * step
    return {name: values.astype(np.float32) for name, values in found.items()}


def side_document(**changes: Any) -> dict[str, Any]:
    """The side file, by name."""
    inputs = {
        "history": {
            "from": "obs",
            "shape": [None, 48, 9],
            "channels": [
                {"name": c.name, "units": UNITS_IN.get(c.name, c.units)}
                for c in CONTRACT.input("history").channels
            ],
        },
        "site": {
            "from": "place",
            "shape": [None, 3],
            "channels": [{"name": c.name, "units": c.units} for c in CONTRACT.input("site").channels],
        },
    }
    outputs = {}
    for spec, item in zip(CONTRACT.outputs, CONTRACT.document["outputs"], strict=True):
        along = {key: item[key] for key in ("levels", "classes", "components") if key in item}
        outputs[spec.name] = {
            "from": f"out_{spec.name}",
            "shape": [None, *spec.shape[1:]],
            "units": UNITS_OUT.get(spec.name, spec.units),
            **along,
        }
    return {"contract": CONTRACT.name, "inputs": inputs, "outputs": outputs, **changes}


def by_position(document: dict[str, Any]) -> dict[str, Any]:
    """The same side file with positions for names."""
    numbered = {
        side: {name: item | {"from": index} for index, (name, item) in enumerate(document[side].items())}
        for side in ("inputs", "outputs")
    }
    return document | numbered


def write_side(model: Path, document: dict[str, Any] | None = None) -> Path:
    """The side file beside a model."""
    path = model.with_name((model.name if model.is_dir() else model.stem) + ".contract.json")
    path.write_text(json.dumps(document or side_document()))
    return path


def answer(obs: np.ndarray, place: np.ndarray) -> dict[str, np.ndarray]:
    """The function in numpy, in the model's own names and units."""
    n = numbers()
    newest = np.concatenate([obs[:, -1, :], place], axis=-1)
    z = np.tanh(((newest - n["usual"]) / n["spread"]) @ n["w"] + n["b"])
    outputs = {}
    for spec in CONTRACT.outputs:
        y = z @ n[f"u_{spec.name}"] + n[f"v_{spec.name}"]
        if spec.kind == "quantiles":
            y = y[:, :, None] + n[f"q_{spec.name}"]
        elif spec.width > 1:
            y = y.reshape(len(y), 48, spec.width)
        if spec.kind == "probabilities":
            y = np.exp(y) / np.exp(y).sum(-1, keepdims=True)
        outputs[f"out_{spec.name}"] = y
    return outputs


def expected(inputs: Tensors) -> Tensors:
    """The function by contract name, in the contract's units, worked out by hand."""
    history, mask = inputs["history"].astype(np.float64), inputs["history_mask"]
    given = history.copy()
    given[..., :2] += 273.15
    given[..., 2] *= 100
    given[..., 3:5] *= 3.6
    found = {k.removeprefix("out_"): v for k, v in answer(given * mask, inputs["site"]).items()}
    found["temperature"] = found["temperature"] - 273.15
    found["pressure_msl"] = found["pressure_msl"] / 100
    found["wind_speed"] = np.clip(found["wind_speed"] * 1852 / 3600, 0, None)
    found["cloud_cover"] = np.clip(found["cloud_cover"], 0, 1)
    found["precipitation"] = np.clip(found["precipitation"], 0, None)
    return found


def keras_model(library: Any) -> Any:
    """The function in Keras 3 or tf_keras, whichever module is given; layers' weights are set."""
    layers, n = library.layers, numbers()
    obs = layers.Input((48, 9), name="obs")
    place = layers.Input((3,), name="place")
    newest = layers.Flatten()(layers.Cropping1D((47, 0))(obs))
    first = layers.Dense(HIDDEN, activation="tanh", name="first")
    normal = layers.Normalization(mean=n["usual"], variance=n["spread"] ** 2)
    z = first(normal(layers.Concatenate()([newest, place])))
    outputs = {}
    dense: dict[str, Any] = {"first": (first, [n["w"], n["b"]])}
    for spec in CONTRACT.outputs:
        m = 1 if spec.kind == "quantiles" else spec.width
        layer = layers.Dense(48 * m, name=f"u_{spec.name}")
        dense[spec.name] = (layer, [n[f"u_{spec.name}"], n[f"v_{spec.name}"]])
        name = f"out_{spec.name}"
        if spec.kind == "quantiles":
            last = layers.Dense(spec.width, name=name)
            y = last(layers.Reshape((48, 1))(layer(z)))
            dense[name] = (last, [np.ones((1, spec.width), np.float32), n[f"q_{spec.name}"]])
        elif spec.kind == "probabilities":
            y = layers.Softmax(name=name)(layers.Reshape((48, m))(layer(z)))
        else:
            y = layers.Reshape((48, m) if m > 1 else (48,), name=name)(layer(z))
        outputs[name] = y
    model = library.Model({"obs": obs, "place": place}, outputs)
    for layer, weights in dense.values():
        layer.set_weights(weights)
    return model


def save_saved_model(folder: Path) -> Path:
    """The function as a SavedModel of plain TensorFlow."""
    import tensorflow as tf

    module = tf.Module()
    module.held = [tf.Variable(value, name=name) for name, value in numbers().items()]
    n = dict(zip(numbers(), module.held, strict=True))

    def serve(obs: Any, place: Any) -> dict[str, Any]:
        return _compute(n, tf.concat([obs[:, -1, :], place], axis=-1), tf.tanh, tf.nn.softmax, tf.reshape)

    specs = [
        tf.TensorSpec([None, 48, 9], tf.float32, name="obs"),
        tf.TensorSpec([None, 3], tf.float32, name="place"),
    ]
    module.serve = tf.function(serve, input_signature=specs)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder


def _compute(n: Any, newest: Any, tanh: Any, softmax: Any, reshape: Any) -> dict[str, Any]:
    """The function in the operators that TensorFlow and PyTorch share."""
    z = tanh(((newest - n["usual"]) / n["spread"]) @ n["w"] + n["b"])
    outputs = {}
    for spec in CONTRACT.outputs:
        y = z @ n[f"u_{spec.name}"] + n[f"v_{spec.name}"]
        if spec.kind == "quantiles":
            y = reshape(y, (-1, 48, 1)) + n[f"q_{spec.name}"]
        elif spec.width > 1:
            y = reshape(y, (-1, 48, spec.width))
        outputs[f"out_{spec.name}"] = softmax(y, -1) if spec.kind == "probabilities" else y
    return outputs


def save_onnx(path: Path, *, batch: int | str = "cases") -> Path:
    """The function as an ONNX graph."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    n, nodes, outputs = numbers(), [], []
    held = dict(n) | {"newest": np.array([47], np.int64), "hours": np.array([1], np.int64)}
    nodes += [
        helper.make_node("Gather", ["obs", "newest"], ["row"], axis=1),
        helper.make_node("Squeeze", ["row", "hours"], ["flat"]),
        helper.make_node("Concat", ["flat", "place"], ["x"], axis=1),
        helper.make_node("Sub", ["x", "usual"], ["apart"]),
        helper.make_node("Div", ["apart", "spread"], ["normal"]),
        helper.make_node("Gemm", ["normal", "w", "b"], ["sums"]),
        helper.make_node("Tanh", ["sums"], ["z"]),
    ]
    for spec in CONTRACT.outputs:
        name, out = spec.name, f"out_{spec.name}"
        quantiles, wide = spec.kind == "quantiles", spec.width > 1
        shape = [-1, 48, 1 if quantiles else spec.width] if wide else [-1, 48]
        held[f"s_{name}"] = np.array(shape, np.int64)
        last = "Add" if quantiles else "Softmax" if spec.kind == "probabilities" else "Identity"
        extra = [f"q_{name}"] if quantiles else []
        nodes += [
            helper.make_node("Gemm", ["z", f"u_{name}", f"v_{name}"], [f"y_{name}"]),
            helper.make_node("Reshape", [f"y_{name}", f"s_{name}"], [f"r_{name}"]),
            helper.make_node(last, [f"r_{name}", *extra], [out]),
        ]
        outputs.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, [batch, *spec.shape[1:]]))
    graph = helper.make_graph(
        nodes,
        "teacher",
        [
            helper.make_tensor_value_info("obs", TensorProto.FLOAT, [batch, 48, 9]),
            helper.make_tensor_value_info("place", TensorProto.FLOAT, [batch, 3]),
        ],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in held.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def save_torch(folder: Path) -> Path:
    """The function as `model.pt2`, `one.pt2` (one case only) and `model.pt`, written where PyTorch is."""
    need_torch()
    np.savez(folder / "numbers.npz", **numbers())
    widths = [[spec.name, spec.kind, spec.width] for spec in CONTRACT.outputs]
    subprocess.run(
        [TORCH_PYTHON, ROOT / "tests" / "foreign_torch.py", folder, json.dumps(widths)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return folder
