"""Read a signed catalog, and compare what it offers with what the offline keys signed.

The catalog is signed by a key that lives on the server, because shares move by the hour. A thief of that key
can choose among signed bundles, but neither bring in another one nor pass one off as something else: the
bundle's digest, length and description are signed by keys that no server has.
"""

from collections.abc import Mapping
from typing import Any

from tuf.api.metadata import TargetFile

from phone.catalog_shape import check_shape
from phone.errors import CatalogRefused
from phone.trust import Signed

# What an offline-signed description and a catalog's entry must agree on.
DESCRIBED = ("variant", "format", "precision", "contract_sha256", "golden_sha256", "card_sha256")


def path_of(platform: str, channel: str) -> str:
    """Name of a catalog among the signed targets."""
    return f"catalog/{platform}/{channel}.json"


def read_catalog(signed: Signed, platform: str, channel: str) -> Mapping[str, Any]:
    """The catalog of a platform and channel, every field that this phone uses checked for its shape.

    Raises:
        CatalogRefused: not signed, for another audience, or a field is missing or not what it should be.
    """
    document = signed.document(path_of(platform, channel))
    check_shape(document)
    if (document["platform"], document["channel"]) != (platform, channel):
        raise CatalogRefused(
            f"The catalog is for {document['platform']} {document['channel']}; "
            f"{platform} {channel} was asked for."
        )
    return dict(document)


def check_signed(signed: Signed, platform: str, entry: Mapping[str, Any]) -> None:
    """Compare an entry with what the offline keys say of its digest.

    Raises:
        CatalogRefused: they do not know it, or know it as something else.
    """
    digest = entry["sha256"]
    target = signed.target(f"bundles/{platform}/{digest}.zip")
    if target is None:
        raise CatalogRefused(f"The offline keys signed no bundle {digest} for {platform}. It is not taken.")
    said = {**_said(target), "sha256": target.hashes.get("sha256"), "size": target.length}
    offered = {name: entry[name] for name in said}
    if said != offered:
        apart = {name: (offered[name], said[name]) for name in said if said[name] != offered[name]}
        raise CatalogRefused(f"The catalog offers {digest} with {apart}: offered, signed. It is not taken.")


def _said(target: TargetFile) -> dict[str, Any]:
    custom = target.custom or {}
    return {name: custom.get(name) for name in DESCRIBED}
