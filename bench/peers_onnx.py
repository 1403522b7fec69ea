"""`python -m bench.peers_onnx`: Neural Compressor and NNCF on our student, through ONNX, beside our own ONNX.

The student, the cases and the teacher are those of `python -m bench.compare`; they are trained first where it
has not run. The tools run in `.venv-bench` (`make bench-peers`) with their defaults; what they make is run on
ONNX Runtime here, on the same cases, and put into the same archive as our own artifact.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import zstandard

from bench.compare import FOLDER, PROFILE
from bench.peer_onnx import TOOLS
from bench.servers import PEER_PYTHON, ROOT
from packager import archive
from packager.bundle import WIRE_LEVEL, open_bundle
from packager.console import progress_bars
from packager.errors import ArtifactRefused, PackagerError
from packager.quiet import load_tensorflow
from packager.recipes import get_recipe
from packager.stages import evenly

if TYPE_CHECKING:
    from packager.pipeline import Pipeline

OURS = ("onnx_fp32", "onnx_w8a8")
TIMEOUT_SECONDS = 600
ROW = "{:<20} {:>10} {:>8}  {}"


def main() -> int:
    load_tensorflow()
    from packager.pipeline import Pipeline, artifact_name

    recipes = {name: get_recipe(name) for name in OURS}
    try:
        with progress_bars() as progress:
            pipeline = Pipeline(FOLDER / "work", PROFILE, progress=progress)
            reports = {name: pipeline.report(recipe) for name, recipe in recipes.items()}
            source = pipeline.variant(recipes["onnx_fp32"]).folder / artifact_name(recipes["onnx_fp32"])
            bundle = pipeline.bundle_stage(recipes["onnx_fp32"]).folder / "onnx_fp32.bundle"
    except PackagerError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(ROW.format("", "wire bytes", "loss %", ""))
    for name, report in reports.items():
        print(ROW.format(name, report["bytes_on_wire"], f"{report['skill_loss_percent']:.2f}", ""))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "calibration.npz", **evenly(pipeline.windows("train"), 128).inputs)
        for tool in TOOLS:
            print(peer_line(tool, source, folder, bundle, pipeline))
    return 0


def peer_line(tool: str, source: Path, folder: Path, bundle: Path, pipeline: "Pipeline") -> str:
    """What a tool makes of the student, or plainly why it makes nothing."""
    target = folder / f"{tool}.onnx"
    if not PEER_PYTHON.exists():
        return ROW.format(tool, "–", "–", "not installed; `make bench-peers` does it")
    command = [PEER_PYTHON, "-m", "bench.peer_onnx", tool, source, folder / "calibration.npz", target]
    try:
        done = subprocess.run(
            list(map(str, command)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ROW.format(tool, "–", "–", f"took more than {TIMEOUT_SECONDS} s")
    if done.returncode or not target.exists():
        said = (done.stderr.strip() or "it wrote no model").splitlines()[-1]
        return ROW.format(tool, "–", "–", f"failed: {said[:200]}")
    try:
        loss = skill_loss(target, pipeline)
    except ArtifactRefused as error:
        return ROW.format(tool, wire_bytes(bundle, target), "–", str(error)[:200])
    return ROW.format(tool, wire_bytes(bundle, target), f"{loss:.2f}", "defaults, static int8")


def skill_loss(artifact: Path, pipeline: "Pipeline") -> float:
    """The loss that gates read, on the same cases as ours."""
    from packager.verify.evaluate import score_artifact
    from packager.verify.skill import Scores, skill_loss_percent

    scores = score_artifact(artifact, format="onnx", cases=pipeline.cases, contract=pipeline.contract)
    taught = pipeline.references().facts["scores"]["teacher"]["unseen_station"]
    cases = len(pipeline.cases["unseen_station"])
    reference = Scores("unseen_station", cases, taught)
    return skill_loss_percent(scores["unseen_station"], reference, pipeline.contract)


def wire_bytes(bundle: Path, artifact: Path) -> int:
    """Bytes of our own bundle with the artifact in the place of ours."""
    own = open_bundle(bundle)
    members = dict(own.members) | {str(own.manifest["artifact"]): artifact.read_bytes()}
    return len(zstandard.ZstdCompressor(level=WIRE_LEVEL).compress(archive.encode(members)))


if __name__ == "__main__":
    sys.exit(main())
