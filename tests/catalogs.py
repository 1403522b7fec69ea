"""Random catalogs, devices and what they run, from few values, so that every rule is met often."""

from functools import partial
from random import Random
from typing import Any

from hypothesis import strategies as st

from mobile_models.device import PERF_CLASSES, PLATFORMS
from tests.targeting_tables import device_fields, digest

VERSIONS = ("1", "2.0", "2.0.1", "2.5", "3")
REGIONS = ("DE", "US", "FR")
ACCELERATORS = ("ane", "gpu")
DIGESTS = tuple(digest(short) for short in ("a1", "a2", "b1", "b2", "c1", "c2"))
VARIANTS = (
    ("coreml_fp16", "coreml", "fp16"),
    ("coreml_pal4", "coreml", "pal4"),
    ("tflite_fp16", "tflite", "fp16"),
    ("tflite_w8a8", "tflite", "w8a8"),
    ("tflite_new", "tflite", None),
)
maybe_version = st.none() | st.sampled_from(VERSIONS)
places = st.sampled_from([0, 99, 100, 2499, 2500, 9999])


def some(values: Any) -> st.SearchStrategy[list[Any]]:
    return st.just([]) | st.lists(st.sampled_from(values), unique=True, max_size=2)


condition = st.sampled_from(
    [
        {"platforms": ["ios", "linux"]},
        {"os_min": "2.0"},
        {"os_min": "2.0", "os_max": "2"},
        {"app_max": "2.0"},
        {"app_min": "2.0"},
        {"ram_min_mb": 4000},
        {"perf_classes": ["mid"]},
        {"perf_classes": ["low", "high"]},
        {"regions": ["DE", "US"]},
    ]
)
# Mostly none or one; two of them may be about the same word, and the later one then holds.
conditions = st.lists(condition, max_size=2).map(lambda some: {k: v for one in some for k, v in one.items()})


def bundle_words(random: Random) -> dict[str, Any]:
    """A bundle that asks for little of a device, or for much."""
    variant, form, precision = random.choice(VARIANTS)
    version, few = partial(random.choice, [None] * 20 + list(VERSIONS)), partial(some_of, random)
    return {
        "variant": variant,
        "format": form,
        "precision": precision,
        "contract_version": random.choice([1, 1, 1, 2]),
        "contract_sha256": digest("c0"),
        "engine_min": random.choice([{}, {}, {"litert": "2.0"}, {"litert": "2.5"}]),
        "os_min": version(),
        "app_range": random.choice([None, {"min": version(), "max": version()}]),
        "ram_min_mb": random.choice([None, None, None, 4000, 6000]),
        "accelerators": few(ACCELERATORS),
        "regions": few(REGIONS),
        "perf_class": few(PERF_CLASSES),
        "size": random.choice([1000, 2000]),
        "sha256": random.choice(DIGESTS),
        "encodings": random.choice([{}, {"zstd": {"size": 900, "sha256": digest("e1")}}]),
        "deltas": [],
        "golden_sha256": digest("d0"),
        "card_sha256": None,
    }


def some_of(random: Random, values: tuple[str, ...]) -> list[str]:
    """Mostly none of them: what restricts everything would leave nothing to choose from."""
    return random.sample(values, random.choice([0] * 12 + [1, 2]))


# Drawn from a pool, because a value drawn for each word of each bundle takes a hundred times as long.
POOL = [bundle_words(Random(seed)) for seed in range(1000)]


def in_release(words: dict[str, Any], platform: str, release: str, counter: int) -> dict[str, Any]:
    sha256 = words["sha256"]
    return {
        **words,
        "release": release,
        "release_counter": counter,
        "target": f"bundles/{platform}/{sha256}.zip",
        "url": f"/v1/blobs/{sha256}",
    }


@st.composite
def catalogs(draw: Any) -> dict[str, Any]:
    platform = draw(st.sampled_from(list(PLATFORMS)))
    counters = draw(st.lists(st.integers(1, 5), unique=True, min_size=1, max_size=4) | st.just([]))
    return {
        "catalog": 1,
        "channel": "stable",
        "platform": platform,
        "releases": [
            {
                "release": f"release {counter}",
                "release_counter": counter,
                "state": draw(st.sampled_from(["active", "active", "paused"])),
                "rollout": {
                    "salt": draw(st.sampled_from(["one", "two"])),
                    "basis_points": draw(st.sampled_from([1, 100, 2500, 10_000, 10_000])),
                },
                "conditions": draw(conditions),
                "bundles": [
                    in_release(words, platform, f"release {counter}", counter)
                    for words in draw(st.lists(st.sampled_from(POOL), min_size=1, max_size=4))
                ],
            }
            for counter in sorted(counters, reverse=True)
        ],
        "policy": {
            "network": "any",
            "any_after_seconds": None,
            "charging": False,
            "free_storage_mb": 50,
            "stale_after_seconds": 1_209_600,
        },
        "revoked": draw(some(DIGESTS)),
        "reports": {"url": "/v1/reports", "token_url": "/v1/reports/token"},
    }


device_words = st.fixed_dictionaries(
    {},
    optional={
        "os_version": st.sampled_from(VERSIONS),
        "app_version": st.sampled_from(VERSIONS),
        "ram_mb": st.sampled_from([3000, 4000, 8000]),
        "perf_class": st.sampled_from(PERF_CLASSES),
        "region": st.sampled_from(REGIONS),
        "accelerators": st.lists(st.sampled_from(ACCELERATORS), unique=True),
        "engines": st.sampled_from([{}, {"litert": "2.0.9"}, {"litert": "3"}]),
        "contracts": st.sampled_from([[1], [1, 2]]),
    },
).map(device_fields)
installed_words = st.none() | st.fixed_dictionaries(
    {
        "release": st.just("installed"),
        "release_counter": st.integers(1, 4),
        "sha256": st.sampled_from(DIGESTS),
    }
)
buckets = st.fixed_dictionaries({"one": places, "two": places}).map(lambda known: known.__getitem__)
