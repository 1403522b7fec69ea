"""A release's card: variants side by side, each with a card of its own, and links that stay in the file."""

import re

from packager.report.pareto import Variant, front_of, pareto_figure
from packager.report.release import Carded, release_card
from tests.factories import ManifestFactory
from tests.unit.packager.report.details import details


def scores(own, loss):
    references = {
        "teacher": {"temperature": {"1-48": 1.4}},
        "ridge": {"temperature": {"1-48": 1.8}},
        "persistence": {"temperature": {"1-48": 3.0}},
    }
    return {
        "scores": {"unseen_station": {"temperature": {"1-48": own}}},
        "references": {"unseen_station": references},
        "skill_loss_percent": loss,
        "loss": {"interval": [loss - 0.5, loss + 0.5]},
    }


def carded(variant, kib, own=1.5, loss=1.0, digit="a", **options):
    manifest = ManifestFactory(variant=variant, scores=scores(own, loss))
    return Carded(manifest, digit * 64, int(kib * 1024), **options)


SMALL = carded("coreml_pal4", 48, own=1.6, loss=2.0)
LARGE = carded("tflite_w8a8", 96, own=1.5, loss=0.8, digit="b")


def card(*bundles):
    return release_card(bundles, title="release of tests").decode()


def cells(row):
    return [" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]


def table(page, caption):
    found = page.partition(f"<caption>{caption}")[2].partition("</table>")[0]
    return [cells(row) for row in re.findall(r"<tr>(.*?)</tr>", found)]


def test_variants_stand_side_by_side_the_smallest_first():
    rows = table(card(LARGE, SMALL), "By bytes on the wire")
    assert [row[0] for row in rows] == ["Variant", "coreml_pal4", "tflite_w8a8"]
    assert rows[2][3:7] == ["96.0", "0.80", "+0.30 to +1.30", "litert 2.0"]


def test_scores_of_all_variants_stand_beside_the_teacher_and_the_best_baseline():
    rows = table(card(SMALL, LARGE), "At stations that no training saw, leads 1-48 h")
    assert rows == [
        ["Score", "coreml_pal4", "tflite_w8a8", "Teacher", "Best baseline"],
        ["temperature, CRPS °C", "1.6", "1.5", "1.4", "1.8 (ridge)"],
    ]


def test_every_link_leads_to_a_card_in_the_same_file():
    page = card(SMALL, LARGE)
    links = set(re.findall(r'href="(.*?)"', page))
    assert links == {"#coreml-pal4-aaaaaaaa", "#tflite-w8a8-bbbbbbbb"}
    assert {f"#{name}" for name in re.findall(r'<article id="(.*?)"', page)} == links
    assert "src=" not in page


def test_two_variants_of_one_name_have_places_of_their_own():
    page = card(SMALL, carded("coreml_pal4", 50, digit="c"))
    assert len(set(re.findall(r'<article id="(.*?)"', page))) == 2


def test_what_all_share_stands_once_and_headings_of_cards_are_a_level_lower():
    page = card(SMALL, LARGE)
    for title in ("What it is for", "What it is not for", "Data"):
        assert page.count(f">{title}</h2>") == 1
        assert f">{title}</h3>" not in page
    assert page.count("<h3>Skill</h3>") == 2
    assert page.count("<h1>") == 1


def test_details_are_shown_for_the_variants_that_have_them():
    page = card(SMALL, carded("tflite_w8a8", 96, digit="b", details=details()))
    small, large = (page.partition(f'<article id="{one}')[2] for one in ("coreml", "tflite"))
    assert "python -m packager card coreml_pal4" in small.partition("</article>")[0]
    assert "<h3>What it forecasts from</h3>" in large
    assert "python -m packager card tflite_w8a8" not in page


def test_the_order_of_the_bundles_does_not_matter():
    assert card(SMALL, LARGE) == card(LARGE, SMALL)


def test_names_are_never_markup():
    page = card(carded("<script>", 10), LARGE)
    assert "<script" not in page


def test_only_what_nothing_beats_is_on_the_front():
    worse = Variant("worse", "w", 70.0, 3.0)
    equal = Variant("equal", "e", 96.0, 0.8)
    unknown = Variant("unknown", "u", 1.0, None)
    small, large = Variant("small", "s", 48.0, 2.0), Variant("large", "l", 90.0, 0.8)
    assert front_of([equal, worse, unknown, large, small]) == [small, large]


def test_a_dot_is_the_further_right_the_larger_and_the_higher_the_more_is_lost():
    drawn = pareto_figure([Variant("small", "s", 48.0, 2.0), Variant("large", "l", 96.0, 0.8)])
    (small, large) = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)
    assert float(small[0]) < float(large[0])
    assert float(small[1]) < float(large[1])
    assert re.findall(r'<a href="(.*?)"', drawn) == ["#s", "#l"]


def test_one_variant_alone_has_nothing_to_be_plotted_against():
    assert pareto_figure([Variant("only", "o", 48.0, 1.0)]) == ""
    assert "<article" in card(SMALL)


def test_a_release_whose_manifests_say_little_still_has_a_card():
    bare = Carded(ManifestFactory(scores={}, quantization={}), "d" * 64, 1024)
    assert table(card(bare), "By bytes on the wire")[1][3:6] == ["1.0", "–", "–"]
