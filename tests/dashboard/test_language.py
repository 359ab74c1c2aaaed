"""Tests of the catalogues: both say the same, and the pages and the catalogues know the same keys."""

import ast
import re
import string
from pathlib import Path

import pytest

from core.adaptation import ADAPTATIONS
from core.detectors import DETECTORS
from core.images import toybox
from core.words import names, read
from dashboard.language import LANGUAGES, catalogue

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "dashboard").rglob("*.py"))
ERROR = "error."  # in Korean only: an `InputError` says its own English; checked against the sources below
SAME_IN_KOREAN = {"blocks.panel_ood", "word.norm_ratio"}  # names and numbers; so are some of error.kind, the formats


def placeholders(sentence):
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def pattern(node):
    """Return the regular expression of an f-string: its constant parts, anything between."""
    return "".join(re.escape(part.value) if isinstance(part, ast.Constant) else ".+" for part in node.values)


def keys_of(argument):
    """Return ({literal keys}, {patterns}) that a call's first argument can be; empty where only a run can tell."""
    if isinstance(argument, ast.Constant):
        return {argument.value}, set()
    if isinstance(argument, ast.JoinedStr):
        return set(), {pattern(argument)}
    if isinstance(argument, ast.IfExp):
        (a, b), (c, d) = keys_of(argument.body), keys_of(argument.orelse)
        return a | c, b | d
    return set(), set()


def parsed(files=SOURCES):
    return [(file.relative_to(ROOT), ast.parse(file.read_text("utf-8"))) for file in files]


def calls_of_t():
    for file, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t" and node.args:
                yield f"{file}:{node.lineno}", node


def errors_of_the_sources():
    """Return ({key: names of its values} of each `InputError` that is raised with a literal key, {every string})."""
    found, strings = {}, set()
    for file in [*sorted((ROOT / "core").rglob("*.py")), *SOURCES]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                strings.add(node.value)
            elif isinstance(node, ast.Call):
                values = {k.arg: k.value for k in node.keywords}
                if isinstance(key := values.pop("key", None), ast.Constant):
                    found.setdefault(key.value, set()).update(values)
    return found, strings


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_percent_sign_stays_with_its_number(language):
    assert [key for key, sentence in catalogue(language).items() if re.search(r"[0-9}*] %", sentence)] == []


def test_there_is_a_catalogue_for_each_language():
    for folder in (ROOT / "dashboard" / "language", ROOT / "core" / "words"):
        assert {f.stem for f in folder.glob("*.toml")} == set(LANGUAGES)


def test_no_key_stands_both_in_core_and_in_the_dashboard():
    assert not [key for name in LANGUAGES for key in set(names(name)) & set(read(ROOT / "dashboard" / "language", name))]


def test_catalogues_have_the_same_keys():
    assert {k for k in catalogue("ko") if not k.startswith(ERROR)} == set(catalogue("en"))


@pytest.mark.parametrize("name", LANGUAGES)
def test_no_sentence_is_empty(name):
    assert not [key for key, sentence in catalogue(name).items() if not sentence.strip()]


def test_sentences_take_the_same_values():
    english, korean = catalogue("en"), catalogue("ko")
    assert {k: placeholders(v) for k, v in english.items()} == {k: placeholders(korean[k]) for k in english}


def test_korean_is_korean():
    latin = {key for key, sentence in catalogue("ko").items() if not re.search("[가-힣]", sentence) and not key.startswith("error.kind.")}
    assert latin == SAME_IN_KOREAN


def test_english_is_english():
    assert not [key for key, sentence in catalogue("en").items() if re.search("[가-힣ㄱ-ㅎㅏ-ㅣ]", sentence)]


def test_every_key_that_the_pages_ask_for_is_there():
    missing = []
    for place, call in calls_of_t():
        literals, patterns = keys_of(call.args[0])
        missing += [f"{place} {key}" for key in literals if key not in catalogue("en")]
        missing += [f"{place} {p}" for p in patterns if not any(re.fullmatch(p, key) for key in catalogue("en"))]
    assert not missing


def test_every_call_gives_the_values_that_its_sentence_takes():
    wrong = []
    for place, call in calls_of_t():
        given = {k.arg for k in call.keywords}
        for key in keys_of(call.args[0])[0] & set(catalogue("en")):
            if None not in given and not placeholders(catalogue("en")[key]) <= given:
                wrong.append(f"{place} {key} takes {placeholders(catalogue('en')[key])}, is given {given}")
    assert not wrong


def test_no_key_is_left_over():
    literals, patterns = set(), set()
    for _, tree in parsed([*SOURCES, *(ROOT / "core" / "report").glob("*.py")]):  # the report says names of core.words too
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                literals.add(node.value)
            elif isinstance(node, ast.JoinedStr) and re.match(r"[a-z]+\\\.", pattern(node)):
                patterns.add(pattern(node))
    unused = [key for key in catalogue("en") if key not in literals and not any(re.fullmatch(p, key) for p in patterns)]
    assert not unused


def test_every_error_sentence_belongs_to_an_error_and_takes_its_values():
    (errors, strings), wrong = errors_of_the_sources(), []
    for key, sentence in catalogue("ko").items():
        name = key.removeprefix("error.kind.").removeprefix(ERROR)
        if key.startswith(ERROR) and (name not in strings or not placeholders(sentence) <= errors.get(name, placeholders(sentence))):
            wrong.append(f"{key} takes {placeholders(sentence)}, the error has {errors.get(name)}")
    assert not wrong


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_detector_class_verdict_and_adaptation_has_its_words(name):
    wanted = [f"detector.{d}" for d in DETECTORS] + [f"class.{c}" for c in toybox.KNOWN] + ["word.ID", "word.OOD"]
    wanted += [f"adapt.does_{a}" for a in ADAPTATIONS]
    assert not [key for key in wanted if key not in catalogue(name)]
