"""Tests of what the tour says it found: the sentence follows the numbers, whichever way they come out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.language import LANGUAGES, catalogue
from dashboard.parts import tour_findings as findings
from dashboard.parts.tour_findings import Told

DUCK = Told("duck", "duck", "duck", 0.97)
BLOCKS = ("a", "b", "c", "d", "e", "f")
BEST = findings.Line(1.0, 10, 20, 100, 100)


def told(confidence, says="mug", truth=None):
    return Told("new toy", truth, says, confidence)


def keys(finding):
    return [finding.headline.key, *(line.key for line in finding.lines)]


LOOKS = {
    "known": findings.look(DUCK, told(0.4)),
    "unknown": findings.look(Told("duck", "duck", "fish", 0.3), told(0.8)),
    "equal": findings.look(DUCK, told(0.975)),
    None: findings.look(None, told(0.8)),
}
LINE_UP = {"A": told(0.2, "mug"), "B": told(0.95, "car"), "C": told(0.91, "tree")}
CASES = {
    **{f"look_{right}": (found, right) for right, found in LOOKS.items()},
    "sure": (findings.sure(LINE_UP, {"known": 0.99, "unknown": 0.4}), "B"),
    "sure_alike": (findings.sure({"A": told(0.2), "B": told(0.9999), "C": told(0.9996)}, {"known": 0.99}), ("B", "C")),
    "sure_unsure": (findings.sure({"A": told(0.5), "B": told(0.2)}, {"known": 0.99, "unknown": 0.001}), "A"),
    "sure_same": (findings.sure(LINE_UP, {"known": 0.4, "unknown": 0.6}), "B"),
    "sure_no_sets": (findings.sure(LINE_UP, {"known": 0.4}), "B"),
    "tiles_late": (findings.tiles(BLOCKS, [1, 1, 1, 1, 1.2, 1.6], "f", 1.4, 2000), "late"),
    "tiles_early": (findings.tiles(BLOCKS, [1.9, 1, 1, 1, 1.2, 1.6], "f", 1.4, 2000), "early"),
    "tiles_nobody": (findings.tiles(BLOCKS, [0.9] * 6, "c", 0.97, 2000), None),
    "line_drawn": (findings.line(BEST, findings.Line(0, 10, 1, 100, 100), findings.Line(0, 0, 90, 100, 100)), None),
    "line_good": (findings.line(BEST, findings.Line(0, 10, 60, 100, 100), BEST), None),
    "line_same": (findings.line(BEST, BEST), None),
    "line_clean": (findings.line(findings.Line(1.0, 0, 0, 100, 100), findings.Line(0, 0, 0, 100, 100)), None),
    "why_red": (findings.why("f", "duck", 0.99, 0.2, 0.98), "red"),
    "why_pale": (findings.why("a", "duck", 0.99, 0.98, 0.2), "pale"),
    "why_neither": (findings.why("a", "duck", 0.6, 0.7, 0.59), "neither"),
    "ask_low": (findings.ask(0.01, 0.05, 0.3, 0.002, None), "low"),
    "ask_mid": (findings.ask(0.01, 0.05, 0.8, 0.03, 0.4), "mid"),
    "ask_high": (findings.ask(0.01, 0.05, 0.95, 0.01, 0.4), "high"),
    "ask_none": (findings.ask(0.01, 0.05, None, float("nan"), 0.4), "low"),
    "ask_later": (findings.ask(0.01, 0.05, None, float("nan"), None, 0.05), "low"),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("case", CASES)
def test_each_way_of_coming_out_has_its_sentences_and_its_right_guess(case, language):
    found, right = CASES[case]
    assert found.right == (right if isinstance(right, tuple) else () if right is None else (right,))
    for sentence in (found.headline, *found.lines):
        text = catalogue(language)[sentence.key].format(**sentence.values)
        assert "{" not in text and "nan" not in text


def test_all_sentences_of_findings_come_out_in_some_case():
    reached = {key for found, _ in CASES.values() for key in keys(found)}
    source = {word for word in findings.__loader__.get_source(findings.__name__).split('"') if word.startswith("tour.")}
    assert source == reached


def test_an_opposite_model_gives_the_opposite_sentence():
    assert keys(LOOKS["known"])[:2] == ["tour.look_known", "tour.look_right"]
    assert keys(LOOKS["unknown"])[:2] == ["tour.look_unknown", "tour.look_wrong"]
    assert keys(CASES["sure"][0]) == ["tour.sure_yes", "tour.sure_count", "tour.sure_passes"]
    assert keys(CASES["sure_unsure"][0]) == ["tour.sure_no", "tour.sure_count_none", "tour.sure_warns"]
    assert keys(CASES["tiles_nobody"][0]) == ["tour.tiles_none", "tour.tiles_no_rule"]
    assert keys(CASES["line_drawn"][0]) == ["tour.line_trade", "tour.line_mine", "tour.line_team_better"]
    assert keys(CASES["line_good"][0]) == ["tour.line_trade", "tour.line_mine_best", "tour.line_team_worse"]
    assert keys(CASES["ask_mid"][0]) == ["tour.ask_decides", "tour.ask_broken", "tour.ask_alone"]
    assert keys(CASES["ask_later"][0]) == ["tour.ask_none", "tour.ask_least", "tour.ask_alone_none"]
    assert [CASES[f"why_{part}"][0].lines[0].key for part in ("red", "pale", "neither")] == ["tour.why_believed", "tour.why_not_believed", "tour.why_enough"]
    assert keys(CASES["ask_low"][0]) == ["tour.ask_decides", "tour.ask_kept", "tour.ask_alone_none"]


def test_numbers_are_those_of_the_case():
    assert CASES["sure"][0].lines[0].values["count"] == 2 and CASES["sure"][0].headline.values["confidence"] == "95.0\u00a0%"
    assert CASES["tiles_late"][0].headline.values["fell"] == "38"  # 1 - 1 / 1.6
    assert CASES["line_drawn"][0].headline.values["place"] == "1" and findings.place(4.0135) == "4.01"
    assert CASES["ask_mid"][0].headline.values["rest"] == "20"
    shares = [findings.percent(share) for share in (1.0, 0.9996, 0.999, 0.5, 0.0004)]
    assert shares == [">\u00a099.9\u00a0%", ">\u00a099.9\u00a0%", "99.9\u00a0%", "50.0\u00a0%", "<\u00a00.1\u00a0%"]


def test_thirds_of_networks_of_any_length():
    assert [findings.third(BLOCKS, block) for block in BLOCKS] == ["early", "early", "middle", "middle", "late", "late"]
    assert findings.third(("only",), "only") == "early"


@given(st.lists(st.integers(0, 6), min_size=1, max_size=20), st.data())
def test_a_line_with_so_many_alarms_is_the_highest(known, data):
    alarms, known = data.draw(st.integers(0, len(known) - 1)), np.array(known, float)
    found = findings.line_with(known, known, alarms)
    below = [int((known <= threshold).sum()) for threshold in np.arange(-1, 8) / 1.0]
    assert found.alarms == max(count for count in below if count <= alarms)


SCORES = st.lists(st.integers(0, 12), min_size=1, max_size=30).map(lambda values: np.array(values, float))


@given(SCORES, SCORES)
def test_no_line_is_better_than_the_best(known, unknown):
    thresholds = np.arange(-1, 14) / 1.0
    best = findings.best_line(known, unknown, thresholds)
    slow = [sum(k <= x for k in known) / len(known) + sum(u > x for u in unknown) / len(unknown) for x in thresholds]
    assert best.error == pytest.approx(min(slow)) and best.threshold in thresholds
    assert best.alarms == sum(k <= best.threshold for k in known) and best.missed == sum(u > best.threshold for u in unknown)
