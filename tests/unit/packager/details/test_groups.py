"""Scores by station, season and lead: each group's own cases, each source where it forecasts."""

import numpy as np

from packager.contract import reference_contract
from packager.dataset.windows import Windows
from packager.details.groups import scores_by_group

CONTRACT = reference_contract()
LEADS = CONTRACT.lead_hours
JANUARY, JULY = (int(np.datetime64(f"2013-{month}-15T00", "h").astype(int)) for month in ("01", "07"))


def windows():
    """Two cases in winter at one station, two in summer at another; it was always 0 degrees."""
    targets = {spec.name: np.full((4, LEADS), np.nan) for spec in CONTRACT.outputs}
    targets["wind"] = np.full((4, LEADS, 2), np.nan)
    targets["dew_point"] = np.zeros((4, LEADS))
    site = np.tile(np.array([[40.0, -100.0, 0.0]], np.float32), (4, 1))
    hours = np.array([JANUARY, JANUARY + 3, JULY, JULY + 3])
    return Windows({"site": site}, targets, np.array([0, 0, 2, 2]), hours)


def forecast(*errors):
    return {"dew_point": np.repeat(np.array(errors, float)[:, None], LEADS, axis=1)}


def found(**forecasts):
    return scores_by_group(forecasts, windows(), ["a", "b", "c"], CONTRACT)


def test_every_group_has_its_own_mean_for_every_source():
    groups = found(own=forecast(1, 3, 5, 7), other=forecast(2, 2, 2, 2))
    assert groups["station"] == {
        "a": {"cases": 2, "scores": groups["station"]["a"]["scores"]},
        "c": {"cases": 2, "scores": groups["station"]["c"]["scores"]},
    }
    assert groups["station"]["a"]["scores"]["dew_point"] == {"own": 2.0, "other": 2.0}
    assert groups["station"]["c"]["scores"]["dew_point"] == {"own": 6.0, "other": 2.0}
    assert set(groups["season"]) == {"winter", "summer"}
    assert groups["season"]["summer"]["scores"]["dew_point"]["own"] == 6.0


def test_leads_are_told_apart():
    own = forecast(1, 1, 1, 1)
    own["dew_point"][:, :6] = 0.5
    leads = found(own=own)["lead"]
    assert list(leads) == ["1-6", "7-12", "13-24", "25-48"]
    assert [leads[name]["scores"]["dew_point"]["own"] for name in leads] == [0.5, 1.0, 1.0, 1.0]
    assert leads["1-6"]["cases"] == 4


def test_a_source_is_scored_where_it_forecasts_and_left_out_where_it_never_does():
    silent = forecast(1, np.nan, np.nan, np.nan)
    stations = found(own=forecast(1, 1, 1, 1), silent=silent)["station"]
    assert stations["a"]["scores"]["dew_point"] == {"own": 1.0, "silent": 1.0}
    assert stations["c"]["scores"]["dew_point"] == {"own": 1.0}
    assert stations["a"]["scores"]["temperature"] == {}
