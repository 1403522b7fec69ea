"""Bundles and rollouts as rows and bytes, without the steps that lead to them."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from mobile_models import storage
from mobile_models.encodings import CODINGS
from mobile_models.models import Bundle, Channel, Release, Rollout
from packager.bundle import open_bundle
from tests.factories import build_bundle


def store_bundle(*, variant: str = "tflite_w8a8", offset: float = 0.0, card: bytes = b"") -> Bundle:
    """A verified bundle whose bytes are in the store; another offset makes another bundle."""
    archive, manifest, forms = _made(variant, offset)
    encodings = {
        coding: {"size": len(form), "sha256": storage.put_bytes(form)} for coding, form in forms.items()
    }
    return Bundle.objects.create(
        sha256=storage.put_bytes(archive),
        size=len(archive),
        wire_sha256=encodings["zstd"]["sha256"],
        wire_size=encodings["zstd"]["size"],
        encodings=encodings,
        name=manifest["name"],
        variant=variant,
        format=manifest["format"],
        platforms=["android", "ios", "linux"],
        contract_sha256=manifest["contract"]["sha256"],
        card_sha256=storage.put_bytes(card) if card else "",
        manifest=manifest,
        state=Bundle.State.VERIFIED,
    )


def roll_out(*bundles: Bundle, state: str = Rollout.State.COMPLETE, channel: str = "stable") -> Release:
    """A release of these bundles that is or was rolled out."""
    number = Rollout.objects.count() + 1
    release = Release.objects.create(version=f"2026.11.22-{number}", state=Release.State.LIVE)
    release.bundles.set(bundles)
    Rollout.objects.create(
        channel=Channel.objects.get(name=channel),
        release=release,
        basis_points=10_000,
        salt="salt",
        release_counter=number,
        state=state,
    )
    return release


def bytes_of(sha256: str) -> bytes:
    """The content of a blob in the folder."""
    return storage.blob_path(sha256).read_bytes()


@cache
def _made(variant: str, offset: float) -> tuple[bytes, dict[str, Any], dict[str, bytes]]:
    """An archive, its manifest, and its compressed forms."""
    with tempfile.TemporaryDirectory() as folder:
        path = build_bundle(Path(folder) / "made.zip", variant=variant, offset=offset)
        archive = path.read_bytes()
        return (
            archive,
            dict(open_bundle(path).manifest),
            {coding: make(archive) for coding, make in CODINGS.items()},
        )
