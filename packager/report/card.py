"""A model card: one HTML page about one bundle, made of its manifest and nothing else.

It asks for nothing from the network, holds no time, and reads well on paper. Equal manifests give equal
bytes, so that its digest can be signed beside the bundle's. The headings follow Mitchell et al. (2019),
"Model Cards for Model Reporting", doi:10.1145/3287560.3287596.
"""

import json
from collections.abc import Mapping
from typing import Any

from packager.report.markup import Markup, bullets, facts, join, section, table, tag
from packager.report.page import page
from packager.report.reading import mapping, number, shown, size
from packager.report.skill import skill_section

FOR = (
    "Forecasts for one place, hour by hour up to the contract's last lead, from recent observations nearby.",
    "Ranges and probabilities that people plan a day with: how warm, how windy, whether it will rain.",
)
NOT_FOR = (
    "Warnings, aviation, shipping, and whatever else lives depend on: ask the national weather service.",
    "Places whose climate is unlike that of the stations it learned from.",
    "Extremes: quantiles end at 5 and 95 %, and what is rare in the training data is forecast badly.",
    "Leads past the last one, or a history of which most is missing.",
)
CONFIDENCE = (
    "Figures are means over held-out cases. They say how well this file forecasts where it was tested, not "
    "how well it will do at one place or on one day."
)


def model_card(manifest: Mapping[str, Any]) -> bytes:
    """Write the card of a bundle.

    Args:
        manifest: as in manifest.schema.json. What its free parts (scores, provenance, quantization) do not
            say is left out.

    Returns:
        One HTML document, UTF-8.
    """
    title = card_title(manifest)
    return page(f"Model card: {title}", *card_parts(manifest).values(), heading=title)


def card_title(manifest: Mapping[str, Any]) -> str:
    """The model's name and the variant's."""
    return f"{manifest.get('name', 'model')} · {manifest.get('variant', 'variant')}"


def card_parts(manifest: Mapping[str, Any]) -> dict[str, Markup]:
    """What a manifest says, in sections by what they are about, in the order in which they are read."""
    scores = mapping(manifest.get("scores"))
    return {
        "summary": _summary(manifest),
        "for": section("What it is for", bullets(FOR)),
        "not_for": section("What it is not for", bullets(NOT_FOR)),
        "data": _data(mapping(manifest.get("provenance"))),
        "skill": Markup(skill_section(scores) + tag("p", CONFIDENCE)),
        "loss": _loss(scores),
        "sizes": _sizes(manifest),
        "devices": _devices(mapping(manifest.get("targeting")), mapping(manifest.get("engine_min"))),
        "origin": _origin(manifest),
        "licence": section("Licence", tag("p", manifest.get("licence", "not said"))),
    }


def _summary(manifest: Mapping[str, Any]) -> Markup:
    contract = mapping(manifest.get("contract"))
    number_format = mapping(manifest.get("quantization")).get("scheme")
    return facts(
        [
            ("Format", manifest.get("format")),
            ("Number format", number_format),
            ("Contract", f"{contract.get('name', '?')}, version {contract.get('version', '?')}"),
            ("Contract SHA-256", _code(contract.get("sha256"))),
        ]
    )


def _data(provenance: Mapping[str, Any]) -> Markup:
    dataset = mapping(provenance.get("dataset"))
    sources = dataset.get("sources")
    windows = mapping(dataset.get("windows"))
    labels = mapping(dataset.get("precipitation_labels"))
    return section(
        "Data",
        facts(
            [
                ("Dataset SHA-256", _code(dataset.get("sha256"))),
                ("Sources", ", ".join(map(str, sources)) if isinstance(sources, list) else sources),
                ("Stations", _count(dataset.get("stations"))),
                ("Hours", _count(dataset.get("hours"))),
            ]
        ),
        table("Cases by split", ("Split", "Cases"), _counts(windows)),
        table("Labels of precipitation type, by origin", ("Origin", "Hours"), _counts(labels)),
    )


def _loss(scores: Mapping[str, Any]) -> Markup:
    loss = number(scores.get("skill_loss_percent"))
    by_precision = mapping(scores.get("skill_loss_by_precision"))
    difference = mapping(scores.get("max_abs_difference"))
    said = None if loss is None else f"{loss:.2f} % against the model that it learned from"
    return section(
        "What compression lost",
        facts([("Skill loss", said)]),
        table(
            "Skill loss by the precision that the artifact was run in",
            ("Precision", "%"),
            [(name, shown(by_precision[name])) for name in sorted(by_precision)],
        ),
        table(
            "Largest difference from the model that was exported, over all held-out cases and leads",
            ("Output", "Difference, in its units"),
            [(name.replace("_", " "), shown(difference[name])) for name in sorted(difference)],
        ),
    )


def _sizes(manifest: Mapping[str, Any]) -> Markup:
    files = mapping(manifest.get("files"))
    rows = [(name, size(mapping(files[name]).get("size")) or "–") for name in sorted(files)]
    artifact = size(mapping(manifest.get("sizes")).get("artifact"))
    speed = number(mapping(manifest.get("scores")).get("microseconds_per_inference"))
    # Times differ between machines, so that bundles hold none; a manifest made elsewhere may.
    measured = None if speed is None else f"{speed:.0f} µs on the machine that built it"
    return section(
        "Size and speed",
        facts([("Artifact", artifact), ("One inference", measured)]),
        table("Members of the archive", ("Member", "Size"), rows),
    )


def _devices(targeting: Mapping[str, Any], engines: Mapping[str, Any]) -> Markup:
    versions = mapping(targeting.get("app_range"))
    memory = number(targeting.get("ram_min_mb"))
    app = " to ".join(str(versions[end]) if end in versions else "any" for end in ("min", "max"))
    return section(
        "Devices",
        facts(
            [
                *((f"At least {name}", engines[name]) for name in sorted(engines)),
                ("App versions", app if versions else None),
                ("Memory", None if memory is None else f"at least {memory:,} MB"),
                *(
                    (name, ", ".join(map(str, targeting[key])))
                    for name, key in (
                        ("Accelerators", "accelerators"),
                        ("Countries", "regions"),
                        ("Performance", "perf_class"),
                    )
                    if isinstance(targeting.get(key), list)
                ),
            ]
        ),
    )


def _origin(manifest: Mapping[str, Any]) -> Markup:
    recipe, provenance = mapping(manifest.get("recipe")), mapping(manifest.get("provenance"))
    code, tools = mapping(provenance.get("code")), mapping(provenance.get("toolchain"))
    base = mapping(provenance.get("base"))
    steps = recipe.get("steps")
    return section(
        "Provenance",
        facts(
            [
                ("Recipe", recipe.get("name")),
                ("Recipe SHA-256", _code(recipe.get("digest"))),
                ("Steps", _code(json.dumps(steps, sort_keys=True)) if steps else None),
                ("Code version", code.get("version")),
                ("Code SHA-256", _code(code.get("digest"))),
                ("Learned from", _code(provenance.get("teacher"))),
                ("Retrained from", _code(base.get("sha256"))),
                ("Retraining", base.get("mode")),
                ("Tools", join((f"{name} {tools[name]}" for name in sorted(tools)), ", ")),
            ]
        ),
    )


def _counts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), _count(values[name]) or "–") for name in sorted(values)]


def _count(value: object) -> str | None:
    figure = number(value)
    return None if figure is None else f"{figure:,}"


def _code(value: object) -> Markup | None:
    return tag("code", value) if value else None
