"""The details of a variant's card as a stage of the workspace: measured once, when a card is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from packager.dataset.splits import held_out_indexes
from packager.dataset.windows import Windows
from packager.details.ceilings import ceiling_reliability
from packager.details.groups import scores_by_group
from packager.details.importance import REPEATS, permutation_importance
from packager.errors import GateFailed
from packager.pipeline import Pipeline, artifact_name
from packager.recipes import Recipe
from packager.runtimes import Runtime, open_runtime
from packager.stages import EVALUATION_SOURCES, TRAINING_SOURCES, evenly
from packager.types import Tensors
from packager.verify.breakdown import loss_percent, pair_scores
from packager.verify.evaluate import GATE_SPLIT
from packager.workspace import Stage, source_digest

# Of `GATE_SPLIT`; the teacher is asked some forty times about each.
CASES = 400
SOURCES = ("packager/details", "packager/compress/layers.py", *EVALUATION_SOURCES, *TRAINING_SOURCES)
THIS = "this bundle"


class DetailsPipeline(Pipeline):
    """All stages of a recipe, and what its card says beyond the manifest."""

    def details(self, recipe: Recipe) -> Stage:
        """Measure what only a card asks for; its facts are plain values for `packager.report.full_card`."""
        bundle, teacher = self.bundle_stage(recipe), self.teacher()
        inputs = {
            "form": 1,
            "bundle": bundle.key,
            "variant": self.variant(recipe).key,
            "evaluation": self.evaluation(recipe).key,
            "teacher": teacher.key,
            "cases": CASES,
            "source": source_digest(*SOURCES),
        }

        def make(_folder: Path) -> Mapping[str, Any]:
            return self._measure(recipe, bundle, teacher)

        return self._stage("details", inputs, make)

    def _measure(self, recipe: Recipe, bundle: Stage, teacher: Stage) -> dict[str, Any]:
        runtime = open_runtime(
            self._artifact(recipe), recipe.export.format, contract=self.contract
        )  # in the first precision, as in the manifest's scores
        own = {split: runtime.run(windows.inputs) for split, windows in self.cases.items()}
        evaluation = self.evaluation(recipe).facts
        self._say(recipe, 0.2, "scores by station, season and lead")
        facts: dict[str, Any] = {
            "variant": recipe.name,
            "bundle": dict(bundle.facts),
            "limits_missed": self._limits_missed(recipe, bundle),
            "data": self._about_data(),
            "cost": self._cost(recipe, teacher, evaluation),
            "groups": self._groups(own),
            "against_teacher": {split: _short(depth) for split, depth in evaluation["depth"].items()},
            "reliability": self._reliability(own),
        }
        self._say(recipe, 0.5, "what each step and each layer lost")
        facts |= {"stages": self._stages(recipe, own[GATE_SPLIT]), "layers": self._layers(recipe)}
        self._say(recipe, 0.7, "which inputs matter")
        return facts | {"importance": self._importance(runtime)}

    def _say(self, recipe: Recipe, fraction: float, message: str) -> None:
        self.progress(recipe.name, fraction, f"card: {message}")

    def _artifact(self, recipe: Recipe) -> Path:
        return self.variant(recipe).folder / artifact_name(recipe)

    def _limits_missed(self, recipe: Recipe, bundle: Stage) -> str:
        try:
            self._check_gates(recipe, bundle)
        except GateFailed as error:
            return str(error)
        return ""

    def _about_data(self) -> dict[str, Any]:
        """Every station with its hours and role, what quality control dropped, and cases by season."""
        dataset, held_out = self.dataset, set(held_out_indexes(self.dataset).tolist())
        hours = np.bincount(dataset.station, minlength=len(dataset.stations))
        days = dataset.hour // 24
        first, last = (str(np.datetime64(int(day), "D")) for day in (days.min(), days.max()))
        return {
            "first_day": first,
            "last_day": last,
            "stations": [
                {
                    "id": station.id,
                    "name": station.name,
                    "source": station.source,
                    "kind": station.kind,
                    "hours": int(hours[index]),
                    "held_out": index in held_out,
                }
                for index, station in enumerate(dataset.stations)
            ],
            "dropped": {check: count for check, count in self.quality.totals().items() if count},
            "windows": dict(self.data().facts["windows"]),
            "outputs_without_targets": list(self.data().facts["outputs_without_targets"]),
        }

    def _cost(self, recipe: Recipe, teacher: Stage, evaluation: Mapping[str, Any]) -> dict[str, Any]:
        # A model from elsewhere need not say how many numbers it learned.
        return {
            "teacher_parameters": teacher.facts.get("parameters"),
            "student_parameters": _parameters(self.model(recipe).folder),
            "microseconds": evaluation["microseconds_per_inference"],
            "peak_memory_kib": evaluation["peak_memory_kib"],
        }

    def _station_ids(self) -> list[str]:
        return [station.id for station in self.dataset.stations]

    def _groups(self, own: Mapping[str, Tensors]) -> dict[str, Any]:
        baselines = self._baseline_forecasts()
        taught = self._outputs(self.teacher().folder)
        return {
            split: scores_by_group(
                {
                    THIS: own[split],
                    "teacher": taught[split],
                    **{name: forecast(windows) for name, forecast in baselines.items()},
                },
                windows,
                self._station_ids(),
                self.contract,
            )
            for split, windows in self.cases.items()
        }

    def _reliability(self, own: Mapping[str, Tensors]) -> dict[str, Any]:
        """On unseen stations, of the bundle and of its teacher: by event or variable."""
        from packager.verify.reliability import reliability

        targets = self.cases[GATE_SPLIT].targets
        sources = {THIS: own[GATE_SPLIT], "teacher": self._outputs(self.teacher().folder)[GATE_SPLIT]}
        return {
            name: reliability(outputs, targets, self.contract)
            | ceiling_reliability(outputs, targets, self.contract)
            for name, outputs in sources.items()
        }

    def _stages(self, recipe: Recipe, own: Tensors) -> list[dict[str, Any]]:
        """Loss against the teacher after distillation, after every step, and in the artifact."""
        made = []
        if recipe.source == "student":
            made.append(("distilled", self.student(recipe)))
            made += [
                (step.name, self.compressed(replace(recipe, steps=recipe.steps[:number])))
                for number, step in enumerate(recipe.steps, start=1)
            ]
        rows = [
            {
                "stage": name,
                "parameters": _parameters(stage.folder),
                "loss_percent": self._loss(self._outputs(stage.folder)[GATE_SPLIT]),
            }
            for name, stage in made
        ]
        last = {"stage": "export", "parameters": rows[-1]["parameters"] if rows else None}
        return [*rows, last | {"loss_percent": self._loss(own)}]

    def _loss(self, outputs: Tensors) -> float | None:
        windows = self.cases[GATE_SPLIT]
        taught = self._outputs(self.teacher().folder)[GATE_SPLIT]
        return loss_percent(pair_scores(outputs, taught, windows.targets, self.contract))

    def _layers(self, recipe: Recipe) -> dict[str, Any]:
        if recipe.source != "student":
            return {}
        from packager.details.layers import layer_errors
        from packager.details.weights import artifact_weights

        return layer_errors(
            self.compressed(recipe).folder,
            artifact_weights(self._artifact(recipe), recipe.export.format),
            self._few_cases(),
            self.contract,
            distilled=self.student(recipe).folder if recipe.steps else None,
        )

    def _importance(self, runtime: Runtime) -> dict[str, Any]:
        from packager.teacher.forecasting import forecasts_of

        windows = self._few_cases()
        models: dict[str, Callable[[Tensors], Tensors]] = {
            "teacher": forecasts_of(self.teacher().folder),
            THIS: runtime.run,
        }
        return {
            "cases": len(windows),
            "stations": len(np.unique(windows.station)),
            "repeats": REPEATS,
            "models": {
                name: permutation_importance(model, windows, self.contract) for name, model in models.items()
            },
        }

    def _few_cases(self) -> Windows:
        return evenly(self.cases[GATE_SPLIT], CASES)


def _parameters(folder: Path) -> int | None:
    from packager.teacher.forecasting import forecasts_of

    return forecasts_of(folder).parameters


def _short(depth: Mapping[str, Any]) -> dict[str, Any]:
    """Of an evaluation's depth the losses; scores by group stand beside the baselines' already."""
    losses = {
        kind: {name: group["loss_percent"] for name, group in depth[kind].items()}
        for kind in ("stations", "seasons", "buckets")
    }
    whole = {name: depth[name] for name in ("loss_percent", "interval", "outputs", "extremes")}
    return whole | losses
