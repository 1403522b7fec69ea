"""A full card shows what was measured, in words and drawings, and asks for nothing from the network."""

import json
import re
from html.parser import HTMLParser

from packager.report import model_card
from packager.report.diagrams import Dot, Series, reliability_diagram
from packager.report.full import full_card
from packager.report.losses import percent
from tests.factories import ManifestFactory
from tests.unit.packager.report.details import LOSS, OWN, details, group, layer


class Reader(HTMLParser):
    """Elements that were opened, their attributes, and the words between them."""

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.words = [], [], []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "rect", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag != "path":
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def card(**parts):
    return full_card(ManifestFactory(), details(**parts))


def section(page, title):
    """The HTML from one heading to the next."""
    return page.decode().partition(f"<h2>{title}</h2>")[2].partition("<h2>")[0]


def rows(page, title):
    """The words in each cell of each row of a section's tables, titles of drawings left out."""
    plain = re.sub(r"<title>.*?</title>", "", section(page, title))
    found = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", plain)]
    return [[re.sub(r"<[^>]*>", " ", cell).split() for cell in row] for row in found]


def row(page, title, name):
    """The cells beside the one that says `name`, each as one string."""
    (found,) = [cells for cells in rows(page, title) if " ".join(cells[0]) == name]
    return [" ".join(cell) for cell in found[1:]]


def test_it_is_whole_and_fetches_and_runs_nothing():
    reader = Reader(card())
    assert not reader.open
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in reader.seen}
    assert not {"src", "href", "onload"} & {key for _, attrs in reader.seen for key in attrs}
    assert "url(" not in card().decode()


def test_equal_details_give_equal_bytes_also_after_json():
    again = json.loads(json.dumps(details()))
    assert full_card(ManifestFactory(), again) == card()


def test_everything_that_the_manifest_s_card_says_is_in_it():
    for title in re.findall(r"<h2>(.*?)</h2>", model_card(ManifestFactory()).decode()):
        assert f"<h2>{title}</h2>" in card().decode()


def test_without_details_it_says_what_is_missing_and_how_to_get_it():
    page = full_card(ManifestFactory(variant="coreml_pal4"))
    assert "python -m packager card coreml_pal4" in " ".join(Reader(page).words)
    assert "Reliability" not in section(page, "Skill")


def test_without_details_the_manifest_s_own_words_on_its_loss_are_shown():
    loss = {"interval": [0.3, 1.2], "station": ["a", 2.5], "bucket": [], "extremes": {"frost": 4.0}}
    page = full_card(ManifestFactory(scores={"loss": loss}))
    said = section(page, "Where it was lost")
    assert "between +0.30 and +1.20 %" in said
    assert "Largest at station a: +2.50 %" in said
    assert "bucket" not in said
    assert row(page, "Where it was lost", "frost") == ["4"]


def test_a_group_shows_the_bundle_beside_its_teacher_and_the_best_baseline():
    assert row_of_groups("1-6") == ["50", "1 teacher 0.9 ridge 2"]


def row_of_groups(name, **parts):
    """The cells of a group on unseen stations, whose tables come first."""
    found = rows(card(**parts), "Skill by lead, season and station")
    return next([" ".join(cell) for cell in cells[1:]] for cells in found if " ".join(cells[0]) == name)


def test_a_group_in_which_a_baseline_is_better_is_marked():
    assert row_of_groups("winter")[1].startswith("▲ 2.2")
    assert not row_of_groups("summer")[1].startswith("▲")


def test_stations_are_named_and_what_was_not_scored_is_a_dash():
    assert row_of_groups("Oklahoma City")[1].startswith("1 teacher")
    assert row_of_groups("Chicago")[1] == "–"


def test_outputs_that_were_never_scored_have_no_column():
    assert "precipitation type" not in section(card(), "Skill by lead, season and station")


def test_a_cell_is_the_darker_the_better_it_is():
    shades = {}
    for own in (0.5, 0.7, 0.9, 1.1):
        groups = {"unseen_station": {"lead": {"1-6": group(own, ridge=1.0)}}}
        drawn = section(card(groups=groups), "Skill by lead, season and station")
        shades[own] = re.search(r'class="cell ?(\w*)"', drawn)[1]
    assert shades == {0.5: "best", 0.7: "better", 0.9: "good", 1.1: ""}


def test_reliability_has_a_diagram_for_every_event_and_variable_of_bundle_and_teacher():
    drawn = section(card(), "Reliability")
    assert re.findall(r"<figcaption>(.*?)</figcaption>", drawn) == [
        "precipitation probability", "ceiling below 300 m", "temperature",
    ]  # fmt: skip
    assert "this bundle: said 55.0%, happened 40.0%, 100 hours" in drawn
    assert "teacher: said 90.0%, happened 85.0%, 1,000 hours" in drawn


def test_dots_stand_where_they_should_and_a_larger_share_has_a_larger_dot():
    drawn = reliability_diagram("x", [Series("s", "own", [Dot(0.0, 0.0, 1), Dot(1.0, 1.0, 99)])])
    (few, many) = re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"', drawn)
    left, foot, small = map(float, few)
    right, top, large = map(float, many)
    assert right - left == foot - top == 130
    assert large > small


def test_every_step_shows_what_the_student_had_lost_after_it():
    page = card()
    assert row(page, "What each step lost", "distilled from the teacher") == ["2,000", "+0.25"]
    assert row(page, "What each step lost", "after prune structure") == ["1,000", "+0.70"]
    assert row(page, "What each step lost", "in the artifact") == ["1,000", "+0.79"]


def test_losses_stand_by_output_extreme_lead_season_and_station_for_both_splits():
    page = card(against_teacher={"unseen_station": LOSS, "unseen_period": LOSS | {"seasons": {}}})
    found = {name: row(page, "Where it was lost", name) for name in ("temperature", "winter", "Chicago")}
    assert found == {
        "temperature": ["+1.50", "+1.50"], "winter": ["+1.00", "–"], "Chicago": ["+0.60", "+0.60"]
    }  # fmt: skip
    assert row(page, "Where it was lost", "frost") == ["–", "–"]
    assert "+0.79 (+0.31 to +1.27)" in section(page, "Where it was lost")


def test_each_layer_shows_its_errors_and_a_merged_one_dashes():
    page = card()
    assert row(page, "What each layer lost", "body_a") == [
        "1,024", "50%", "16", "25.00%", "0.40%", "0.60%", "+0.05",
    ]  # fmt: skip
    assert row(page, "What each layer lost", "body_b") == ["1,024", "50%", "16", "–", "–", "–", "–"]
    assert "All weights of the artifact together: +0.06 %" in section(page, "What each layer lost")


def test_a_tiny_loss_of_a_layer_is_drawn_tiny():
    layers = {"cases": 4, "all_weights_percent": 0.0, "layers": [layer("body_a", 0.001)]}
    drawn = section(card(layers=layers), "What each layer lost")
    assert float(re.search(r'<rect width="([\d.]+)" height="9" class="bar"', drawn)[1]) < 2


def test_a_model_without_layers_or_steps_has_no_such_sections():
    page = card(layers={}, stages=[]).decode()
    assert "What each layer lost" not in page
    assert "What each step lost" not in page


def test_inputs_stand_by_importance_for_the_bundle_beside_the_teacher_s():
    page = card()
    names = [" ".join(cells[0]) for cells in rows(page, "What it forecasts from")]
    assert names == ["Input", "history temperature", "site", "clock"]
    assert row(page, "What it forecasts from", "history temperature") == [
        "+30.00 ± 0.25", "+40.00 ± 0.25", "temperature +120.00",
    ]  # fmt: skip
    assert row(page, "What it forecasts from", "clock") == ["–", "–", "–"]


def test_bars_of_both_models_have_one_scale():
    drawn = section(card(), "What it forecasts from")
    widths = [float(width) for width in re.findall(r'<rect width="([\d.]+)" height="9" class="bar"', drawn)]
    assert widths[0] / widths[1] == 30 / 40


def test_a_variant_that_misses_its_limits_says_so_at_the_top():
    page = card(limits_missed="Skill loss is 3 %; tier ios allows 1 %.")
    head = page.decode().partition("<h2>")[0]
    assert "Not fit for release. Skill loss is 3 %; tier ios allows 1 %." in head
    assert "Not fit for release" not in card().decode()


def test_stations_stand_with_their_hours_and_roles():
    assert row(card(), "Stations", "Oklahoma City") == [
        "a", "NREL TMY3", "typical months", "8,760", "held out: it trained nothing",
    ]  # fmt: skip
    assert row(card(), "Stations", "range") == ["12"]


def test_an_output_that_no_case_taught_is_not_what_it_is_for():
    data = details()["data"] | {"outputs_without_targets": ["precipitation_type"]}
    assert "precipitation type: no training case had a target" in section(
        card(data=data), "What it is not for"
    )


def test_sizes_and_speed_are_those_of_the_archive_it_names():
    said = re.sub(r"<[^>]*>", " ", section(card(), "Cost"))
    for words in ("100.0 KiB", "5" * 64, "100 times as many", "12.3 µs", "4,280 KiB"):
        assert words in said
    cost = {"teacher_parameters": None, "student_parameters": 10, "microseconds": None}
    assert "µs" not in section(card(cost=cost), "Cost")


def test_names_in_details_are_never_markup():
    hostile = "</h2><script>alert(1)</script>"
    data = details()["data"] | {"stations": [details()["data"]["stations"][0] | {"name": hostile}]}
    layers = {"cases": 4, "layers": [layer(hostile, 0.1)]}
    importance = {"models": {OWN: {hostile: {"percent": 1.0, "outputs": {hostile: 1.0}}}}}
    page = card(data=data, layers=layers, importance=importance, limits_missed=hostile)
    assert not Reader(page).open
    assert b"<script" not in page


def test_a_percentage_that_rounds_to_nothing_has_no_sign():
    assert [percent(value) for value in (-0.004, 0.004, -0.005001, 12, None)] == [
        "0.00", "0.00", "−0.01", "+12.00", "–",
    ]  # fmt: skip
