from hypothesis import given
from hypothesis import strategies as st

from mobile_models.rollout import bucket

SECRETS, SALTS, SHARES = st.binary(min_size=16, max_size=32), st.text(max_size=32), st.integers(0, 10_000)


@given(SECRETS, SALTS)
def test_a_bucket_is_one_of_ten_thousand_and_never_changes(secret, salt):
    assert 0 <= bucket(secret, salt) < 10_000
    assert bucket(secret, salt) == bucket(secret, salt)


@given(SECRETS, SALTS, SHARES, SHARES)
def test_widening_loses_no_device(secret, salt, share, other):
    narrow, wide = sorted((share, other))
    assert bucket(secret, salt) < wide or not bucket(secret, salt) < narrow


@given(SECRETS, SALTS)
def test_nobody_and_everyone(secret, salt):
    assert not bucket(secret, salt) < 0
    assert bucket(secret, salt) < 10_000


def test_a_phone_in_another_language_computes_the_same_bucket():
    # The first eight bytes of the SHA-256 of saltsecret, big-endian, modulo 10000.
    assert bucket(b"secret", "salt") == 3626


def test_a_share_of_a_tenth_exposes_about_a_tenth():
    exposed = sum(bucket(number.to_bytes(4, "big"), "salt") < 1000 for number in range(5000))
    assert 430 < exposed < 570
