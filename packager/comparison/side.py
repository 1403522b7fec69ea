"""The pipeline with peers in it: a peer's artifact takes the place of a variant, and all else is the same."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from packager.comparison.peers import PEERS
from packager.comparison.stock import StockRequest, make_stock
from packager.contract import canonical_json
from packager.errors import ConversionFailed
from packager.pipeline import Pipeline, artifact_name
from packager.recipes import Recipe
from packager.stages import evenly
from packager.workspace import Stage, source_digest

# PCQAT's "small fine-tuning": so many training cases, once per phase.
LESSON_CASES = 6000
PEER_SOURCES = ("packager/comparison", "packager/export", "packager/student")


class ComparisonPipeline(Pipeline):
    """A pipeline that can also make, run and bundle what stock tools make of its models."""

    def variant(self, recipe: Recipe) -> Stage:
        """The artifact of a recipe or of a peer.

        Raises:
            ConversionFailed: a converter or a stock tool refused the model or died.
        """
        return self._peer(recipe) if recipe.name in PEERS else super().variant(recipe)

    def model(self, recipe: Recipe) -> Stage:
        """The model that a recipe exports; of a peer one member of the teacher, or the student as distilled.

        Raises:
            ConversionFailed: the teacher came from elsewhere and has no members.
        """
        if recipe.name not in PEERS or recipe.source == "student":
            return super().model(recipe)
        teacher = self.teacher()
        if not teacher.inputs.get("members"):
            raise ConversionFailed(
                "The teacher came from elsewhere and has no members that stock tools could compress. Compare "
                "with our own teacher to have these peers."
            )
        member = self.workspace.known("member-0", teacher.inputs["members"][0])
        if member is None:
            raise ConversionFailed("The first member of the teacher is no longer in the workspace.")
        return member

    def _peer(self, recipe: Recipe) -> Stage:
        peer, model = PEERS[recipe.name], self.model(recipe)
        inputs = {
            "model": model.key,
            "maker": peer.maker,
            "data": self.data().key,
            "source": source_digest(*PEER_SOURCES),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            self.progress(recipe.name, 0.1, "converting with stock tools")
            with TemporaryDirectory(prefix="skyfold-peer-") as name:
                place = Path(name)
                (place / "contract.json").write_bytes(canonical_json(self.contract.document))
                np.savez(place / "calibration.npz", **self._calibration())  # type: ignore[arg-type]
                self._write_lesson(place / "lesson.npz")
                facts = make_stock(
                    StockRequest(
                        maker=peer.maker,
                        model=model.folder,
                        contract=place / "contract.json",
                        calibration=place / "calibration.npz",
                        lesson=place / "lesson.npz",
                        output=folder / artifact_name(recipe),
                    )
                )
            return {"quantization": facts}

        return self._stage("peer", inputs, make)

    def _write_lesson(self, path: Path) -> None:
        cases = evenly(self.windows("train"), LESSON_CASES)
        targets = {f"target_{name}": values for name, values in cases.targets.items()}
        np.savez(path, **cases.inputs, **targets)  # type: ignore[arg-type]
