"""Tests of the tour on paper: what stands on it, in both languages, and that no name breaks it."""

import re
from html.parser import HTMLParser

import pytest

from dashboard.language import LANGUAGES, catalogue
from dashboard.parts import worksheet
from dashboard.parts.tour_numbers import STEPS
from dashboard.parts.worksheet import Task, sheet

NASTY = "<script>alert(\"1\")</script> & 'duck'"
PIXEL = "data:image/png;base64,AAAA"


class Reader(HTMLParser):
    """What a browser makes of a page: its tags, its attributes, its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def page_of(monkeypatch, language, *, answer=None, model="Toybox"):
    for module in ("dashboard.language", "dashboard.parts.worksheet"):
        monkeypatch.setattr(f"{module}.language", lambda: language)
    words = catalogue(language)
    link = f"http://here/tour?lang={language}&pack=toybox&step="
    tasks = [Task(words[f"tour.{s}_question"], words[f"tour.{s}_do"], ((PIXEL, NASTY),), (NASTY,), f"{link}{n}", answer) for n, s in enumerate(STEPS, 1)]
    return sheet(model, tasks, lang=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_six_questions_room_to_write_and_the_link_of_each_step(monkeypatch, language):
    page, words = page_of(monkeypatch, language), catalogue(language)
    seen = Reader(page)
    assert ("html", {"lang": language}) in seen.attributes and seen.tags.count("section") == 7
    for number, step in enumerate(STEPS, 1):
        assert f"{number}. {words[f'tour.{step}_question']}" in seen.text and words[f"tour.{step}_do"] in seen.text
        assert ("a", {"href": f"http://here/tour?lang={language}&pack=toybox&step={number}"}) in seen.attributes
    assert seen.text.count(words["tour.sheet_found"]) == 6 and page.count('class="room"') == 25
    assert seen.text.count(words["tour.sheet_last"]) == 1
    assert words["tour.sheet_answer"] + words["tour.sheet_none"] not in seen.text and words["tour.sheet_answers_of"] not in seen.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_teacher_has_the_answers_and_no_empty_lines(monkeypatch, language):
    words = catalogue(language)
    seen = Reader(page_of(monkeypatch, language, answer=("The finding.", "One more.")))
    assert seen.text.count("The finding.") == seen.text.count("One more.") == 6 and words["tour.sheet_found"] not in seen.text
    assert words["tour.sheet_last"] not in seen.text
    assert words["tour.sheet_answers_of"] in seen.text
    assert words["tour.sheet_none"] in Reader(page_of(monkeypatch, language, answer=())).text


def test_names_are_shown_letter_by_letter_and_nothing_is_fetched(monkeypatch):
    page = page_of(monkeypatch, "en", model=NASTY, answer=(NASTY,))
    seen = Reader(page)
    assert "script" not in seen.tags and seen.text.count(NASTY) == 1 + 6 * 3
    assert {attributes["alt"] for tag, attributes in seen.attributes if tag == "img"} == {NASTY}
    assert not [attributes for tag, attributes in seen.attributes if tag in ("link", "script", "iframe")]
    assert {attributes["src"] for tag, attributes in seen.attributes if tag == "img"} == {PIXEL}
    assert not re.search(r"url\(|@import", worksheet.STYLE)
