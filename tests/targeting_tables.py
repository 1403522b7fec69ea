"""Reads `tests/scenarios/targeting/*.yaml`, as docs/catalog.md tells a port of the choice to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mobile_models.versions import parse_version

FOLDER = Path(__file__).parent / "scenarios" / "targeting"
EXPECTED = ("action", "release", "release_counter", "variant", "arm", "rollout_counter")


@dataclass(frozen=True)
class Scenario:
    """One row of a table. `bucket` is None for a server, or gives the place for a salt."""

    name: str
    catalog: dict[str, Any]
    device: dict[str, Any]
    bucket: Any
    installed: dict[str, Any] | None
    expect: dict[str, Any]


def scenarios() -> list[Scenario]:
    defaults = yaml.safe_load((FOLDER / "defaults.yaml").read_text())
    return [
        scenario
        for path in sorted(FOLDER.glob("*.yaml"))
        if path.name != "defaults.yaml"
        for table in yaml.safe_load_all(path.read_text())
        for scenario in _rows(path.stem, table, defaults)
    ]


def buckets() -> list[dict[str, Any]]:
    return yaml.safe_load((FOLDER.parent / "buckets.yaml").read_text())


def seen(decision: Any) -> dict[str, Any]:
    """What a table says of a decision; everything but the sentence."""
    variant = decision.bundle and decision.bundle["variant"]
    return {name: variant if name == "variant" else getattr(decision, name) for name in EXPECTED}


def device_fields(given: dict[str, Any]) -> dict[str, Any]:
    """A row's device with the types of `Device`."""
    versions = {name: parse_version(given[name]) for name in ("os_version", "app_version") if name in given}
    engines = {engine: parse_version(version) for engine, version in given.get("engines", {}).items()}
    contracts = frozenset(given["contracts"]) if "contracts" in given else None
    accelerators = frozenset(given.get("accelerators", ()))
    return {**given, **versions, "engines": engines, "contracts": contracts, "accelerators": accelerators}


def _rows(file: str, table: dict[str, Any], defaults: dict[str, Any]) -> Iterator[Scenario]:
    catalog = _catalog(table["catalog"], defaults)
    for row in table["scenarios"]:
        installed = row.get("installed")
        yield Scenario(
            name=f"{file}: {table['about']} {row['name']}",
            catalog=catalog,
            device=device_fields({"platform": catalog["platform"], **row.get("device", {})}),
            bucket=_bucket(row.get("bucket", 0)),
            installed=installed and {**installed, "sha256": digest(installed["sha256"])},
            expect={name: row["expect"].get(name) for name in EXPECTED},
        )


def _bucket(given: Any) -> Any:
    if given is None:
        return None
    return given.__getitem__ if isinstance(given, dict) else lambda _: given


def _catalog(given: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    catalog = {**defaults["catalog"], **given}
    return {
        **catalog,
        "revoked": [digest(sha256) for sha256 in catalog["revoked"]],
        "releases": [_release(release, catalog["platform"], defaults) for release in catalog["releases"]],
    }


def _release(given: dict[str, Any], platform: str, defaults: dict[str, Any]) -> dict[str, Any]:
    release = {**defaults["release"], **given}
    return {
        **release,
        "bundles": [_bundle(bundle, release, platform, defaults) for bundle in release["bundles"]],
    }


def _bundle(
    given: dict[str, Any], release: dict[str, Any], platform: str, defaults: dict[str, Any]
) -> dict[str, Any]:
    bundle = {**defaults["bundle"], **given}
    sha256 = digest(bundle["sha256"])
    forms = bundle["encodings"].items()
    return {
        **bundle,
        "release": release["release"],
        "release_counter": release["release_counter"],
        "sha256": sha256,
        "contract_sha256": digest(bundle["contract_sha256"]),
        "golden_sha256": digest(bundle["golden_sha256"]),
        "encodings": {name: {**form, "sha256": digest(form["sha256"])} for name, form in forms},
        "target": f"bundles/{platform}/{sha256}.zip",
        "url": f"/v1/blobs/{sha256}",
    }


def digest(short: str) -> str:
    """Tables write the beginning of a digest; the rest is zeros."""
    return short.ljust(64, "0")
