"""The delivery API over Django's client: what is on offer, and to whom."""

import json

import jsonschema
import pytest
from django.urls import reverse

from mobile_models import serializers
from mobile_models.models import Channel, Rollout, TargetDocument
from mobile_models.signing import services as signing
from tests.delivery_rows import make_bundle, make_delta, make_rollout, revoke
from tests.repositories import make_repository
from tests.targeting_tables import digest

pytestmark = pytest.mark.django_db


@pytest.fixture
def bundles():
    variants = {
        "coreml_fp16": "a1",
        "coreml_pal4": "a2",
        "tflite_fp16": "a3",
        "tflite_w8a8": "a4",
        "server_fp32": "a5",
    }
    sizes = {"fp16": 3000, "fp32": 9000}
    return {
        variant: make_bundle(variant, short, size=sizes.get(variant.split("_")[1], 2000))
        for variant, short in variants.items()
    }


@pytest.fixture
def rollout(bundles):
    return make_rollout(*bundles.values(), version="A", counter=1)


@pytest.fixture
def staged(rollout):
    newer = [make_bundle("tflite_fp16", "b3"), make_bundle("tflite_w8a8", "b4")]
    return make_rollout(*newer, version="B", counter=2, basis_points=100)


def resolve(client, model="point", **query):
    return client.get(reverse("resolve", args=[model]), query)


def catalog(client, **query):
    return client.get(reverse("catalog"), query)


def assert_problem(response, status, *words):
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:skyfold:problem:")
    for word in words:
        assert word in document["detail"]


def test_resolve_says_all_that_a_phone_needs(client, rollout, bundles):
    make_delta(make_bundle("tflite_fp16", "b1"), bundles["tflite_fp16"])
    answer = resolve(client, platform="android", os_version="14", ram_mb="8192").json()
    bundle = bundles["tflite_fp16"]
    assert answer == {
        "release": "A",
        "release_counter": 1,
        "rollout": {"salt": "salt 1", "basis_points": 10_000},
        "url": f"/v1/blobs/{bundle.sha256}",
        "otherwise": None,
        "revoked": [],
        "reason": answer["reason"],
        "bundle": {
            "name": "point",
            "variant": "tflite_fp16",
            "format": "tflite",
            "precision": "fp16",
            "platforms": ["ios", "android", "linux"],
            "size": 3000,
            "sha256": bundle.sha256,
            "encodings": {"zstd": {"size": 1500, "sha256": bundle.wire_sha256}},
            "contract": bundle.manifest["contract"],
            "engine_min": {"litert": "2.0"},
            "url": f"/v1/blobs/{bundle.sha256}",
            "release": "A",
            "release_counter": 1,
            "contract_version": 1,
            "contract_sha256": digest("c0"),
            "os_min": None,
            "app_range": None,
            "ram_min_mb": None,
            "accelerators": [],
            "regions": [],
            "perf_class": [],
            "target": f"bundles/android/{bundle.sha256}.zip",
            "deltas": [
                {
                    "base": digest("b1"),
                    "kind": "bsdiff4",
                    "size": 300,
                    "sha256": digest("f0"),
                    "url": f"/v1/blobs/{bundle.sha256}/delta/{digest('b1')}",
                }
            ],
            "golden_sha256": digest("d0"),
            "card_sha256": None,
        },
    }


@pytest.mark.parametrize(
    ("query", "variant"),
    [
        ({"platform": "linux", "perf_class": "low"}, "tflite_w8a8"),
        ({"platform": "ios", "os_version": "17.0", "ram_mb": "6144"}, "coreml_fp16"),
        ({"platform": "ios", "os_version": "16.7", "ram_mb": "3072"}, "tflite_w8a8"),
        ({"platform": "ios", "os_version": "18", "ram_mb": "3072", "engines": "litert:1.0"}, "coreml_pal4"),
        (
            {"platform": "android", "contract": "1,2", "accelerators": "gpu,npu", "region": "DE"},
            "tflite_fp16",
        ),
    ],
)
def test_resolve_chooses_as_the_tables_say(client, rollout, query, variant):
    assert resolve(client, **query).json()["bundle"]["variant"] == variant


def test_resolve_costs_five_queries(client, staged, bundles, django_assert_num_queries):
    make_delta(make_bundle("tflite_fp16", "b1"), bundles["tflite_fp16"])
    # 1. the channel's rollouts with their releases  2. the releases' bundles  3. the deltas to them
    # 4. what is revoked  5. what the offline keys signed
    with django_assert_num_queries(5):
        resolve(client, platform="linux")


def test_the_catalog_costs_five_queries_and_the_list_for_people_four(
    client, staged, bundles, django_assert_num_queries
):
    make_delta(make_bundle("tflite_fp16", "b1"), bundles["tflite_fp16"])
    for query, queries in (({}, 4), ({"platform": "linux"}, 5)):
        with django_assert_num_queries(queries):
            catalog(client, **query)


def test_a_device_outside_a_staged_share_gets_what_everyone_has(client, staged):
    answer = resolve(client, platform="linux").json()
    assert (answer["release"], answer["rollout"]["basis_points"]) == ("B", 100)
    assert (answer["otherwise"]["release"], answer["otherwise"]["release_counter"]) == ("A", 1)


def test_a_staged_release_without_a_bundle_for_the_device_is_none_for_it(client, staged):
    assert resolve(client, platform="linux", engines="litert:1.9").status_code == 404
    links = staged.release.bundles.through.objects
    links.filter(release=staged.release).delete()
    links.create(release=staged.release, bundle=make_bundle("coreml_fp16", "b1"))
    answer = resolve(client, platform="android").json()
    assert (answer["release"], answer["otherwise"]) == ("A", None)


def test_the_first_staged_release_has_nothing_for_others(client, bundles):
    make_rollout(*bundles.values(), version="A", counter=1, basis_points=500)
    answer = resolve(client, platform="android").json()
    assert (answer["release"], answer["otherwise"]) == ("A", None)


def test_a_release_for_a_group_is_offered_to_those_who_say_that_they_belong(client, staged):
    Rollout.objects.filter(pk=staged.pk).update(conditions={"regions": ["DE"], "ram_min_mb": 4096})
    assert resolve(client, platform="linux", region="DE", ram_mb="4096").json()["release"] == "B"
    assert resolve(client, platform="linux", region="DE").json()["release"] == "A"
    assert resolve(client, platform="linux", region="FR", ram_mb="4096").json()["release"] == "A"


@pytest.mark.parametrize("state", ["paused", "halted", "scheduled", "complete", "rolled_back"])
def test_a_release_whose_rollout_is_not_active_is_not_offered(client, staged, state):
    Rollout.objects.filter(pk=staged.pk).update(state=state)
    assert resolve(client, platform="linux").json()["release"] == "A"
    listed = [release["release"] for release in catalog(client, platform="linux").json()["releases"]]
    assert listed == (["B", "A"] if state == "paused" else ["A"])


def test_a_killed_bundle_is_named_and_not_offered(client, staged, bundles):
    revoke(staged.release.bundles.get(variant="tflite_fp16"))
    answer = resolve(client, platform="linux").json()
    assert answer["revoked"] == [digest("b3")]
    assert answer["bundle"]["variant"] == "tflite_w8a8"
    document = catalog(client, platform="linux").json()
    assert document["revoked"] == [digest("b3")]
    assert [bundle["variant"] for bundle in document["releases"][0]["bundles"]] == ["tflite_w8a8"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, ["platform: it is missing", "ios, android, linux"]),
        ({"platform": "windows"}, ["platform: 'windows'", "ios, android, linux"]),
        ({"platform": "ios", "ram_mb": "-5"}, ["ram_mb: '-5'", "from 1"]),
        ({"platform": "ios", "os_version": "new"}, ["os_version: 'new'", "one to four numbers"]),
        ({"platform": "ios", "app_version": "1.x"}, ["app_version: '1.x'"]),
        ({"platform": "ios", "perf_class": "fast"}, ["perf_class: 'fast'", "low, mid, high"]),
        ({"platform": "ios", "region": "de"}, ["region: 'de'", "two capital letters"]),
        ({"platform": "ios", "region": "Germany"}, ["region: 'Germany'"]),
        ({"platform": "ios", "contract": "one"}, ["contract: 'one'", "1,2"]),
        ({"platform": "ios", "contract": ""}, ["contract: ''"]),
        ({"platform": "ios", "accelerators": "ANE"}, ["accelerators: 'ANE'", "ane,gpu"]),
        ({"platform": "ios", "engines": "litert"}, ["engines: 'litert'", "litert:2.1"]),
        ({"platform": "ios", "channel": "Stable!"}, ["channel: 'Stable!'", "lower-case"]),
        ({"platform": "ios", "channel": "a\0"}, ["channel: "]),
    ],
)
def test_a_bad_parameter_is_named_with_what_is_allowed(client, rollout, query, words):
    assert_problem(resolve(client, **query), 400, *words)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"platform": "windows"}, ["platform: 'windows'", "ios, android, linux"]),
        ({"platform": ""}, ["platform: it is missing"]),
        ({"platform": "server"}, ["platform: 'server'"]),
        ({"channel": "Stable!"}, ["channel: 'Stable!'", "lower-case"]),
        ({"platform": "ios", "channel": "a\0"}, ["channel: "]),
    ],
)
def test_a_bad_parameter_of_the_catalog_is_named(client, rollout, query, words):
    assert_problem(catalog(client, **query), 400, *words)


def test_unknown_names_list_the_known(client, rollout):
    assert_problem(resolve(client, model="globe", platform="ios"), 404, "'globe'", "point")
    for answer in (resolve(client, platform="ios", channel="nightly"), catalog(client, channel="nightly")):
        assert_problem(answer, 404, "'nightly'", "beta, stable")
    assert_problem(catalog(client, channel="nightly", platform="ios"), 404, "'nightly'", "beta, stable")
    assert_problem(resolve(client, platform="ios", channel="beta"), 404, "Channel beta offers no release")


def test_a_channel_without_a_release_has_an_empty_catalog(client, rollout):
    assert catalog(client, channel="beta").json() == {"channel": "beta", "releases": []}
    assert catalog(client, channel="beta", platform="ios").json()["releases"] == []


def test_nothing_for_the_device_is_said_so(client, rollout):
    rollout.release.bundles.exclude(variant="server_fp32").update(state="refused")
    assert_problem(resolve(client, platform="linux"), 404, "offers no release for linux", "Keep the model")


def test_a_kill_is_told_where_nothing_takes_the_place_of_the_bundle(client, rollout):
    for bundle in rollout.release.bundles.exclude(variant="server_fp32"):
        revoke(bundle)
    killed = catalog(client, platform="linux").json()["revoked"]
    assert killed
    answer = resolve(client, platform="linux")
    assert_problem(answer, 404, "unless `revoked` names it")
    assert answer.json()["revoked"] == killed
    Rollout.objects.update(state="halted")
    empty = resolve(client, platform="linux")
    assert_problem(empty, 404, "offers no release")
    assert empty.json()["revoked"] == killed


def test_nothing_that_the_device_runs_is_said_so(client, rollout):
    answer = resolve(client, platform="android", contract="7")
    assert_problem(answer, 404, "Release A has no bundle that runs on it, only tflite_fp16, tflite_w8a8.")


def test_what_is_on_offer_can_be_asked_for_conditionally(client, rollout):
    for url in (
        reverse("catalog"),
        reverse("catalog") + "?platform=ios",
        reverse("catalog-schema"),
        reverse("models"),
        reverse("resolve", args=["point"]) + "?platform=ios",
    ):
        first = client.get(url)
        assert first["Content-Type"] == "application/json"
        assert first["Cache-Control"] == "public, max-age=60"
        again = client.get(url, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again["ETag"] == first["ETag"]
        assert "Content-Type" not in again


def test_a_platforms_catalog_is_the_signed_document(client, rollout, tmp_path, settings):
    make_repository(tmp_path, settings)
    signing.require_signed(rollout.release)
    signing.publish()
    for platform in ("ios", "android", "linux"):
        response = catalog(client, platform=platform)
        signed = TargetDocument.objects.filter(path=f"catalog/{platform}/stable.json").latest("pk")
        assert response.content == bytes(signed.content)
        assert len(response.json()["releases"]) == 1
        assert response["Link"] == '</v1/catalog/schema.json>; rel="describedby"'


def test_what_no_offline_key_signed_is_named_nowhere(client, staged, tmp_path, settings):
    make_repository(tmp_path, settings)
    signing.require_signed(Rollout.objects.get(release__version="A").release)
    signing.publish()
    answer = resolve(client, platform="linux").json()
    assert (answer["release"], answer["otherwise"]) == ("A", None)
    signed = TargetDocument.objects.filter(path="catalog/linux/stable.json").latest("pk")
    assert catalog(client, platform="linux").content == bytes(signed.content)
    signing.require_signed(staged.release)
    assert resolve(client, platform="linux").json()["release"] == "B"


def test_a_server_whose_keys_signed_nothing_resolves_to_nothing(client, rollout, tmp_path, settings):
    assert resolve(client, platform="linux").status_code == 200
    make_repository(tmp_path, settings)
    assert_problem(resolve(client, platform="linux"), 404, "offers no release for linux")
    assert catalog(client, platform="linux").json()["releases"] == []


def test_the_schema_is_served_and_the_catalog_meets_it(client, staged):
    schema = client.get(reverse("catalog-schema")).json()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(catalog(client, platform="linux").json())


def test_without_a_platform_the_catalog_lists_every_bundle_on_offer(client, rollout):
    answer = catalog(client).json()
    assert answer["channel"] == "stable"
    (listed,) = answer["releases"]
    assert (listed["release"], listed["state"], listed["conditions"]) == ("A", "active", {})
    assert [bundle["variant"] for bundle in listed["bundles"]] == [
        "coreml_fp16",
        "coreml_pal4",
        "server_fp32",
        "tflite_fp16",
        "tflite_w8a8",
    ]


def fields(serializer):
    """The names that a documented shape has, and those that must be there."""
    return set(serializer.fields), {name for name, field in serializer.fields.items() if field.required}


def assert_documented(body, shape):
    names, required = fields(shape)
    assert required <= set(body) <= names


def test_answers_have_the_shapes_that_are_documented(client, staged):
    answer = resolve(client, platform="linux").json()
    assert_documented(answer, serializers.ResolveSerializer())
    assert_documented(answer["otherwise"], serializers.OfferSerializer())
    assert_documented(answer["bundle"], serializers.OfferedBundleSerializer())
    document = catalog(client, platform="linux").json()
    assert_documented(document, serializers.CatalogSerializer())
    assert_documented(document["policy"], serializers.PolicySerializer())
    assert_documented(document["releases"][0], serializers.CatalogReleaseSerializer())
    assert_documented(document["releases"][0]["bundles"][0], serializers.CatalogBundleSerializer())
    overview = catalog(client).json()
    assert_documented(overview["releases"][0], serializers.OverviewReleaseSerializer())
    assert_documented(overview["releases"][0]["bundles"][0], serializers.BundleSerializer())


def test_a_channels_policy_is_in_its_catalogs(client, rollout):
    Channel.objects.filter(name="stable").update(policy={"network": "unmetered", "charging": True})
    assert json.loads(catalog(client, platform="ios").content)["policy"] == {
        "network": "unmetered",
        "any_after_seconds": None,
        "charging": True,
        "free_storage_mb": 50,
        "stale_after_seconds": 1_209_600,
    }


def test_the_models_name_their_contracts(client):
    (model,) = client.get(reverse("models")).json()["models"]
    assert (model["name"], model["contract"]["name"]) == ("point", "skyfold-point")
