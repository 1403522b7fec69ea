"""What a catalog must look like to be read: a small strict reading, as an app would have it.

The published JSON Schema says more; this checks what the phone goes on to use, before it uses it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from phone.errors import CatalogRefused
from phone.versions import VERSION as VERSION_TEXT

VERSION = 1
MAX_RELEASES, MAX_BUNDLES, MAX_DELTAS, MAX_REVOKED = 100, 64, 20, 10_000
DIGEST = re.compile(r"[0-9a-f]{64}")

Check = Callable[[Any], bool]


def check_shape(document: Any) -> None:
    """Check every field that this phone uses; more fields than these are a newer server's.

    Raises:
        CatalogRefused: names the first field that is not what it should be.
    """
    if not isinstance(document, dict) or document.get("catalog") != VERSION:
        seen = document.get("catalog") if isinstance(document, dict) else type(document).__name__
        raise CatalogRefused(f"The catalog is of version {seen}; this app reads {VERSION}. Update the app.")
    _fields(document, CATALOG, "catalog")
    counters = [release["release_counter"] for release in document["releases"]]
    if len(set(counters)) < len(counters):
        raise CatalogRefused(f"The catalog has two releases with one counter: {counters}.")


def _fields(value: Any, shape: Mapping[str, Check | Mapping[str, Any]], where: str) -> None:
    if not isinstance(value, dict):
        raise CatalogRefused(f"The catalog's {where} is {str(value)[:60]!r}; an object belongs there.")
    for name, check in shape.items():
        if name not in value:
            raise CatalogRefused(f"The catalog's {where} has no {name}.")
        if isinstance(check, Mapping):
            _fields(value[name], check, f"{where}.{name}")
        elif not check(value[name]):
            raise CatalogRefused(f"The catalog's {where}.{name} is {str(value[name])[:60]!r}.")


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 500


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _share(value: Any) -> bool:
    return _count(value) and value <= 10_000


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _digest(value: Any) -> bool:
    # It becomes the name of a file.
    return isinstance(value, str) and DIGEST.fullmatch(value) is not None


def _version(value: Any) -> bool:
    return isinstance(value, str) and VERSION_TEXT.fullmatch(value) is not None


def _path(value: Any) -> bool:
    """On the server that the catalog came from: `//host` would be another one."""
    return _text(value) and value.startswith("/") and not value.startswith("//")


def _one_of(*allowed: str) -> Check:
    return lambda value: isinstance(value, str) and value in allowed


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list(check: Check, most: int = 100) -> Check:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(check, value))


def _objects(shape: Mapping[str, Any], where: str, most: int) -> Check:
    def check(value: Any) -> bool:
        if not isinstance(value, list) or len(value) > most:
            return False
        for index, item in enumerate(value):
            _fields(item, shape, f"{where}[{index}]")
        return True

    return check


def _limits(**checks: Check) -> Check:
    """An object of which every field may be missing, but none that restricts may be unknown."""
    return lambda value: (
        isinstance(value, dict) and all(name in checks and checks[name](value[name]) for name in value)
    )


def _range(value: Any) -> bool:
    if value is not None:
        _fields(value, {"min": _or_none(_version), "max": _or_none(_version)}, "app_range")
    return True


def _engines(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_version, value.values()))


def _forms(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) > 8:
        return False
    for name, form in value.items():
        _fields(form, {"size": _count, "sha256": _digest}, f"encodings.{name}")
    return True


def _deltas(value: Any) -> bool:
    if not _objects(DELTA, "deltas", MAX_DELTAS)(value):
        return False
    for delta in value:
        if delta["kind"] == "bsdiff4":
            _fields(delta, PATCH, "deltas")
    return True


DELTA = {"base": _digest, "kind": _text, "size": _count}
PATCH = {"url": _path, "sha256": _digest}
BUNDLE: dict[str, Any] = {
    "variant": _text,
    "format": _text,
    "precision": _or_none(_text),
    "contract_version": _count,
    "contract_sha256": _digest,
    "engine_min": _engines,
    "os_min": _or_none(_version),
    "app_range": _range,
    "ram_min_mb": _or_none(_count),
    "accelerators": _list(_text),
    "regions": _list(_text, 300),
    "perf_class": _list(_text),
    "size": _count,
    "sha256": _digest,
    "url": _path,
    "encodings": _forms,
    "deltas": _deltas,
    "golden_sha256": _or_none(_digest),
    "card_sha256": _or_none(_digest),
}
CONDITIONS = _limits(
    platforms=_list(_text),
    os_min=_version,
    os_max=_version,
    app_min=_version,
    app_max=_version,
    ram_min_mb=_count,
    perf_classes=_list(_text),
    regions=_list(_text, 300),
)
RELEASE = {
    "release": _text,
    "release_counter": _count,
    "state": _one_of("active", "paused"),
    "rollout": {"salt": _text, "basis_points": _share},
    "conditions": CONDITIONS,
    "bundles": _objects(BUNDLE, "bundles", MAX_BUNDLES),
}
POLICY = {
    "network": _one_of("unmetered", "any", "unmetered_then_any"),
    "any_after_seconds": _or_none(_count),
    "charging": _flag,
    "free_storage_mb": _count,
    "stale_after_seconds": _count,
}
CATALOG: dict[str, Any] = {
    "platform": _text,
    "channel": _text,
    "releases": _objects(RELEASE, "releases", MAX_RELEASES),
    "policy": POLICY,
    "revoked": _list(_digest, MAX_REVOKED),
    "reports": {"url": _path, "token_url": _path},
}
