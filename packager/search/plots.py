"""The search as one HTML page: the front, what matters, every trial. It asks for nothing from the network."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from packager.report.markup import Markup, bar, bullets, facts, join, section, table, tag
from packager.report.page import page as html
from packager.report.reading import shown
from packager.search.front import figures_of, finished, front, inside
from packager.search.limits import KIB, Limits
from packager.search.ownership import RETRY_OF, SEED
from packager.search.scatter import Axis, Point, scatter
from packager.search.winner import Winner

PAGE_STYLE = (Path(__file__).parent / "page.css").read_text()
TITLES = {
    "wire_bytes": "KiB on the wire",
    "skill_loss_percent": "skill loss, %",
    "microseconds": "µs per forecast",
    "multiplications": "multiplications per forecast",
}
# With fewer trials than this a forest of trees has nothing to learn from.
LEAST_TRIALS = 8
NOTE = (
    "Skill loss of a trial is measured against the teacher on days that no training saw, after short "
    "training: their limit is wider by what that costs a plain student. A winner is trained in full, and its "
    "figures, which keep the limits that were asked for, are of stations that no training saw."
)


@dataclass(frozen=True, slots=True)
class Page:
    """What the page is about: objectives in the trials' order, trials' limits, and the winners by format."""

    title: str
    objectives: tuple[str, ...]
    limits: Limits
    winners: Mapping[str, Winner]


def search_page(study: Study, page: Page) -> bytes:
    """Write the page of a study.

    Returns:
        One HTML document, UTF-8.
    """
    trials = study.get_trials(deepcopy=False)
    return html(
        page.title,
        tag("p", NOTE),
        facts(_counts(trials, page.limits)),
        section("Winners", bullets(_winner_lines(page.winners)) if page.winners else Markup()),
        section("Front", *_plots(trials, page), front_table(trials, page.objectives)),
        section("What matters", *_importances(study, page.objectives)),
        section("Trials", _trials_table(trials, page.objectives)),
        style=PAGE_STYLE,
    )


def _counts(trials: Sequence[FrozenTrial], limits: Limits) -> list[tuple[str, object]]:
    states = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    return [
        (
            "Limits of a trial",
            f"{limits.max_bytes / KIB:.4g} KiB and {limits.max_skill_loss_percent:g} % skill loss",
        ),
        (
            "Built to the end",
            f"{states[TrialState.COMPLETE]}, {len(inside(trials, limits))} inside the limits",
        ),
        ("Given up early", str(states[TrialState.PRUNED])),
        ("Failed", str(states[TrialState.FAIL])),
    ]


def _winner_lines(winners: Mapping[str, Winner]) -> list[str]:
    return [
        f"{winner.document['name']} ({target}, trial {winner.trial}): "
        f"{winner.report['bytes_on_wire'] / KIB:.1f} KiB on the wire, "
        f"{winner.report['skill_loss_percent']:.2f} % skill loss"
        for target, winner in winners.items()
    ]


def _plots(trials: Sequence[FrozenTrial], page: Page) -> list[Markup]:
    rows = finished(trials)
    if not rows:
        return [tag("p", "No trial was built to its end yet.")]
    best = {row.number for row in front(trials)}
    held = {row.number for row in inside(trials, page.limits)}
    # Points of the front last: they lie on top.
    rows = sorted(rows, key=lambda row: (row.number in best, row.number))

    def plot(first: int, limit: float | None) -> Markup:
        across = [_scaled(page.objectives[first], row.values[first]) for row in rows]
        up = [row.values[1] for row in rows]
        points = [
            Point(x, y, _words(row, page.objectives), _kind(row, best, held))
            for x, y, row in zip(across, up, rows, strict=True)
        ]
        title = f"{TITLES['skill_loss_percent']} by {TITLES[page.objectives[first]]}"
        own = Axis.around(TITLES[page.objectives[first]], across, limit)
        loss = Axis.around(TITLES["skill_loss_percent"], up, page.limits.max_skill_loss_percent)
        return tag("figure", scatter(title, own, loss, points), tag("figcaption", title))

    legend = "Filled: on the front. Blue: inside the limits, which are the dashed lines."
    return [plot(0, page.limits.max_bytes / KIB), plot(2, None), tag("p", legend)]


def _kind(row: FrozenTrial, best: set[int], held: set[int]) -> str:
    return f"{'front' if row.number in best else 'other'} {'held' if row.number in held else 'out'}"


def _words(row: FrozenTrial, objectives: Sequence[str]) -> str:
    said = ", ".join(
        f"{_scaled(name, value):.4g} {TITLES[name]}"
        for name, value in zip(objectives, row.values, strict=True)
    )
    return f"Trial {row.number}: {said}. {describe(row)}"


def _scaled(objective: str, value: float) -> float:
    return value / KIB if objective == "wire_bytes" else value


def describe(trial: FrozenTrial) -> str:
    """How a trial's recipe is made, in one line."""
    document = trial.user_attrs.get("recipe")
    if not document:
        return "–"
    sizes, export = document["student"], document["export"]
    steps = [_step_words(name, options) for step in document["steps"] for name, options in step.items()]
    hidden = "+".join(str(width) for width in sizes["hidden"])
    model = f"{sizes['channels']}/{sizes['context']}/{sizes['per_lead']}/{sizes['linear']}/{hidden}"
    return " → ".join([model, *steps, " ".join(str(value) for value in export.values())])


def _step_words(name: str, options: Mapping[str, object]) -> str:
    told = [
        options[key]
        for key in ("remove", "energy", "sparsity", "clusters", "max_loss_percent")
        if key in options
    ]
    return " ".join(
        [name.replace("_", " "), *(f"{value:g}" for value in told if isinstance(value, int | float))]
    )


def front_table(trials: Sequence[FrozenTrial], objectives: Sequence[str]) -> Markup:
    """The trials of the front with their figures."""
    rows = [
        (
            f"trial {row.number}",
            *(_cell(name, value) for name, value in zip(objectives, row.values, strict=True)),
            shown(figures_of(row).get("parameters")),
            describe(row),
        )
        for row in front(trials)
    ]
    heads = [
        "",
        *(TITLES[name] for name in objectives),
        "parameters",
        "channels/context/per lead/linear/hidden → steps",
    ]
    return table("Trials that no other one beats in every figure", heads, rows)


def _cell(objective: str, value: float) -> str:
    return f"{int(value):,}" if objective == "multiplications" else f"{_scaled(objective, value):.2f}"


def _trials_table(trials: Sequence[FrozenTrial], objectives: Sequence[str]) -> Markup:
    rows = []
    for row in trials:
        cells = (
            [_cell(name, v) for name, v in zip(objectives, row.values, strict=True)]
            if row.values
            else ["–"] * 3
        )
        rows.append(
            (f"{row.number}", row.state.name.lower(), *cells, _origin(row), describe(row), _reason(row))
        )
    heads = ["trial", "state", *(TITLES[name] for name in objectives), "from", "recipe", "why it ended"]
    return tag("div", table("All trials, in the order in which they began", heads, rows), _class="wide")


def _origin(row: FrozenTrial) -> str:
    if RETRY_OF in row.user_attrs:
        return f"again trial {row.user_attrs[RETRY_OF]}"
    return str(row.user_attrs.get(SEED, "sampler"))


def _reason(row: FrozenTrial) -> str:
    return str(row.user_attrs.get("reason", "")) if row.state != TrialState.COMPLETE else ""


def _importances(study: Study, objectives: Sequence[str]) -> list[Markup]:
    count = len(finished(study.get_trials(deepcopy=False)))
    if count < LEAST_TRIALS:
        return [
            tag("p", f"{count} finished trials are too few to say; from {LEAST_TRIALS} on it stands here.")
        ]
    told = tag(
        "p",
        "Share of an objective's variance that a parameter explains, by functional ANOVA over a random "
        "forest (Hutter et al. 2014), of the parameters that every trial has.",
    )
    return [told, *(_importance_table(study, index, name) for index, name in enumerate(objectives))]


def _importance_table(study: Study, index: int, objective: str) -> Markup:
    rows = [
        (name, join([bar(share, f"{share:.0%}"), f" {share:.0%}"]))
        for name, share in importances(study, index).items()
    ]
    return table(TITLES[objective], ("parameter", "share"), rows)


def importances(study: Study, index: int, seed: int = 1) -> dict[str, float]:
    """By parameter, the share of an objective's variance that it explains, the largest first.

    Args:
        study: with at least `LEAST_TRIALS` finished trials.
        index: of the objective.
        seed: of the forest.
    """
    with warnings.catch_warnings():
        # Says that it may change; and that an objective which never changes has no variance.
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.simplefilter("ignore", UserWarning)
        return get_param_importances(
            study,
            evaluator=FanovaImportanceEvaluator(seed=seed),
            target=lambda trial: float(trial.values[index]),
        )
