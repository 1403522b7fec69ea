"""A candidate beside what is live."""

import pytest

from mobile_models.comparison import Change, by_lead, compare, gone
from mobile_models.models import Bundle
from packager.contract import reference_contract
from tests.delivery_rows import bundle_fields, manifest
from tests.factories import evaluation


def bundle(variant="tflite_fp16", short="a1", worse=1.0, **more):
    fields = bundle_fields(variant, short, manifest=manifest(variant, scores=evaluation(worse)), **more)
    return Bundle(**fields)


@pytest.mark.parametrize(
    ("candidate", "live", "percent", "verdict"),
    [
        (1.1, 1.0, 10.0, "worse"),
        (0.9, 1.0, -10.0, "better"),
        (1.0001, 1.0, 0.01, "same"),
        (1.0, None, None, ""),
        (None, 1.0, None, ""),
        (1.0, 0.0, None, ""),
    ],
)
def test_less_is_better_and_nothing_is_compared_with_nothing(candidate, live, percent, verdict):
    change = Change(candidate, live)
    assert change.verdict == verdict
    assert change.percent == (None if percent is None else pytest.approx(percent))


def test_each_variant_stands_beside_the_live_one_of_its_name():
    candidate = [bundle(worse=1.2, size=3000), bundle("coreml_pal4", "a2")]
    live = [bundle(short="b1"), bundle("server_fp32", "b2")]
    first, second = compare(candidate, live, reference_contract())
    assert first.size.percent == pytest.approx(50)
    assert [row.variable for row in first.rows] == [
        "temperature",
        "wind_speed",
        "cloud_cover",
        "precipitation",
    ]
    assert all(row.cells[-1].verdict == "worse" for row in first.rows)
    assert first.worse == 4
    assert second.live is None
    assert all(cell.verdict == "" for row in second.rows for cell in row.cells)
    assert gone(candidate, live) == ["server_fp32"]


def test_a_bundle_without_scores_is_compared_by_bytes_alone():
    plain = Bundle(**bundle_fields("tflite_fp16", "a1"))
    (compared,) = compare([plain], [plain], reference_contract())
    assert compared.rows == ()
    assert compared.same_bytes


def test_scores_are_drawn_at_the_middle_of_their_leads():
    assert by_lead(bundle(), "temperature") == [(3.5, 1.05), (9.5, 1.35), (36.5, 1.8)]
