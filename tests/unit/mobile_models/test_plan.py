"""Stages as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_models.errors import ParameterInvalid
from mobile_models.plan import EXAMPLE, parse_plan, write_plan
from mobile_models.staging import parse_stages


def test_the_example_is_a_plan_that_the_service_takes():
    share, stages = parse_plan(EXAMPLE)
    assert share == 100
    assert parse_stages(stages, after=share) == [
        {"basis_points": share, "after_hours": 24, "if_healthy": True} for share in (500, 2500, 10_000)
    ]


@given(
    st.integers(1, 10_000),
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, 2000), st.booleans()), max_size=5),
)
def test_what_is_written_reads_back_as_it_was(share, others):
    stages = [{"basis_points": b, "after_hours": h, "if_healthy": healthy} for b, h, healthy in others]
    text = "\n".join([f"{share / 100:g} % now", *write_plan(stages)])
    assert parse_plan(text) == (share, stages)


def test_hundredths_of_a_per_cent_are_exact():
    assert [parse_plan(f"{text} % now")[0] for text in ("0.29", "1,15", "57.57")] == [29, 115, 5757]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no line was given"),
        ("10 % after 2 h", "only the first line is `now`"),
        ("1 % now\n2 % now", "only the first line is `now`"),
        ("1 % now\nthen all", "line 2: 'then all'"),
        ("0 % now", "0.01 % to 100 %"),
        ("101 % now", "0.01 % to 100 %"),
        ("-1 % now", "line 1"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text, said):
    with pytest.raises(ParameterInvalid, match=said.replace("(", r"\(")):
        parse_plan(text)
