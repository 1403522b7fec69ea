import re
from html.parser import HTMLParser

import pytest

from packager.search.plots import LEAST_TRIALS, Page, describe, importances, search_page
from packager.search.scatter import Axis, Point, scatter
from packager.search.study import objectives
from packager.search.trial import Hopeless
from packager.search.winner import Winner
from tests.unit.packager.search.searching import LIMITS, Broken, make_search

PAGE = Page("Search study", objectives(("tflite",)), LIMITS, {})


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "path", "circle", "rect"}:
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href"}]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag != "circle":
            assert self.open.pop() == tag


def test_the_page_shows_every_trial_and_asks_for_nothing(storage):
    search = make_search(storage)
    trials = [search.run_trial() for _ in range(LEAST_TRIALS + 12)]
    search.builder = Broken(Hopeless("<b>Too large</b>"))
    search.run_trial()
    winner = Winner(3, {"name": "winner"}, {"bytes_on_wire": 20_480, "skill_loss_percent": 0.876})
    page = search_page(search.study, Page(PAGE.title, PAGE.objectives, LIMITS, {"tflite": winner})).decode()
    parser = Balanced()
    parser.feed(page)
    assert (parser.open, parser.addresses) == ([], [])
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page
    assert "winner (tflite, trial 3): 20.0 KiB on the wire, 0.88 % skill loss" in page
    assert "&lt;b&gt;Too large" in page
    assert page.count("<circle") == 2 * sum(trial.values is not None for trial in trials)
    assert "functional ANOVA" in page


def test_a_study_without_finished_trials_has_a_page(storage):
    search = make_search(storage, Broken(Hopeless("Too large.")))
    search.run_trial()
    page = search_page(search.study, PAGE).decode()
    assert "No trial was built to its end yet." in page
    assert f"from {LEAST_TRIALS} on" in page


def test_what_decides_the_bytes_is_found(storage):
    search = make_search(storage)
    for _ in range(50):
        search.run_trial()
    shares = importances(search.study, 0)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert "quantization" in list(shares)[:2]
    assert importances(search.study, 0) == shares


def test_a_trial_is_described_by_sizes_steps_and_export(storage):
    trial = make_search(storage).run_trial()
    assert re.match(r"\d+/\d+/\d+/\d+/\d+(\+\d+)* → .*tflite \w+$", describe(trial))


def test_the_figures_of_an_axis_are_round_and_inside_it():
    axis = Axis.around("KiB", [9.7, 41.2], limit=48.0)
    assert axis.ticks() == [10.0, 20.0, 30.0, 40.0, 50.0]
    assert Axis.around("%", [0.5]).ticks()
    assert (axis.share(axis.low), axis.share(axis.high)) == (0.0, 1.0)


def test_points_stand_where_their_values_are():
    axis = Axis("x", 0.0, 10.0)
    drawn = scatter("Plot", axis, axis, [Point(0, 0, "low", "a"), Point(10, 10, "<high>", "b")])
    places = [tuple(map(float, found)) for found in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    assert places[0][0] < places[1][0]
    assert places[0][1] > places[1][1]
    assert "&lt;high&gt;" in drawn
