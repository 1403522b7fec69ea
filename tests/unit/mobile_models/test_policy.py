import pytest
from django.core.exceptions import ValidationError

from mobile_models.errors import ParameterInvalid
from mobile_models.models import Channel
from mobile_models.policy import DEFAULTS, parse_policy


def test_a_channel_that_says_nothing_has_the_defaults():
    assert parse_policy({}) == {
        "network": "unmetered_then_any",
        "any_after_seconds": 3 * 24 * 3600,
        "charging": False,
        "free_storage_mb": 50,
        "stale_after_seconds": 14 * 24 * 3600,
    }


def test_what_a_channel_says_goes_over_the_defaults():
    policy = parse_policy({"charging": True, "any_after_seconds": 0})
    assert policy == {**DEFAULTS, "charging": True, "any_after_seconds": 0}


@pytest.mark.parametrize("network", ["any", "unmetered"])
def test_a_network_that_needs_no_wait_has_none(network):
    assert parse_policy({"network": network})["any_after_seconds"] is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, ["policy: 'None'", "an object with any of network"]),
        ([], ["policy: '[]'"]),
        ({"wifi": True}, ["policy: ", "wifi"]),
        ({1: True}, ["policy: "]),
        ({"network": "wifi"}, ["policy.network: 'wifi'", "unmetered, any, unmetered_then_any"]),
        ({"network": ["any"]}, ["policy.network"]),
        ({"network": None}, ["policy.network"]),
        ({"any_after_seconds": -1}, ["policy.any_after_seconds: '-1'"]),
        ({"any_after_seconds": True}, ["policy.any_after_seconds: 'True'"]),
        ({"any_after_seconds": None}, ["policy.any_after_seconds: None", "unmetered_then_any"]),
        ({"network": "any", "any_after_seconds": 5}, ["policy.any_after_seconds: 5", "network any"]),
        ({"charging": "yes"}, ["policy.charging: 'yes'", "true or false"]),
        ({"charging": 1}, ["policy.charging: '1'"]),
        ({"free_storage_mb": -1}, ["policy.free_storage_mb: '-1'"]),
        ({"free_storage_mb": 1.5}, ["policy.free_storage_mb"]),
        ({"stale_after_seconds": 0}, ["policy.stale_after_seconds: '0'", "from 3600"]),
    ],
)
def test_a_bad_policy_is_named_with_what_is_allowed(given, words):
    with pytest.raises(ParameterInvalid) as caught:
        parse_policy(given)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.django_db
def test_a_channel_with_a_bad_policy_is_not_valid():
    channel = Channel.objects.get(name="stable")
    channel.policy = {"network": "wifi"}
    with pytest.raises(ValidationError) as caught:
        channel.full_clean()
    assert "unmetered, any, unmetered_then_any" in caught.value.message_dict["policy"][0]
    channel.policy = {"network": "any"}
    channel.full_clean()
