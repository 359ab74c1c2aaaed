"""Tests of names and sentences on their way to the screen: whatever a name holds, it is shown letter by letter."""

import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.limits import limits
from dashboard.language import class_name, explain
from dashboard.language.text import LONGEST, for_spreadsheet, harmless, plain, sentence
from dashboard.parts.picker import _taken

HOSTILE = "<img src=x onerror=alert(1)>**b**[x](javascript:alert(1))$x$ :material/delete: `c` ~~d~~ __e__ http://a.b &lt;.png"
ALIVE = re.compile(r"(?<!\\)(?:\\\\)*(?:[`*\[\]<>$~|]|:(?=material|//)|&(?=lt;)|(?<![\w\\])__)")  # Markdown's signs without a backslash before them
NAMES = st.text() | st.text("<>*_[]()`$~|:/\\&;#\n\t ab", max_size=30)


@pytest.mark.parametrize("show", [plain, sentence, harmless])
def test_markup_is_shown_letter_by_letter(show):
    assert ALIVE.search(HOSTILE) and not ALIVE.search(show(HOSTILE))


@given(NAMES)
def test_no_name_does_anything(name):
    for show in (plain, sentence, harmless):
        shown = show(name)
        assert not ALIVE.search(shown) and shown.isprintable() and len(shown) <= 2 * LONGEST


@given(NAMES)
def test_backslashes_are_all_that_is_added(name):
    kept = "".join(c for c in name if c.isprintable())
    if len(kept) <= 60:
        assert re.sub(r"\\(.)", r"\1", plain(name)) == kept


@pytest.mark.parametrize("text", ["The file 'cat.png' has 33 MB.", "toybox:test, noise:uniform", "state_dict of layer1.0 (8 x 8), a = b", "고양이 그림입니다."])
def test_usual_text_stays_as_it_is(text):
    assert sentence(text) == text == harmless(text)


def test_an_error_and_a_class_that_repeat_a_hostile_name_do_nothing():
    error = InputError(f"There is no file {HOSTILE}\n# here.", key="weights.missing", file=HOSTILE)
    assert not ALIVE.search(explain(error)) and "\n" not in explain(error)
    assert not ALIVE.search(class_name(HOSTILE)) and class_name("teddy bear") == "teddy bear"


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+2", "-2+3", "@SUM(1)", "\t=1", "\r=1", "＝1"])
def test_a_spreadsheet_takes_no_name_for_a_formula(text):
    assert for_spreadsheet(text) == f"'{text}" and for_spreadsheet("cat=1.png") == "cat=1.png" and for_spreadsheet("") == ""


KEPT, KEPT_BYTES = limits().pictures, limits().person_mb * 10**6


class File:
    def __init__(self, size):
        self.size = size


@given(st.lists(st.integers(0, 2**27), max_size=KEPT + 50))
def test_so_many_files_are_taken_as_a_session_keeps(sizes):
    taken = _taken([File(size) for size in sizes])
    assert [f.size for f in taken] == sizes[: len(taken)] and len(taken) <= KEPT and sum(f.size for f in taken) <= KEPT_BYTES
    assert len(taken) in (len(sizes), KEPT) or sum(sizes[: len(taken) + 1]) > KEPT_BYTES


def test_the_table_that_is_downloaded_has_no_formula(monkeypatch):
    from dashboard.parts import chart

    made = []
    monkeypatch.setattr(chart.st, "download_button", lambda label, data, *rest, **options: made.append(data))
    chart.download_csv(pd.DataFrame({"file": ["=1+1.png", "b.png"], "score": [-1.5, 2.0]}), "verdicts.csv")
    assert made[0].decode("utf-8-sig").splitlines() == ["file,score", "'=1+1.png,-1.5", "b.png,2.0"]
