"""A model card says what the manifest says, holds nobody's HTML but its own, and fetches nothing."""

import re
from html.parser import HTMLParser

import pytest

from packager.report import model_card
from tests.factories import ManifestFactory

LEADS = {"1-6": 1.0, "7-12": 1.5, "13-24": 2.0, "25-48": 2.5, "1-24": 1.6, "1-48": 2.0}
SCORES = {
    "scores": {"unseen_station": {"temperature": LEADS, "cloud_base": {"1-48": None}}},
    "scored_cases": {"unseen_station": 1000},
    "references": {
        "unseen_station": {
            "teacher": {"temperature": {"1-48": 1.9}},
            "ridge": {"temperature": {"1-48": 2.5}},
            "persistence": {"temperature": {"1-48": 4.0}},
        }
    },
    "skill_loss_percent": 0.79,
    "skill_loss_by_precision": {"float32": 0.79},
    "max_abs_difference": {"temperature": 2.01},
}


class Reader(HTMLParser):
    """Notes every element, and whether each that was opened was closed."""

    VOID = ("meta", "rect")

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.words = [], [], []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def card(**manifest):
    return model_card(ManifestFactory(**manifest))


def words(page):
    return " ".join(Reader(page).words)


def test_a_card_is_whole_html_with_a_language_and_a_title():
    reader = Reader(card(scores=SCORES))
    assert not reader.open
    assert ("html", {"lang": "en"}) in reader.seen
    assert "Model card: point · tflite_fp16" in reader.words


def test_markup_is_escaped_once():
    targeting = {"ram_min_mb": 4096}
    assert b"&lt;" not in card(scores=SCORES, targeting=targeting, files={"a.json": {"size": 5}})
    assert b"<dt>Format</dt><dd>tflite</dd>" in card()


def test_stations_that_no_training_saw_come_first():
    splits = ("other", "unseen_period", "unseen_station")
    scores = SCORES | {"scores": {split: {"wind": LEADS} for split in splits}}
    text = words(card(scores=scores))
    assert text.index("At stations") < text.index("On days") < text.index("other")


def test_it_says_what_the_model_is_not_for():
    assert "What it is not for" in words(card())
    assert "ask the national weather service" in words(card())


def test_each_score_stands_by_lead_beside_the_teacher_and_the_baselines():
    rows = re.findall(r"<tr>(.*?)</tr>", card(scores=SCORES).decode())
    cells = [re.sub(r"<title>.*?</title>|<[^>]*>", "|", row) for row in rows]
    row = next(row for row in cells if "temperature" in row and "|1-48|" in row)
    assert [cell for cell in row.split("|") if cell.strip()] == [
        "temperature, CRPS °C", "1-48", "2", "1.9", "2.5", "4", " 20% below",
    ]  # fmt: skip


def test_leads_stand_in_their_order():
    text = words(card(scores=SCORES)).partition("temperature, CRPS")[2]
    places = [text.index(f" {bucket} ") for bucket in LEADS]
    assert places == sorted(places)


def test_the_teacher_is_no_baseline():
    scores = SCORES | {"references": {"unseen_station": {"teacher": {"temperature": {"1-48": 1.0}}}}}
    assert "above" not in words(card(scores=scores))


def test_a_score_that_could_not_be_measured_is_a_dash():
    assert re.search(r"cloud base, RPS\s+1-48\s+–", words(card(scores=SCORES)))


def test_it_says_what_compression_lost_and_what_it_was_made_of():
    text = words(card(scores=SCORES))
    for said in ("0.79 %", "2.01", "1" * 64, "2" * 64, "3" * 64, "4" * 64, "numpy", "Apache-2.0"):
        assert said in text


def test_a_retrained_bundle_names_its_base():
    provenance = ManifestFactory()["provenance"] | {"base": {"sha256": "9" * 64, "mode": "light"}}
    text = words(card(provenance=provenance))
    assert "9" * 64 in text
    assert "light" in text


def test_the_counts_of_the_data_are_shown():
    provenance = ManifestFactory()["provenance"]
    dataset = {"stations": 24, "hours": 245095, "windows": {"train": 44969}}
    text = words(card(provenance=provenance | {"dataset": provenance["dataset"] | dataset}))
    assert all(said in text for said in ("24", "245,095", "44,969"))


def test_devices_are_named_where_they_are_restricted():
    targeting = {"app_range": {"min": "2.0"}, "ram_min_mb": 4096, "perf_class": ["mid", "high"]}
    text = words(card(targeting=targeting))
    assert all(said in text for said in ("2.0 to any", "at least 4,096 MB", "mid, high"))
    assert "App versions" not in words(card())


def test_a_card_fetches_nothing_and_runs_nothing():
    reader = Reader(card(scores=SCORES))
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in reader.seen}
    assert not {"src", "href", "onload"} & {key for _, attrs in reader.seen for key in attrs}
    policy = next(a["content"] for _, a in reader.seen if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_equal_manifests_give_equal_bytes_whatever_the_order_of_their_keys():
    manifest = ManifestFactory(scores=SCORES)
    assert model_card(manifest) == model_card(dict(reversed(manifest.items())))


HOSTILE = "</style><script>alert(1)</script>\"'&"


def hostile(value):
    """The same document with hostile text for every string, as key and as value."""
    if isinstance(value, dict):
        return {**{key: hostile(item) for key, item in value.items()}, HOSTILE: HOSTILE}
    if isinstance(value, list):
        return [hostile(item) for item in value] + [HOSTILE]
    return HOSTILE if isinstance(value, str) else value


def test_text_of_a_manifest_is_never_markup():
    targeting = {"app_range": {"min": "1"}, "accelerators": ["gpu"], "regions": ["US"]}
    manifest = hostile(ManifestFactory(scores=SCORES, targeting=targeting, files={}))
    page = model_card(manifest)
    assert not Reader(page).open
    assert "script" not in {tag for tag, _ in Reader(page).seen}
    assert b"<script" not in page


ODD = (None, 7, "text", [], [1], True, float("nan"), 10**400, {"a": {"b": []}})


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_whatever_the_free_parts_hold_a_card_is_written(odd):
    free = {"scores": odd, "quantization": odd, "provenance": odd, "targeting": odd, "files": {"a": odd}}
    assert not Reader(card(**free)).open
    nested = {
        "scores": {"unseen_station": {"temperature": odd}},
        "references": {"unseen_station": {"x": odd}},
    }
    for scores in (nested, dict.fromkeys(SCORES, odd), {"scores": {"unseen_station": odd}}):
        assert not Reader(card(scores=scores)).open
    assert not Reader(card(provenance={"dataset": odd, "toolchain": {"a": odd}, "base": odd})).open
