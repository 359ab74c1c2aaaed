"""The page stands alone, escapes whatever strangers named, and its commands run."""

import html
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest

from core.cli import parse
from core.images.item import Item
from core.report.figures import catalogue, figures
from core.report.page import commands, page
from core.report.sentences import sentences
from core.words import LANGUAGES

ITEM = Item("cat.png", np.full((6, 9, 3), 90, np.uint8))
HOSTILE = '<script>alert("x")</script>.png'


class Tags(HTMLParser):
    """Collect the tags of a page: (name, attributes)."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


def test_each_sentence_stands_there_with_its_facts(make_facts, language):
    facts = make_facts()
    text, numbers = page(facts, ITEM, language), {name: n for n, name in enumerate(figures(facts), 1)}
    ids = [attrs["id"] for _, attrs in Tags(text).found if "id" in attrs]
    assert sorted(ids) == sorted(f"f{n}" for n in numbers.values())
    for sentence in sentences(facts, language):
        footnotes = "".join(re.findall(re.escape(html.escape(sentence.text, quote=False)).replace("'", "&\\#39;") + r"<sup>(.*?)</sup>", text)[:1])
        assert re.findall(r'href="#f(\d+)"', footnotes) == [str(n) for n in sorted(numbers[name] for name in sentence.values)], sentence.key


def test_the_page_needs_nothing_from_elsewhere(make_facts, language):
    text = page(make_facts(), ITEM, language)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link|<iframe|javascript:", text)
    assert all(attrs["src"].startswith("data:image/") and attrs["alt"] for tag, attrs in Tags(text).found if tag == "img")
    assert f'<html lang="{language}">' in text and "@media print" in text and "size: A4" in text


def test_what_strangers_named_is_escaped(make_facts, language):
    named = {"file": HOSTILE, "class_name": "<b>&", "runner_up": "{x}", "block": "<i>", "pack": '"><img src=x>', "arch": "<u>"}
    text = page(make_facts(**named), ITEM, language)
    tags = {tag for tag, _ in Tags(text).found}
    assert not tags & {"script", "b", "i", "u"} and "&lt;script&gt;" in text and "&lt;b&gt;&amp;" in text and "{x}" in text
    assert sum(tag == "img" for tag, _ in Tags(text).found) == 4


def test_a_class_is_called_by_its_name_whatever_it_is(make_facts, language):
    text = page(make_facts(class_name="sure", runner_up="answer.sure"), ITEM, language)
    assert "sure" in text and catalogue(language)["answer.sure"] not in text


@pytest.mark.parametrize("file", ["cat.png", "-rf.png", "my cat's $HOME.png", "folder/cat.png"])
def test_its_commands_are_commands(make_facts, language, file):
    facts = make_facts(file=file, keep=0.985, missing=("rsp",), hand_off={"risk": 0.02})
    found = [parse(shlex.split(line)[3:]) for line in commands(facts, language)]
    verdict, explain, trust, report = found
    assert [o.run.__name__ for o in found] == ["verdict", "explain", "trust", "report"]
    name = file.rpartition("/")[2]
    assert verdict.pictures == [report.picture] == [explain.picture] and report.picture.removeprefix("./") == name
    assert (verdict.keep, report.keep, report.detector, report.pack, report.lang) == (98.5, 98.5, "consensus", "toybox", language)
    assert explain.method == report.method == "gradcam,norm_occlusion,rsp"
    assert trust.risk == report.risk == 2 and trust.unknown_share == report.unknown_share == 5


def test_a_picture_of_a_source_is_named_as_report_takes_it(make_facts):
    found = [parse(shlex.split(line)[3:]) for line in commands(make_facts(spec="toybox:test/3"), "ko")]
    assert [o.run.__name__ for o in found] == ["trust", "report"] and found[1].picture == "toybox:test/3"


def test_a_report_without_maps_or_promise_is_whole(make_facts, language):
    facts = make_facts(maps=(), hand_off=None, missing=("rsp",), weights=None)
    text = page(facts, ITEM, language)
    assert catalogue(language)["handoff.untold"] in text and "RSP" in text
    assert [parse(shlex.split(line)[3:]).run.__name__ for line in commands(facts, language)] == ["verdict", "explain", "report"]
