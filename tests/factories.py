"""Valid small bundles around a real TFLite model, in milliseconds; the tests of bundles test them too."""

import copy
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import factory
import numpy as np

from packager import archive
from packager.bundle import open_bundle, write_bundle
from packager.contract import Contract, parse_contract, reference_contract
from packager.dataset.windows import Windows
from packager.runtimes import open_runtime
from packager.verify.golden import make_golden
from tests.tiny_tflite import build_tflite

TOLERANCES = {
    "temperature": 0.5, "dew_point": 0.5, "pressure_msl": 0.5, "wind": 0.5, "wind_speed": 0.5,
    "cloud_cover": 0.05, "cloud_base": 0.05, "precipitation_type": 0.05, "precipitation": 0.3,
}  # fmt: skip


class ManifestFactory(factory.DictFactory):
    """A manifest as `write_bundle` takes it; give what a test cares about."""

    manifest = 1
    name = "point"
    variant = "tflite_fp16"
    format = "tflite"
    artifact = "model.tflite"
    licence = "Apache-2.0"

    @factory.lazy_attribute
    def recipe(self):
        return {"name": self.variant, "digest": "1" * 64, "steps": []}

    @factory.lazy_attribute
    def engine_min(self):
        return {"litert": "2.0"} if self.format == "tflite" else {"ios": "17.0"}

    @factory.lazy_attribute
    def contract(self):
        return contract_reference(reference_contract())

    sizes = factory.LazyFunction(lambda: {"artifact": 0})
    scores = factory.LazyFunction(lambda: evaluation())  # noqa: PLW0108 - defined below
    quantization = factory.LazyFunction(lambda: {"weights": "float32"})
    provenance = factory.LazyFunction(
        lambda: {
            "dataset": {"sha256": "2" * 64, "sources": ["made for tests"]},
            "code": {"version": "0", "digest": "3" * 64},
            "teacher": "4" * 64,
            "toolchain": {"numpy": np.__version__},
        }
    )


def evaluation(worse: float = 1.0, **of_output: float) -> dict[str, Any]:
    """What the packager measures; errors that are so many times the usual, all or of an output."""
    usual = {"temperature": 1.5, "wind_speed": 0.9, "cloud_cover": 0.14, "precipitation": 0.3}
    values = {
        name: {
            bucket: round(error * worse * of_output.get(name, 1.0) * growth, 6)
            for bucket, growth in (("1-6", 0.7), ("7-12", 0.9), ("25-48", 1.2), ("1-48", 1.0))
        }
        for name, error in usual.items()
    }
    return {
        "scores": {"unseen_station": values},
        "scored_cases": {"unseen_station": 400},
        "skill_loss_percent": 1.25,
    }


def make_user(name: str, *groups: str, **fields: Any):
    """Somebody of these groups, who may enter the admin."""
    from django.contrib.auth.models import Group, User

    user = User.objects.create(username=name, is_staff=True, **fields)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def approve(release):
    """Take a draft through review, as the system."""
    from mobile_models import services

    return services.approve_release(release=services.submit_release(release=release))


def contract_reference(contract: Contract) -> dict[str, Any]:
    """How a manifest names a contract."""
    return {"name": contract.name, "version": contract.version, "sha256": contract.digest}


def short_contract() -> Contract:
    """The reference contract cut to a day of history and two leads: its bundles are small."""
    document = copy.deepcopy(dict(reference_contract().document))
    document["history_hours"], document["lead_hours"] = 24, 2
    for spec in document["inputs"]:
        if len(spec["shape"]) == 3:
            spec["shape"][1] = 24
    for out in document["outputs"]:
        out["shape"][1] = 2
    return parse_contract(document)


def weather_windows(contract: Contract, count: int = 40) -> Windows:
    """Windows with a daily cycle, seasons, several places and holes in the cloud and visibility columns."""
    rng = np.random.default_rng(11)
    hours, case = np.arange(contract.history_hours), np.arange(count)[:, None]
    phase = 2 * np.pi * (hours + case) / 24
    wave = np.sin(phase) + rng.normal(0, 0.1, phase.shape)
    temperature = 12 + 10 * np.sin(case) + 5 * wave
    columns = [
        temperature, temperature - 4, 1013 + 6 * np.cos(case) + 0.05 * hours, 3 * wave, 2 - wave,
        np.maximum(0, wave - 0.8), np.clip(0.5 + 0.4 * wave, 0, 1), 900 + 500 * wave, 16000 + 0 * wave,
    ]  # fmt: skip
    mask = np.ones((count, contract.history_hours, len(columns)), np.float32)
    mask[::3, :, 6:] = 0
    mask[:, ::7, 5] = 0
    year, day = rng.uniform(0, 2 * np.pi, count), rng.uniform(0, 2 * np.pi, count)
    station = np.arange(count) % 7
    site = np.stack([30 + 5.0 * station, -120 + 7.0 * station, 200.0 * station], axis=1)
    clock = np.stack([np.sin(year), np.cos(year), np.sin(day), np.cos(day)], axis=1)
    history = np.stack(columns, axis=-1) * mask
    inputs = {"history": history, "history_mask": mask, "site": site, "clock": clock}
    if contract.has_guidance:
        known = np.ones((count, *contract.input("guidance").shape[1:]), np.float32)
        known[::4], known[1::4, 30:] = 0, 0
        drift = rng.normal(0, 0.3, known.shape).cumsum(axis=1)
        inputs |= {"guidance": (history[:, -1:, :7] + drift) * known, "guidance_mask": known}
    return Windows(
        inputs={name: np.asarray(array, np.float32) for name, array in inputs.items()},
        targets={},
        station=station,
        init_hour=np.arange(400_000, 400_000 + count),
    )


def build_bundle(
    path: Path,
    *,
    contract: Contract | None = None,
    batch: int | None = 1,
    offset: float = 0.0,
    **manifest: Any,
) -> Path:
    """Write a valid TFLite bundle.

    Args:
        path: where the archive goes.
        contract: the reference contract when not given.
        batch: None for a server's dynamic batch.
        offset: added to what every output is computed from: bundles with other offsets have other digests.
        manifest: what to set in the manifest, e.g. variant="tflite_w8a8".
    """
    agreed = contract or reference_contract()
    model, golden = _model(agreed.digest, batch, offset) if contract is None else _made(agreed, batch, offset)
    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(folder) / "model.tflite"
        artifact.write_bytes(model)
        document = ManifestFactory(
            **{"contract": contract_reference(agreed), "sizes": {"artifact": len(model)}, **manifest}
        )
        write_bundle(path, artifact=artifact, manifest=document, golden=golden, contract=agreed)
    return path


def repack(source: Path, target: Path, **members: bytes | None) -> Path:
    """Write a bundle's members again as a plain canonical archive, some replaced or left out (None).

    The archive is well formed, so that only what is above the archive can find the change.
    """
    held = dict(open_bundle(source).members)
    for name, content in members.items():
        held.pop(name, None)
        if content is not None:
            held[name] = content
    target.write_bytes(archive.encode(held))
    return target


def swap_artifact(source: Path, target: Path, model: bytes) -> Path:
    """A consistent bundle around another model: only running it finds the change."""
    bundle = open_bundle(source)
    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(folder) / "model.tflite"
        artifact.write_bytes(model)
        manifest = {key: value for key, value in bundle.manifest.items() if key != "files"}
        manifest["sizes"] = {"artifact": len(model)}
        write_bundle(
            target, artifact=artifact, manifest=manifest, golden=bundle.golden, contract=bundle.contract
        )
    return target


@cache
def _model(_digest: str, batch: int | None, offset: float) -> tuple[bytes, dict[str, Any]]:
    return _made(reference_contract(), batch, offset)


def _made(contract: Contract, batch: int | None, offset: float) -> tuple[bytes, dict[str, Any]]:
    model = build_tflite(contract, batch=batch, offset=offset)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        runtime = open_runtime(path, "tflite", contract=contract)
        return model, make_golden(runtime, weather_windows(contract), contract, tolerances=TOLERANCES)
