"""Tests of the Why section, run without a browser: what it says is what the core computes."""

import pytest

from core.errors import InputError
from core.explanation import EXPLANATIONS
from core.explanation.explained import draw, place, regions, weigh
from core.explanation.measured import measured
from core.images.preprocess import stack
from core.images.sources import open_source
from core.packs import load_pack
from dashboard import explaining
from dashboard.charts.style import percent
from dashboard.language import LANGUAGES, catalogue
from tests.dashboard.pages import healthy, open_page

PACK = "toybox-m-tlat"


@pytest.fixture(scope="module")
def pack():
    return load_pack(PACK, device="cpu")


@pytest.fixture
def visit():
    """Return a function that opens the page by a link; what it started in the background ends with the test."""
    opened = []

    def go(language="en", **query):
        opened.append(open_page("verdict", language, **{"pack": PACK, "picture": "toybox:test/2", **query}))
        return opened[-1]

    yield go
    for work in (page.session_state["why_work"] for page in opened if "why_work" in page.session_state):
        work.job.stop.set()
        work.job.wait(60)


def of_core(pack, spec, method="gradcam", block=None):
    source, _, index = spec.rpartition("/")
    seen = pack.preprocessing.see(open_source(source)[int(index)].open())
    image = pack.preprocessing.normalise(stack([seen]))
    return weigh(draw(method, pack, image, block=block), pack, image)


def shares(page):
    """Return the table below the map: each region's contribution in percent."""
    return next(d.value for d in page.dataframe if catalogue("en")["word.contribution"] in d.value or catalogue("ko")["word.contribution"] in d.value)


def texts(page):
    return " ".join(m.value for m in (*page.markdown, *page.caption)).replace("\N{NO-BREAK SPACE}", " ")


def captions(page):
    return [drawn.caption.replace("\N{NO-BREAK SPACE}", " ") for image in page.image for drawn in image.proto.imgs]


def test_it_stays_closed_until_it_is_opened(visit):
    page = visit()
    assert not page.toggle(key="why").value and "why_work" not in page.session_state
    healthy(page.toggle(key="why").set_value(True).run())
    assert page.session_state["why_work"].keys


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_map_is_that_of_core_at_any_block(visit, pack, language):
    words = catalogue(language)
    page = visit(language, why=True, why_block="layer3.1")
    for block in ("layer3.1", "layer1.0"):
        healthy(page.select_slider(key="why_block").set_value(block).run())
        one = of_core(pack, "toybox:test/2", block=block)
        (row, column), half = place(one.values)
        found = {"method": words["explanation.gradcam"], "name": words["class.duck"], "half": f"{100 * half:.0f}"}
        assert words["why.found_class"].format(**found, place=words[f"why.place_{row}{column}"]) in [h.value for h in page.header]
        assert shares(page).iloc[:, 2].tolist() == pytest.approx((100 * regions(one.values)).ravel().round(2).tolist(), abs=0.011)
    assert str(measured(PACK)["gradcam"].pictures) in texts(page)


def test_masks_and_changes_come_from_the_background(visit, pack):
    page = visit(why=True, why_method="occlusion")
    page.session_state["why_work"].job.wait(200)
    healthy(page.run())
    one = of_core(pack, "toybox:test/2", "occlusion")
    assert shares(page).iloc[:, 2].tolist() == pytest.approx((100 * regions(one.values)).ravel().round(2).tolist(), abs=0.011)
    assert f"**{one.deletion:.2f}**" in texts(page) and f"**{one.insertion:.2f}**" in texts(page)
    said = captions(page)
    assert sum(any(mark in c for mark in ("believed on this model", "not measured on this model")) for c in said) == len(EXPLANATIONS)
    masks = next(found for key in page.session_state["why_work"].keys if isinstance(found := explaining.kept().get(key), explaining.Masked))
    assert f"With this {100 * masks.keep_share:.0f} % alone: duck {percent(masks.confidence_kept)} %" in said
    assert f"Without this {100 * masks.remove_share:.0f} %: duck {percent(masks.confidence_removed)} %" in said
    assert sum("/255 (RMS)" in c or "No " in c or "cells exchanged" in c for c in said) == len(explaining.CHANGES)


def test_cancelled_work_can_go_on(visit):
    page = visit(why=True, picture="toybox:test/7")
    page.session_state["why_work"].job.stop.set()
    page.session_state["why_work"].job.wait(60)
    healthy(page.run())
    assert catalogue("en")["detect.bring_stopped"] in [i.value for i in page.info]
    assert page.button(key="why_again")


def test_a_map_that_a_network_cannot_have_is_told_in_one_sentence(visit, monkeypatch):
    error = InputError("RSP has no rule for LayerNorm.", key="explanation.unavailable", layer="LayerNorm")
    monkeypatch.setattr(explaining, "_draw", lambda *_, **__: error)
    assert any("LayerNorm" in i.value for i in visit(why=True, picture="toybox:test/9").info)
