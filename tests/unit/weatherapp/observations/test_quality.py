import numpy as np

from packager.contract import reference_contract
from weatherapp.observations.feeds import Batch, StationReport
from weatherapp.observations.quality import check_batch

STATION = StationReport("x", "X", 45.0, 0.0, 0.0, "test")
GOOD = [15.0, 10.0, 1013.0, 1.0, 1.0, 0.0, 0.5, 1000.0, 10_000.0]


def batch(*rows, hours=None):
    return Batch(
        stations=(STATION,),
        station=np.zeros(len(rows), int),
        hour=np.array(hours or range(len(rows))),
        values=np.array(rows, np.float32),
        series=np.zeros(len(rows), int),
    )


def test_good_reports_pass_unchanged():
    checked, rejected = check_batch(batch(GOOD), reference_contract(), now_hour=10)
    assert checked.values.tolist() == batch(GOOD).values.tolist()
    assert not rejected


def test_values_out_of_range_are_blanked_and_counted():
    hot = [99.0, *GOOD[1:]]
    heavy = [*GOOD[:5], -1.0, *GOOD[6:]]
    checked, rejected = check_batch(batch(hot, heavy), reference_contract(), now_hour=10)
    assert np.isnan(checked.values[0, 0])
    assert np.isnan(checked.values[1, 5])
    assert np.isfinite(checked.values[0, 1:]).all()
    assert rejected == {"temperature out of range": 1, "precipitation out of range": 1}


def test_dew_point_above_temperature_is_blanked():
    checked, rejected = check_batch(batch([10.0, 12.0, *GOOD[2:]]), reference_contract(), now_hour=10)
    assert np.isnan(checked.values[0, 1])
    assert checked.values[0, 0] == 10
    assert rejected == {"dew_point above temperature": 1}


def test_reports_from_the_future_are_dropped():
    checked, rejected = check_batch(batch(GOOD, GOOD, hours=[5, 6]), reference_contract(), now_hour=5)
    assert checked.hour.tolist() == [5]
    assert rejected == {"report from the future": 1}


def test_missing_values_are_not_counted_as_rejected():
    _, rejected = check_batch(batch([np.nan] * 9), reference_contract(), now_hour=5)
    assert not rejected
