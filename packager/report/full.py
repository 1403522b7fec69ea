"""The full card: the manifest's, with what was measured for the card alone.

A manifest travels to every phone and stays small; a card may be long. What is added here was measured on the
machine that built the bundle (`packager.details`) and is about the very archive whose digest it names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.report.card import card_parts, card_title
from packager.report.groups import groups_section
from packager.report.losses import importance_section, layers_section, places_section, stages_section, worst
from packager.report.markup import Markup, bullets, facts, section, table, tag
from packager.report.page import page
from packager.report.reading import mapping, number, shown, size
from packager.report.reliability import reliability_section

FULL_STYLE = (Path(__file__).parent / "full.css").read_text()
MISSING = (
    "This card is of the bundle alone. It lacks skill by season and station, reliability diagrams, and what "
    "each step, layer and input lost. Run this where the bundle was built, with its --work, --profile and "
    "--dataset: "
)


def full_card(manifest: Mapping[str, Any], details: Mapping[str, Any] | None = None) -> bytes:
    """Write a card with everything that is known.

    Args:
        manifest: as in manifest.schema.json.
        details: as `packager.details` measures them; without them the card says how to get them.

    Returns:
        One HTML document, UTF-8; equal arguments give equal bytes.
    """
    title = card_title(manifest)
    parts = full_parts(manifest, details).values()
    return page(f"Model card: {title}", *parts, heading=title, style=FULL_STYLE)


def full_parts(manifest: Mapping[str, Any], details: Mapping[str, Any] | None) -> dict[str, Markup]:
    """The sections of a full card by what they are about, in the order in which they are read."""
    parts = card_parts(manifest)
    if not details:
        missing = tag(
            "p", MISSING, tag("code", f"python -m packager card {manifest.get('variant', 'RECIPE')}")
        )
        return {"missing": missing} | parts | {"loss": Markup(parts["loss"] + _manifest_loss(manifest))}
    data = mapping(details.get("data"))
    stations = station_names(data)
    added = {
        "summary": _refusal(details),
        "not_for": _silent(data),
        "data": _stations(data),
        "skill": groups_section(mapping(details.get("groups")), stations)
        + reliability_section(mapping(details.get("reliability"))),
        "loss": stages_section(details.get("stages", ()))
        + places_section(mapping(details.get("against_teacher")), stations)
        + layers_section(mapping(details.get("layers")))
        + importance_section(mapping(details.get("importance"))),
        "sizes": _cost(mapping(details.get("cost")), mapping(details.get("bundle"))),
    }
    return {name: Markup(part + added.get(name, "")) for name, part in parts.items()}


def station_names(data: Mapping[str, Any]) -> dict[str, str]:
    """Names of the stations by id."""
    return {station["id"]: station["name"] for station in data.get("stations", ())}


def _refusal(details: Mapping[str, Any]) -> Markup:
    """That the variant misses its limits: such a bundle is measured, and not released."""
    missed = details.get("limits_missed")
    return tag("p", f"Not fit for release. {missed}", _class="refused") if missed else Markup()


def _silent(data: Mapping[str, Any]) -> Markup:
    untaught = data.get("outputs_without_targets") or ()
    said = [
        f"{name.replace('_', ' ')}: no training case had a target, and it says nothing" for name in untaught
    ]
    return bullets(said) if said else Markup()


def _stations(data: Mapping[str, Any]) -> Markup:
    dropped = mapping(data.get("dropped"))
    rows = [
        (
            station["name"],
            station["id"],
            station["source"],
            "typical months" if station["kind"] == "tmy" else station["kind"],
            shown(station["hours"]),
            "held out: it trained nothing" if station["held_out"] else "trained on, but for held-out days",
        )
        for station in data.get("stations", ())
    ]
    said = [("First day", data.get("first_day")), ("Last day", data.get("last_day"))]
    checks = [(name.replace("_", " "), shown(dropped[name])) for name in sorted(dropped)]
    return section(
        "Stations",
        facts(said),
        table("Hours after quality control", ("Station", "Id", "Source", "Kind", "Hours", "Role"), rows),
        table("Values that quality control dropped", ("Check", "Values"), checks),
    )


def _cost(cost: Mapping[str, Any], bundle: Mapping[str, Any]) -> Markup:
    teacher, student = (number(cost.get(f"{name}_parameters")) for name in ("teacher", "student"))
    ratio = f", {teacher / student:.0f} times as many" if teacher and student else ""
    speed, memory = number(cost.get("microseconds")), number(cost.get("peak_memory_kib"))
    return section(
        "Cost",
        facts(
            [
                ("Archive", size(bundle.get("bytes"))),
                ("On the wire", size(bundle.get("bytes_on_wire"))),
                ("Archive SHA-256", tag("code", bundle["sha256"]) if "sha256" in bundle else None),
                ("Numbers learned", shown(student) if student else None),
                ("By the teacher", f"{shown(teacher)}{ratio}" if teacher else None),
                (
                    "One forecast",
                    None if speed is None else f"{speed:.1f} µs on one core of the machine that built it",
                ),
                ("Memory", None if memory is None else f"{memory:,} KiB more at its peak, there"),
            ]
        ),
    )


def _manifest_loss(manifest: Mapping[str, Any]) -> Markup:
    """The few figures about where skill was lost that a manifest does hold."""
    losses = mapping(mapping(manifest.get("scores")).get("loss"))
    said = list(worst(losses))
    extremes = mapping(losses.get("extremes"))
    rows = [(name.replace("_", " "), shown(extremes[name])) for name in sorted(extremes)]
    return section(
        "Where it was lost",
        bullets(said) if said else None,
        table("Loss in extremes, %", ("Extreme", "%"), rows),
    )
