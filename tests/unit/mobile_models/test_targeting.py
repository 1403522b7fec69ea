import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_models.device import Device
from mobile_models.errors import NoBundleForDevice
from mobile_models.targeting import Candidate, choose_bundle, platforms_of


def candidate(variant, wire_size, **more):
    engine = variant.split("_")[0].replace("server", "tflite")
    platforms = tuple(platforms_of(variant, engine))
    os_min = {"ios": (17,)} if engine == "coreml" else {}
    return Candidate(variant.ljust(64, "0"), variant, engine, platforms, wire_size, os_min, **more)


W8A8, FP16 = candidate("tflite_w8a8", 80_000), candidate("tflite_fp16", 150_000)
PAL4, CORE16 = candidate("coreml_pal4", 60_000), candidate("coreml_fp16", 140_000)
SERVER = candidate("server_fp32", 5_000_000)
RELEASE = [W8A8, FP16, PAL4, CORE16, SERVER]


@pytest.mark.parametrize(
    ("device", "chosen"),
    [
        (Device("ios", (17, 4), ram_mb=6144), CORE16),
        (Device("ios", (17,), ram_mb=3072), PAL4),
        (Device("ios", (18,), perf_class="low", ram_mb=8192), PAL4),
        (Device("ios", (18,), perf_class="high", ram_mb=2048), CORE16),
        (Device("ios", (16, 7), ram_mb=6144), FP16),
        (Device("ios"), CORE16),
        (Device("android", (14,), ram_mb=8192), FP16),
        (Device("android", (14,), ram_mb=4095), W8A8),
        (Device("android", (14,), ram_mb=4096), FP16),
        (Device("android", perf_class="mid", ram_mb=2048), W8A8),
        (Device("android", perf_class="low"), W8A8),
        (Device("android", perf_class="high"), FP16),
        (Device("linux"), FP16),
    ],
)
def test_the_stated_rule(device, chosen):
    assert choose_bundle(RELEASE, device) is chosen


def test_ios_falls_back_to_tflite_where_the_release_has_no_core_ml():
    assert choose_bundle([W8A8, FP16, SERVER], Device("ios", (18,))) is FP16


def test_the_servers_model_is_for_no_phone():
    with pytest.raises(NoBundleForDevice, match="it has none for phones"):
        choose_bundle([SERVER], Device("android"))


def test_no_bundle_says_what_there_is():
    with pytest.raises(NoBundleForDevice, match=r"no bundle for ios 16; it has coreml_fp16, coreml_pal4\."):
        choose_bundle([PAL4, CORE16], Device("ios", (16,)))


def test_a_name_with_more_words_decodes():
    assert candidate("tflite_w8a8_qat", 1).precision == "w8a8"


devices = st.builds(
    Device,
    platform=st.sampled_from(["ios", "android", "linux"]),
    os_version=st.none() | st.tuples(st.integers(10, 20)),
    ram_mb=st.none() | st.integers(1, 20_000),
    perf_class=st.none() | st.sampled_from(["low", "mid", "high"]),
)


@given(devices)
def test_the_order_of_the_candidates_does_not_matter(device):
    chosen = {choose_bundle(order, device).sha256 for order in itertools.permutations(RELEASE)}
    assert len(chosen) == 1


@given(devices)
def test_a_device_never_gets_what_it_cannot_run(device):
    chosen = choose_bundle(RELEASE, device)
    assert device.platform in chosen.platforms
    assert chosen.format == "tflite" or (device.platform == "ios" and (device.os_version or (17,)) >= (17,))
