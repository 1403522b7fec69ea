"""Run recipes and peers one after the other; what one of them does wrong is a row, never the end."""

import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from packager.archive import write_atomically
from packager.comparison.goals import KIB, Goal, judge
from packager.comparison.page import comparison_page
from packager.comparison.peers import PEERS
from packager.comparison.rows import FAILED, PASSED, REFUSED, Row, figures_of, write_csv
from packager.comparison.side import ComparisonPipeline
from packager.errors import PackagerError
from packager.recipes import Recipe
from packager.stages import Progress

# Stages that a recipe does not pay for: all of them have these.
SHARED = ("dataset", "baselines", "references", "teacher", "member")
BYTES_OF_FLOAT32 = 4


class Comparison:
    """One comparison: its rows so far, on disk after each.

    Attributes:
        rows: what was found so far.
    """

    def __init__(self, pipeline: ComparisonPipeline, out: Path) -> None:
        self.pipeline, self.out = pipeline, out
        self.rows: list[Row] = []

    def run(self, recipes: Sequence[Recipe], progress: Progress) -> list[Row]:
        """Make, run and score every recipe; stages that are there already are not made again.

        Args:
            recipes: ours, then those of peers.
            progress: told as each begins and ends.

        Returns:
            One row per recipe.

        Raises:
            PackagerError: the data or the teacher, which all of them need, cannot be had.
        """
        self.pipeline.teacher()
        self.pipeline.references()
        for number, recipe in enumerate(recipes, start=1):
            progress("compare", (number - 1) / len(recipes), f"{number}/{len(recipes)} {recipe.name}")
            self.rows.append(self._row(recipe))
            progress(recipe.name, 1.0, self.rows[-1].verdict)
            self.write()
        progress("compare", 1.0, f"{len(recipes)} compared")
        return self.rows

    def write(self) -> None:
        """Write `results.csv` and `index.html` of the rows so far."""
        self.out.mkdir(parents=True, exist_ok=True)
        write_csv(self.rows, self.out / "results.csv")
        page = comparison_page(self.rows, self.goals(), self.about())
        write_atomically(self.out / "index.html", page)

    def goals(self) -> list[Goal]:
        """What the rows so far reach."""
        return judge(self.rows, self.teacher_parameters * BYTES_OF_FLOAT32)

    def about(self) -> dict[str, str]:
        """On what the rows were made, in words."""
        pipeline = self.pipeline
        return {
            "Profile": pipeline.profile.name,
            "Dataset SHA-256": pipeline.raw_dataset.digest,
            "Teacher": f"{self.teacher_parameters:,} parameters, stage {pipeline.teacher().key[:16]}",
            **{
                f"Scored cases, {split.replace('_', ' ')}": f"{len(windows):,}"
                for split, windows in pipeline.cases.items()
            },
        }

    @property
    def teacher_parameters(self) -> int:
        """Weights of the server model, those of its fitted regression included, which are not trained."""
        teacher = self.pipeline.teacher()
        return _stored_weights(teacher.folder) or int(teacher.facts["parameters"] or 0)

    def _row(self, recipe: Recipe) -> Row:
        kind = "peer" if recipe.name in PEERS else "recipe"
        row = Row(
            recipe.name, recipe.export.format, kind, recipe.source, recipe.tier or "", summary=recipe.summary
        )
        first = len(self.pipeline.finished)
        try:
            report = self.pipeline.report(recipe)
        except PackagerError as error:
            report = {"bundled": False, "reason": str(error)}
        except Exception as error:  # noqa: BLE001 - stock tools raise whatever they like, and others wait
            write_atomically(self.out / f"{recipe.name}.log", traceback.format_exc().encode())
            reason = f"{type(error).__name__}: {error}. See {recipe.name}.log."
            report = {"bundled": False, "reason": reason}
        found = replace(row, **figures_of(report), reason=" ".join(report["reason"].split()))
        verdict = PASSED if report["bundled"] else REFUSED if found.point else FAILED
        seconds = self._seconds(first)
        # A recipe without an artifact may have no model: asking for it would train again.
        parameters = self._parameters(recipe) if found.point else None
        if recipe.export.format == "micro" and found.point:
            # A fixed arena is all that TFLite Micro has; the exporter measured the smallest that works.
            arena = self.pipeline.variant(recipe).facts["quantization"]["arena_bytes"]
            found = replace(found, peak_memory_kib=-(-arena // KIB))
        return replace(found, verdict=verdict, seconds=seconds, parameters=parameters)

    def _seconds(self, first: int) -> float:
        """What the stages since took when they were made, whether that was now or in an earlier run."""
        stages = {s.key: s for s in self.pipeline.finished[first:] if not s.name.startswith(SHARED)}
        return round(sum(stage.seconds for stage in stages.values()), 1)

    def _parameters(self, recipe: Recipe) -> int | None:
        """Weights of the model that was exported, zeros and shared values counted one by one."""
        try:
            return _stored_weights(self.pipeline.model(recipe).folder)
        except PackagerError:
            return None


def _stored_weights(folder: Path) -> int | None:
    """How many numbers a model's folder holds; None where it is kept in another way."""
    try:
        with np.load(folder / "weights.npz") as stored:
            return int(sum(stored[name].size for name in stored.files))
    except OSError:
        return None
