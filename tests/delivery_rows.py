"""Rows of delivery in any state, without archives: for what reads them."""

from typing import Any

from django.utils.timezone import now

from mobile_models.models import Bundle, Channel, Delta, Release, Revocation, Rollout
from mobile_models.targeting import platforms_of
from tests.targeting_tables import digest


def manifest(variant: str, **more: Any) -> dict[str, Any]:
    """As much of a manifest as is read after registration."""
    engine_min = {"ios": "17.0"} if variant.startswith("coreml") else {"litert": "2.0"}
    contract = {"name": "skyfold-point", "version": 1, "sha256": digest("c0")}
    return {"name": "point", "variant": variant, "contract": contract, "engine_min": engine_min, **more}


def bundle_fields(variant: str, short: str, size: int = 2000, **more: Any) -> dict[str, Any]:
    form = "coreml" if variant.startswith("coreml") else "tflite"
    return {
        "sha256": digest(short),
        "size": size,
        "wire_sha256": digest(f"e{short}"),
        "wire_size": size // 2,
        "encodings": {"zstd": {"size": size // 2, "sha256": digest(f"e{short}")}},
        "name": "point",
        "variant": variant,
        "format": form,
        "platforms": platforms_of(variant, form),
        "contract_sha256": digest("c0"),
        "golden_sha256": digest("d0"),
        "manifest": manifest(variant),
        "state": Bundle.State.VERIFIED,
        **more,
    }


def make_bundle(variant: str, short: str, **more: Any) -> Bundle:
    return Bundle.objects.create(**bundle_fields(variant, short, **more))


def make_delta(base: Bundle, target: Bundle, **more: Any) -> Delta:
    fields = {"kind": Delta.Kind.BSDIFF, "sha256": digest("f0"), "size": 300, **more}
    return Delta.objects.create(base=base, target=target, **fields)


def revoke(bundle: Bundle) -> Revocation:
    return Revocation.objects.create(bundle=bundle, reason="It crashes.")


def make_rollout(
    *bundles: Bundle, version: str, counter: int, channel: str = "stable", **more: Any
) -> Rollout:
    """A release of these bundles and a rollout of it, to everyone and active unless told otherwise."""
    release = Release.objects.create(version=version, state=Release.State.LIVE, approved_at=now())
    release.bundles.set(bundles)
    fields = {"basis_points": 10_000, "salt": f"salt {counter}", **more}
    return Rollout.objects.create(
        channel=Channel.objects.get(name=channel), release=release, release_counter=counter, **fields
    )
