import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from django.conf import settings
from django.urls import reverse
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mobile_models.catalog import REPORTS, build_catalog, bundle_url, document, schema
from mobile_models.device import PERF_CLASSES, PLATFORMS
from mobile_models.errors import ParameterInvalid, UnknownChannel
from mobile_models.models import Bundle, Channel, Delta, Release, Rollout
from mobile_models.selectors import Offer
from packager.contract import canonical_json
from phone.catalog_shape import check_shape
from tests.catalogs import conditions, maybe_version, some
from tests.delivery_rows import bundle_fields, make_bundle, make_delta, make_rollout, manifest, revoke
from tests.targeting_tables import digest

VALID = jsonschema.Draft202012Validator(schema())


def built(platform="linux", channel="stable"):
    catalog = build_catalog(channel, platform)
    VALID.validate(catalog)
    return catalog


def only_bundle(catalog):
    (release,) = catalog["releases"]
    (bundle,) = release["bundles"]
    return bundle


def test_the_schema_is_a_schema_and_describes_its_words():
    jsonschema.Draft202012Validator.check_schema(schema())
    for place in (schema(), schema()["$defs"]["release"], schema()["$defs"]["bundle"]):
        assert place["additionalProperties"] is False
        assert set(place["required"]) == set(place["properties"])


@pytest.mark.django_db
def test_a_channel_with_nothing_on_offer_has_a_catalog_of_nothing():
    assert built() == {
        "catalog": 1,
        "channel": "stable",
        "platform": "linux",
        "releases": [],
        "policy": {
            "network": "unmetered_then_any",
            "any_after_seconds": 259_200,
            "charging": False,
            "free_storage_mb": 50,
            "stale_after_seconds": 1_209_600,
        },
        "revoked": [],
        "reports": {"url": "/v1/reports", "token_url": "/v1/reports/token"},
    }


@pytest.mark.django_db
def test_names_that_are_none_are_refused():
    with pytest.raises(ParameterInvalid, match="platform: 'windows' was given; allowed are ios"):
        build_catalog("stable", "windows")
    with pytest.raises(ParameterInvalid, match="channel: 'Stable!'"):
        build_catalog("Stable!", "ios")
    with pytest.raises(UnknownChannel, match="channel: 'nightly' was given; allowed are beta, stable"):
        build_catalog("nightly", "ios")


@pytest.mark.django_db
def test_every_platform_sees_its_own_bundles():
    bundles = [
        make_bundle("coreml_fp16", "a1"),
        make_bundle("tflite_fp16", "a2"),
        make_bundle("server_fp32", "a3"),
    ]
    make_rollout(*bundles, version="A", counter=1)
    seen = {
        platform: [
            (bundle["variant"], bundle["os_min"], bundle["target"])
            for bundle in built(platform)["releases"][0]["bundles"]
        ]
        for platform in PLATFORMS
    }
    assert seen == {
        "ios": [
            ("coreml_fp16", "17.0", f"bundles/ios/{digest('a1')}.zip"),
            ("tflite_fp16", None, f"bundles/ios/{digest('a2')}.zip"),
        ],
        "android": [("tflite_fp16", None, f"bundles/android/{digest('a2')}.zip")],
        "linux": [("tflite_fp16", None, f"bundles/linux/{digest('a2')}.zip")],
    }


@pytest.mark.django_db
def test_what_a_manifest_says_of_targeting_is_in_the_catalog():
    targeting = {
        "app_range": {"min": "2.0"},
        "ram_min_mb": 3000,
        "accelerators": ["npu", "gpu"],
        "regions": ["US", "DE"],
        "perf_class": ["mid", "high"],
    }
    bundle = make_bundle("tflite_fp16", "a1", manifest=manifest("tflite_fp16", targeting=targeting))
    make_rollout(bundle, version="A", counter=1)
    listed = only_bundle(built())
    assert {name: listed[name] for name in targeting} == {
        "app_range": {"min": "2.0", "max": None},
        "ram_min_mb": 3000,
        "accelerators": ["gpu", "npu"],
        "regions": ["DE", "US"],
        "perf_class": ["high", "mid"],
    }


@pytest.mark.django_db
def test_a_staged_release_stands_before_what_everyone_has():
    old, new = make_bundle("tflite_fp16", "a1"), make_bundle("tflite_fp16", "b1")
    make_rollout(old, version="A", counter=1)
    make_rollout(new, version="B", counter=2, basis_points=100, conditions={"regions": ["DE"]})
    first, second = built()["releases"]
    assert (first["release"], first["release_counter"], first["state"]) == ("B", 2, "active")
    assert (first["rollout"], first["conditions"]) == (
        {"salt": "salt 2", "basis_points": 100},
        {"regions": ["DE"]},
    )
    assert (second["release"], second["rollout"]["basis_points"]) == ("A", 10_000)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "listed"),
    [
        ("active", ["B", "A"]),
        ("paused", ["B", "A"]),
        ("scheduled", ["A"]),
        ("halted", ["A"]),
        ("complete", ["A"]),
        ("rolled_back", ["A"]),
    ],
)
def test_only_active_and_paused_rollouts_are_told_of(state, listed):
    make_rollout(make_bundle("tflite_fp16", "a1"), version="A", counter=1)
    make_rollout(make_bundle("tflite_fp16", "b1"), version="B", counter=2, basis_points=100, state=state)
    assert [release["release"] for release in built()["releases"]] == listed


@pytest.mark.django_db
def test_what_lies_behind_a_release_for_everyone_is_absent_but_not_behind_one_for_a_group():
    make_rollout(make_bundle("tflite_fp16", "a1"), version="A", counter=1)
    group = make_rollout(
        make_bundle("tflite_fp16", "b1"), version="B", counter=2, conditions={"regions": ["DE"]}
    )
    assert [release["release"] for release in built()["releases"]] == ["B", "A"]
    Rollout.objects.filter(pk=group.pk).update(conditions={})
    assert [release["release"] for release in built()["releases"]] == ["B"]


@pytest.mark.django_db
def test_a_release_for_other_platforms_is_absent():
    make_rollout(
        make_bundle("tflite_fp16", "a1"), version="A", counter=1, conditions={"platforms": ["ios", "android"]}
    )
    assert built("linux")["releases"] == []
    assert len(built("ios")["releases"]) == 1


@pytest.mark.django_db
def test_revoked_bundles_are_named_for_their_platforms_and_not_listed():
    phone, apple = make_bundle("tflite_fp16", "a1"), make_bundle("coreml_fp16", "a2")
    make_rollout(phone, apple, make_bundle("tflite_w8a8", "a3"), version="A", counter=1)
    revoke(phone)
    revoke(apple)
    revoke(make_bundle("tflite_fp16", "00"))
    assert built("ios")["revoked"] == [digest("00"), digest("a1"), digest("a2")]
    assert built("linux")["revoked"] == [digest("00"), digest("a1")]
    assert only_bundle(built("ios"))["variant"] == "tflite_w8a8"


@pytest.mark.django_db
def test_refused_bundles_are_not_listed():
    make_rollout(
        make_bundle("tflite_fp16", "a1", state="refused"),
        make_bundle("tflite_w8a8", "a2"),
        version="A",
        counter=1,
    )
    assert only_bundle(built())["variant"] == "tflite_w8a8"


@pytest.mark.django_db
def test_only_deltas_that_are_offered_are_listed_the_same_way_every_time():
    target = make_bundle("tflite_fp16", "b1", card_sha256=digest("ca"))
    bases = [make_bundle("tflite_fp16", short) for short in ("a3", "a1", "a2")]
    make_delta(bases[0], target)
    make_delta(bases[0], target, kind=Delta.Kind.DCZ, size=400, sha256="")
    make_delta(bases[1], target, size=200)
    make_delta(bases[2], target, offered=False)
    make_rollout(target, version="B", counter=1)
    listed = only_bundle(built())
    assert listed["deltas"] == [
        {
            "base": digest("a1"),
            "kind": "bsdiff4",
            "size": 200,
            "sha256": digest("f0"),
            "url": f"/v1/blobs/{digest('b1')}/delta/{digest('a1')}",
        },
        {
            "base": digest("a3"),
            "kind": "bsdiff4",
            "size": 300,
            "sha256": digest("f0"),
            "url": f"/v1/blobs/{digest('b1')}/delta/{digest('a3')}",
        },
        {"base": digest("a3"), "kind": "dcz", "size": 400},
    ]
    assert listed["card_sha256"] == digest("ca")


@pytest.mark.django_db
def test_no_more_patches_are_listed_than_phones_take():
    target = make_bundle("tflite_fp16", "b1")
    for number in range(21):
        make_delta(make_bundle("tflite_fp16", f"a{number:02}"), target)
    make_rollout(target, version="B", counter=1)
    document = built()
    check_shape(document)
    assert [delta["base"] for delta in only_bundle(document)["deltas"]] == [
        digest(f"a{number:02}") for number in range(1, 21)
    ]


def test_the_addresses_are_those_of_the_server():
    assert bundle_url("0" * 64) == reverse("blob", args=["0" * 64])
    assert f"{bundle_url('0' * 64)}/delta/{'1' * 64}" == reverse("blob-delta", args=["0" * 64, "1" * 64])
    assert (REPORTS["url"], REPORTS["token_url"]) == (reverse("reports"), reverse("report-token"))


@st.composite
def offers(draw):
    """What could be read from rows, without a database."""
    policy = draw(st.sampled_from([{}, {"network": "any"}, {"any_after_seconds": 0, "charging": True}]))
    channel, bundles, rollouts = Channel(name="stable", policy=policy), {}, []
    for counter in draw(st.lists(st.integers(1, 9), unique=True, max_size=3)):
        release = Release(pk=counter, version=f"2026.11.{counter}-1")
        bundles[counter] = draw(st.lists(st.builds(bundle_row, bundle_words), max_size=3))
        rollouts.append(
            Rollout(
                channel=channel,
                release=release,
                release_counter=counter,
                salt=draw(st.text("0123456789abcdef", min_size=1, max_size=32)),
                basis_points=draw(st.integers(1, 10_000)),
                conditions=draw(conditions),
                state=draw(st.sampled_from(["active", "paused"])),
            )
        )
    revoked = {row.sha256: row for rows in bundles.values() for row in rows if draw(st.booleans())}
    return Offer(channel, rollouts, bundles, list(revoked.values()))


def bundle_row(words):
    targeting = {name: value for name, value in words["targeting"].items() if value not in (None, [])}
    row = Bundle(pk=1, **bundle_fields(words["variant"], words["short"], size=words["size"]))
    row.manifest = manifest(words["variant"], targeting=targeting)
    row.encodings, row.card_sha256 = words["encodings"], words["card"]
    base = Bundle(**bundle_fields(words["variant"], "ba"))
    deltas = [Delta(base=base, kind=kind, size=10, sha256=digest("f0")) for kind in words["deltas"]]
    row._prefetched_objects_cache = {"deltas_to": deltas}
    return row


bundle_words = st.fixed_dictionaries(
    {
        "variant": st.sampled_from(["coreml_pal4", "tflite_w8a8", "tflite_w8a8_qat", "server_fp32"]),
        "short": st.text("0123456789abcdef", min_size=1, max_size=8),
        "size": st.integers(2, 10_000_000),
        "encodings": st.sampled_from(
            [
                {},
                {name: {"size": 7, "sha256": digest("e0")} for name in ("zstd", "br", "gzip")},
            ]
        ),
        "card": st.sampled_from(["", digest("ca")]),
        "deltas": st.lists(st.sampled_from(list(Delta.Kind)), unique=True),
        "targeting": st.fixed_dictionaries(
            {
                "app_range": st.none() | maybe_version.filter(bool).map(lambda version: {"max": version}),
                "ram_min_mb": st.none() | st.integers(1, 1_048_576),
                "accelerators": some(["ane", "npu_2", "gpu"]),
                "regions": some(["DE", "US"]),
                "perf_class": some(PERF_CLASSES),
            }
        ),
    }
)


@examples(deadline=None)
@given(offers(), st.sampled_from(list(PLATFORMS)))
def test_a_catalog_of_any_rows_meets_the_schema_and_has_the_same_bytes_again(offer, platform):
    catalog = document(offer, platform)
    VALID.validate(catalog)
    again = replace(offer, revoked=list(reversed(offer.revoked)))
    assert canonical_json(document(again, platform)) == canonical_json(catalog)
    assert not {bundle["sha256"] for release in catalog["releases"] for bundle in release["bundles"]} & set(
        catalog["revoked"]
    )


@pytest.mark.parametrize(
    "change",
    [
        {"catalog": 2},
        {"platform": "server"},
        {"extra": 1},
        {"revoked": ["A" * 64]},
        {"revoked": ["0" * 64, "0" * 64]},
        {"policy": {}},
        {"releases": [{}]},
        {"reports": {"url": "http://elsewhere", "token_url": "/v1/reports/token"}},
    ],
)
@pytest.mark.django_db
def test_the_schema_refuses_what_is_no_catalog(change):
    assert not VALID.is_valid({**built(), **change})


def test_the_example_in_the_guide_is_a_catalog():
    guide = (Path(settings.BASE_DIR) / "docs" / "catalog.md").read_text()
    example = json.loads(guide.split("```json\n")[1].split("```")[0])
    VALID.validate(example)
    check_shape(example)
