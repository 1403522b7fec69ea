"""Small architectures, and how a trained model is kept on disk.

A model is a folder: `model.json` (kind, configuration, normalisation, contract) and `weights.npz`. Rebuilding
from code and configuration, rather than from a pickled graph, keeps the bytes the same on every machine and
lets a converter start in its own process from two small files.
"""

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from packager.contract import Contract, canonical_json, parse_contract
from packager.errors import ArtifactRefused, ContractInvalid
from packager.student.normalisation import Normalisation


def build(description: dict[str, Any]) -> Any:
    """Build the untrained model that a description names.

    Returns:
        A tf_keras functional model, inputs and outputs by contract name.

    Raises:
        ArtifactRefused: the description names an architecture that this version does not know.
    """
    from packager.student.ensemble import build_ensemble
    from packager.student.lead_decoder import LeadDecoderConfig, build_lead_decoder

    contract = parse_contract(description["contract"])
    normalisation = Normalisation.from_dict(description["normalisation"])
    members = [LeadDecoderConfig.from_dict(member) for member in description["members"]]
    if description["kind"] == "lead_decoder":
        return build_lead_decoder(contract, normalisation, members[0])
    if description["kind"] == "ensemble":
        return build_ensemble(contract, normalisation, members)
    raise ArtifactRefused(
        f"Model kind {description['kind']!r} is not known here; known are lead_decoder and ensemble. "
        "Use the version that made it."
    )


def describe(
    kind: str, contract: Contract, normalisation: Normalisation, members: list[Any]
) -> dict[str, Any]:
    """What `build` needs: plain values, canonical."""
    return {
        "kind": kind,
        "contract": dict(contract.document),
        "normalisation": normalisation.to_dict(),
        "members": [member.to_dict() for member in members],
    }


def save_student(model: Any, description: dict[str, Any], folder: Path) -> None:
    """Write a model's description and weights into a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_bytes(canonical_json(description))
    weights = {f"w{index:04d}": value for index, value in enumerate(model.get_weights())}
    with (folder / "weights.npz").open("wb") as file:
        np.savez(file, **weights)


def read_description(folder: Path) -> dict[str, Any]:
    """What kind of model a folder holds.

    Raises:
        ArtifactRefused: the folder holds no model.
    """
    try:
        description: dict[str, Any] = json.loads((folder / "model.json").read_text())
    except (OSError, ValueError) as error:
        raise ArtifactRefused(
            f"{folder.name} holds no readable model.json: {error}. "
            "Give the folder of a trained model, or train it again."
        ) from error
    return description


def load_student(folder: Path) -> Any:
    """Rebuild a saved model.

    Raises:
        ArtifactRefused: the folder holds no model, or weights of another shape.
    """
    try:
        model = build(read_description(folder))
        # numpy closes a file that it was given to open only when it is whole.
        with (folder / "weights.npz").open("rb") as file, np.load(file) as stored:
            weights = [stored[name] for name in sorted(stored.files)]
    except (ContractInvalid, OSError, BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ArtifactRefused(
            f"{folder.name} holds no whole model: {error!r}. Train the model again."
        ) from error
    if [weight.shape for weight in weights] != [tuple(weight.shape) for weight in model.weights]:
        raise ArtifactRefused(
            f"The weights in {folder.name} do not fit its model.json. Train the model again."
        )
    model.set_weights(weights)
    return model


__all__ = ["build", "describe", "load_student", "read_description", "save_student"]
