"""Prove that a bundle is what it says by running it: archive, contract, golden vectors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packager.bundle import Bundle, open_bundle, wire_size
from packager.errors import ArtifactRefused
from packager.runtimes import open_runtime
from packager.verify.golden import replay_golden

# Core ML may compute in float32 or round every operation to float16: a phone lies between the two.
PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "tflite": ("float32",),
    "coreml": ("float32", "float16"),
    "onnx": ("float32",),
    "micro": ("float32",),
}


@dataclass(frozen=True)
class VerifyReport:
    """What was proved about a bundle.

    `max_abs_difference` is per precision that the artifact was run in, per output, in the output's units.
    """

    sha256: str
    size: int
    wire_size: int
    name: str
    variant: str
    format: str
    contract: Mapping[str, Any]
    members: int
    golden_cases: int
    max_abs_difference: Mapping[str, Mapping[str, float]]

    def as_json(self) -> dict[str, Any]:
        """The report as a JSON document."""
        return asdict(self)


def verify_bundle(path: Path) -> VerifyReport:
    """Read an archive, check every digest, run its artifact and compare with its golden vectors.

    Raises:
        BundleInvalid: not a bundle, damaged, or not what its manifest says.
        ArtifactRefused: the artifact cannot be run, does not fit the contract, or misses a golden vector.
    """
    bundle = open_bundle(path)
    with TemporaryDirectory(prefix="skyfold-verify-") as folder:
        artifact = bundle.extract(Path(folder))
        differences = {
            precision: _replay(bundle, artifact, precision) for precision in PRECISIONS[bundle.format]
        }
    return VerifyReport(
        sha256=bundle.sha256,
        size=bundle.size,
        wire_size=wire_size(path),
        name=bundle.manifest["name"],
        variant=bundle.manifest["variant"],
        format=bundle.format,
        contract=bundle.manifest["contract"],
        members=len(bundle.members),
        golden_cases=bundle.golden["cases"],
        max_abs_difference=differences,
    )


def _replay(bundle: Bundle, artifact: Path, precision: str) -> Mapping[str, float]:
    try:
        runtime = open_runtime(artifact, bundle.format, precision=precision, contract=bundle.contract)
        return replay_golden(runtime, bundle.golden, bundle.contract).max_abs_difference
    except ArtifactRefused as error:
        raise ArtifactRefused(f"{bundle.path.name}, run in {precision}: {error}") from error
