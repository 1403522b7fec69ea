"""The sensitivity of a recipe's student as a stage of the workspace: measured once for the same student."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.errors import RecipeInvalid
from packager.pipeline import Pipeline
from packager.recipes import Recipe
from packager.stages import TRAINING_SOURCES
from packager.workspace import Stage, source_digest

SOURCES = (
    *TRAINING_SOURCES, "packager/compress/sensitivity.py", "packager/compress/layers.py",
    "packager/export/palette.py",
)  # fmt: skip


class SensitivityPipeline(Pipeline):
    """All stages of a recipe, and the analysis of its student."""

    def sensitivity(self, recipe: Recipe, *, after_steps: bool = False) -> Stage:
        """Analyse the distilled student of a recipe; its facts are `Sensitivity.to_dict()`.

        Args:
            recipe: whose student.
            after_steps: the student after the recipe's steps, not before them.

        Raises:
            RecipeInvalid: the recipe exports no student.
        """
        from packager.compress.sensitivity import analyse

        if recipe.source != "student":
            raise RecipeInvalid(
                f"Recipe {recipe.name} has source {recipe.source}; sensitivity is that of a student. "
                "Choose a recipe whose source is student."
            )
        student = self.compressed(recipe) if after_steps else self.student(recipe)
        inputs = {"student": student.key, "data": self.data().key, "source": source_digest(*SOURCES)}

        def make(_folder: Path) -> Mapping[str, Any]:
            self.progress("sensitivity", 0.0, "one layer and one level after the other")
            return analyse(student.folder, self._material(recipe)).to_dict()

        stage = self._stage("sensitivity", inputs, make)
        self.progress("sensitivity", 1.0, "measured")
        return stage
