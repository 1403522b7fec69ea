"""The parts of a full card about what compression lost: by step, layer, group of cases, and input."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packager.report.markup import Markup, bar, join, section, table, tag
from packager.report.reading import mapping, number, shown
from packager.report.skill import SPLITS

THIS = "this bundle"
STAGES = {"distilled": "distilled from the teacher", "export": "in the artifact"}
STAGE_NOTE = (
    "Mean over outputs of error ÷ the teacher's error − 1, at stations that no training saw. A loss below 0 "
    "is a forecast better than the teacher's."
)
LAYER_NOTE = (
    "Errors are norms of the difference ÷ norms of what it should be. “Moved” is how far the recipe's steps, "
    "fine-tuning included, took a layer's weights; a dash where they changed its shape. The other columns "
    "are of the export: the layer's weights as the artifact holds them, put into the network alone; "
    "their error, that of the layer's outputs, and how much worse the forecasts get. A dash in them "
    "is a layer that the converter merged with others."
)
INPUT_NOTE = (
    "By how much errors rise, as a mean over outputs, when one part of the inputs belongs to another case: "
    "what a model uses. A part that says what another one says too looks less important than it is. Bars of "
    "both models have one scale."
)
# Half of the last digit of a percentage.
ROUNDED_AWAY = 0.005
# A bar is never drawn as if this much, in percent, were a lot.
LITTLE = 0.1
KINDS = {"outputs": "Output", "extremes": "Extremes", "buckets": "Leads, h", "seasons": "Season"}


def stages_section(stages: Sequence[Mapping[str, Any]]) -> Markup:
    """Loss against the teacher after every step of the recipe."""
    known = [abs(loss) for row in stages if (loss := number(row.get("loss_percent"))) is not None]
    largest = max([*known, LITTLE])
    rows = [
        (
            STAGES.get(str(row.get("stage")), f"after {str(row.get('stage')).replace('_', ' ')}"),
            shown(row.get("parameters")),
            barred(number(row.get("loss_percent")), largest),
        )
        for row in stages
    ]
    if not rows:
        return Markup()
    heads = ("The model", "Numbers that it learned", "Loss, %")
    return section("What each step lost", tag("p", STAGE_NOTE), table("Against the teacher", heads, rows))


def places_section(losses: Mapping[str, Any], stations: Mapping[str, str]) -> Markup:
    """Loss against the teacher by output, extreme, lead, season and station, one column for each split."""
    splits = [split for split in SPLITS if split in losses] + sorted(set(losses) - set(SPLITS))
    heads = ["", *(SPLITS.get(split, split) for split in splits)]
    tables = [table("Loss, %", heads, [_overall(losses, splits)])] if splits else []
    for kind, title in (KINDS | {"stations": "Station"}).items():
        columns = [mapping(mapping(losses[split]).get(kind)) for split in splits]
        names = list(dict.fromkeys(name for column in columns for name in column))
        rows = [
            [stations.get(name, name.replace("_", " ")), *(percent(column.get(name)) for column in columns)]
            for name in names
        ]
        tables.append(table(f"Loss by {title.partition(',')[0].lower()}, %", [title, *heads[1:]], rows))
    return section("Where it was lost", *tables)


def _overall(losses: Mapping[str, Any], splits: Sequence[str]) -> list[object]:
    return ["all, with 5 to 95 % of a block bootstrap", *(_interval(mapping(losses[s])) for s in splits)]


def _interval(loss: Mapping[str, Any]) -> str:
    interval = mapping(loss.get("interval"))
    between = f" ({percent(interval.get('low'))} to {percent(interval.get('high'))})" if interval else ""
    return f"{percent(loss.get('loss_percent'))}{between}"


def layers_section(found: Mapping[str, Any]) -> Markup:
    """Errors of every layer, and what each costs alone."""
    layers = [mapping(row) for row in found.get("layers", ())]
    if not layers:
        return Markup()
    known = [abs(loss) for row in layers if (loss := number(row.get("loss_percent"))) is not None]
    rows = [_layer(row, max([*known, LITTLE])) for row in layers]
    heads = (
        "Layer", "Weights", "Zeros", "Values that differ", "Moved", "Error of weights", "Error of outputs",
        "Loss alone, %",
    )  # fmt: skip
    caption = f"On {shown(found.get('cases'))} cases at stations that no training saw"
    together = f"All weights of the artifact together: {percent(found.get('all_weights_percent'))} %."
    return section(
        "What each layer lost",
        tag("p", LAYER_NOTE),
        tag("div", table(caption, heads, rows), _class="scroll"),
        tag("p", f"{together} What the artifact lost beyond that, it lost by rounding what layers compute."),
    )


def _layer(row: Mapping[str, Any], largest: float) -> list[object]:
    return [
        row.get("layer", "?"),
        shown(row.get("weights")),
        _share(row.get("zeros"), 0),
        shown(row.get("values")),
        *(_share(row.get(name), 2) for name in ("moved", "weight_error", "output_error")),
        barred(number(row.get("loss_percent")), largest),
    ]


def importance_section(found: Mapping[str, Any]) -> Markup:
    """Every part of the inputs, teacher and bundle side by side, the most important for the bundle first."""
    models = mapping(found.get("models"))
    own, teacher = mapping(models.get(THIS)), mapping(models.get("teacher"))
    if not own:
        return Markup()
    rises = {name: _rise(values) for name, values in own.items()}
    every = [abs(_rise(values)) for model in (own, teacher) for values in model.values()]
    rows = [
        [
            name.replace("_", " "),
            *(_importance(mapping(model.get(name)), max(every)) for model in (teacher, own)),
            _hurt_most(mapping(own[name])),
        ]
        for name in sorted(own, key=lambda name: -rises[name])
    ]
    caption = (
        f"{shown(found.get('cases'))} cases at stations that no training saw, of which there are "
        f"{shown(found.get('stations'))}; {shown(found.get('repeats'))} orders, ± half the difference "
        "between them"
    )
    heads = ("Input", "Teacher, % worse", "This bundle, % worse", "Its forecast that suffers most")
    return section("What it forecasts from", tag("p", INPUT_NOTE), table(caption, heads, rows))


def _rise(values: object) -> float:
    return number(mapping(values).get("percent")) or 0.0


def _importance(values: Mapping[str, Any], largest: float) -> object:
    rise, spread = number(values.get("percent")), number(values.get("spread"))
    if rise is None:
        return "–"
    share = abs(rise) / largest if largest else 0.0
    drawn = bar(share, f"{rise:+.2f} %")
    return join([drawn, f" {percent(rise)}", "" if spread is None else f" ± {spread / 2:.2f}"])


def _hurt_most(values: Mapping[str, Any]) -> str:
    outputs = {
        name: rise for name, given in mapping(values.get("outputs")).items() if (rise := number(given))
    }
    if not outputs:
        return "–"
    name = max(outputs, key=lambda output: outputs[output])
    return f"{name.replace('_', ' ')} {percent(outputs[name])}"


def barred(value: float | None, largest: float) -> object:
    """A percentage with a bar of its size beside the largest; a dash for none."""
    if value is None:
        return "–"
    words = percent(value)
    return join([bar(abs(value) / largest if largest else 0.0, f"{words} %"), f" {words}"])


def percent(value: object) -> str:
    """A signed percentage with two decimals; a dash for none."""
    figure = number(value)
    if figure is None:
        return "–"
    # No sign before what rounds to nothing.
    return f"{figure:+.2f}".replace("-", "\u2212") if abs(figure) >= ROUNDED_AWAY else "0.00"


def _share(value: object, digits: int) -> str:
    figure = number(value)
    return "–" if figure is None else f"{figure:.{digits}%}"


def worst(losses: Mapping[str, Any]) -> Iterator[str]:
    """In words, the station and the leads that lost most, and the interval, where a manifest says them."""
    interval = losses.get("interval")
    if isinstance(interval, list) and len(interval) == 2:
        yield f"Skill loss between {percent(interval[0])} and {percent(interval[1])} % (5 to 95 %)"
    for kind in ("station", "bucket"):
        given = losses.get(kind)
        if isinstance(given, list) and len(given) == 2:
            yield f"Largest at {kind} {given[0]}: {percent(given[1])} %"
