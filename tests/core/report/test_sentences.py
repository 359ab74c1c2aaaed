"""Each number in each sentence is the fact it names, each rule can choose each of its sentences, and Korean particles fit every name."""

import re
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.report.figures import catalogue, figures, place
from core.report.sentences import Sentence, sentences
from core.words import LANGUAGES
from tests.core.report.reading import check, value_of

RULES = [  # (key, what makes it be chosen)
    ("headline.known", {}),
    ("headline.unknown", {"verdict": "OOD"}),
    ("verdict.known", {}),
    ("verdict.unknown", {"verdict": "OOD"}),
    ("answer.sure", {"confidence": 0.9}),
    ("answer.unsure", {"confidence": 0.899}),
    ("answer.overconfident", {"confidence": 0.9, "verdict": "OOD"}),
    ("answer.lost", {"confidence": 0.899, "verdict": "OOD"}),
    ("agree.all", {}),
    ("agree.most", {"opinions": {"consensus": "ID", "msp": "ID", "knn": "ID", "vim": "OOD"}}),
    ("agree.divided", {"opinions": {"consensus": "ID", "msp": "ID", "knn": "OOD", "vim": "OOD"}}),
    ("agree.members", {}),
    ("norm.weak", {"norm_higher": 0.95}),
    ("norm.usual", {"norm_higher": 0.949}),
    ("norm.strong", {"norm_higher": 0.05}),
    ("calibrated.better", {}),
    ("calibrated.worse", {"hand_off": {"ece_calibrated": 0.0375}}),
    ("calibrated.unknown", {"verdict": "OOD"}),
    ("handoff.decides", {}),
    ("handoff.asks", {"hand_off": {"p_both": 0.0625}}),
    ("handoff.decides_unknown", {"verdict": "OOD"}),
    ("handoff.none", {"hand_off": {"p_least": float("inf")}}),
    ("handoff.untold", {"hand_off": None}),
]
MAP_RULES = [  # (keys, verdict, what makes them be chosen)
    (["map.for", "map.believed"], "ID", {}),
    (["map.for", "map.deletes"], "ID", {"insertion": 0.7}),
    (["map.for", "map.inserts"], "ID", {"deletion": 0.2}),
    (["map.for", "map.chance"], "OOD", {"deletion": 0.2, "insertion": 0.7}),
    (["map.against", "map.believed"], "ID", {"high": 0.0}),
    (["map.flat"], "ID", {"high": 0.0, "low": 0.0}),
    (["map.apart", "map.believed"], "OOD", {"method": "contracam", "low": 0.0}),
    (["map.raises", "map.believed"], "ID", {"method": "norm_occlusion"}),
    (["map.lowers", "map.believed"], "OOD", {"method": "norm_occlusion"}),
    (["map.raises", "map.believed"], "OOD", {"method": "norm_occlusion", "low": 0.0}),
    (["map.lowers", "map.believed"], "ID", {"method": "norm_occlusion", "high": 0.0}),
]


def keys(facts):
    return [s.key for s in sentences(facts, "en")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_is_the_fact_that_it_names(make_facts, language):
    facts = make_facts()
    told = sentences(facts, language)
    assert len(told) == 8 + 2 * 2  # headline, verdict, answer, agreement, member, norm, calibration and hand-off; two of each map
    for sentence in told:
        check(sentence, language)
        assert sentence.values == {name: value_of(facts, name) for name in sentence.values}


def test_the_check_finds_a_wrong_number():
    right = Sentence("agree.most", "The same verdict comes from 19 of 20 single detectors.", {"single": 20, "same": 19})
    check(right, "en")
    for text in ("The same verdict comes from 18 of 20 single detectors.", "The same verdict comes from 20 of 19 single detectors.", "All say the same."):
        with pytest.raises(AssertionError):
            check(Sentence("agree.most", text, right.values), "en")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(share=st.floats(0, 1), score=st.floats(-1e6, 1e6), count=st.integers(1, 10**6), verdict=st.sampled_from(["ID", "OOD"]))
def test_numbers_of_any_size_are_printed_right(make_facts, share, score, count, verdict):
    hand_off = {"p_both": share, "coverage": share, "ece": share, "fitted": count, "temperature": 0.02 + share}
    facts = make_facts(p_value=share, confidence=share, norm_higher=share, score=score, threshold=-score, classes=count, verdict=verdict, hand_off=hand_off)
    for language in LANGUAGES:
        for sentence in sentences(facts, language):
            check(sentence, language)


@pytest.mark.parametrize(("key", "changes"), RULES)
def test_each_rule_chooses_its_sentence(make_facts, key, changes):
    found = keys(make_facts(maps=(), **changes))
    assert key in found
    topic = key.partition(".")[0]
    assert [k for k in found if k.partition(".")[0] == topic and k != "agree.members"] == [key] or key == "agree.members"


@pytest.mark.parametrize(("expected", "verdict", "changes"), MAP_RULES)
def test_each_rule_of_a_map_chooses_its_sentences(make_facts, make_map, expected, verdict, changes):
    facts = make_facts(verdict=verdict, maps=(make_map(**changes),))
    assert [k for k in keys(facts) if k.startswith("map.")] == expected
    for language in LANGUAGES:
        for sentence in sentences(facts, language):
            check(sentence, language)


def test_no_template_is_without_a_rule():
    ruled = {key for key, _ in RULES} | {key for keys, _, _ in MAP_RULES for key in keys}
    topics = {key.partition(".")[0] for key in ruled}
    assert ruled == {key for key in catalogue("en") if key.partition(".")[0] in topics}


def test_both_languages_have_the_same_templates_with_the_same_figures():
    english, korean = catalogue("en"), catalogue("ko")
    assert set(english) == set(korean)
    fields = [{k: {n for _, n, _, _ in string.Formatter().parse(v) if n} for k, v in words.items()} for words in (english, korean)]
    assert fields[0] == fields[1]


def test_every_figure_has_a_label(make_facts):
    for language in LANGUAGES:
        words = catalogue(language)
        for name in figures(make_facts()):
            assert "fact." + ("member" if name.startswith("member.") else name.rpartition(".")[2]) in words


def test_no_korean_particle_depends_on_a_name():
    """A particle that changes with the sound before it never follows a name that may be any."""
    changing = r"(은|는|이|가|을|를|과|와|으로|로|이라|라|이며|며|아|야)(?=[\s.,)]|$)"
    names = "class_name|runner_up|detector|strictest|block|at_block|file|pack|place|low_place"
    wrong = [k for k, v in catalogue("ko").items() if re.search(rf"\{{({names})\}}[’'\")]*{changing}", v)]
    assert not wrong


def test_an_unknown_language_is_an_input_error(make_facts):
    with pytest.raises(InputError, match="There is no language named 'xx'; the known ones are en, ko."):
        sentences(make_facts(), "xx")


@pytest.mark.parametrize(("pixel", "name"), [((0, 0), "upper_left"), ((3, 2), "middle_centre"), ((5, 5), "lower_right"), ((4, 1), "upper_right")])
def test_places(make_map, pixel, name):
    assert place(make_map(), pixel) == name
