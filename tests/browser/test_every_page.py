"""What every page owes everybody: nothing that axe finds, charts as tables by keyboard, room on a phone, no motion; and that it looks as it did."""

import io
import os
import re
import time
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser import likeness
from tests.browser.conftest import PAGES, drawn, faults, keep_result, settle

pytestmark = pytest.mark.browser

LONG = pytest.mark.skipif(not os.environ.get("BLOCKSCOPE_LONG"), reason="takes minutes: set BLOCKSCOPE_LONG=1")
LOOKS = [("en", "light"), ("ko", "dark"), pytest.param("en", "dark", marks=LONG), pytest.param("ko", "light", marks=LONG)]
LIVE = {"status"}  # pages of figures of this moment, which no picture can hold
WITHOUT_CHARTS = {"workshop"}
QUERIES = {"tour": {"a1": "shown"}}  # the answer has a chart, the question has none
SIZE = {"width": 1280, "height": 900}
DATE = re.compile(r"\d{4}-\d\d-\d\d")
LENGTH = "document.querySelector('[data-testid=stMain]').scrollHeight"
MOTION = """[...document.querySelectorAll('*')].filter(element => {
    const style = getComputedStyle(element), longest = times => Math.max(...times.split(',').map(parseFloat));
    return style.animationName !== 'none' && longest(style.animationDuration) > 0.01 || longest(style.transitionDuration) > 0.01;
}).length"""
LAST_STOP = "chart => { const stops = [...chart.querySelectorAll('button')]; stops.at(-1).focus(); return stops.length; }"
REMOVE_FIRST = "document.querySelector('[data-testid=stPlotlyChart]').closest('[data-testid=stHorizontalBlock]').remove()"
OPEN_ALL = "document.querySelectorAll('[data-testid=stMain] details:not([open]) > summary').forEach(summary => summary.click())"


def photograph(page):
    """Return the page as it is on screen. Days and hours are painted over."""
    return Image.open(io.BytesIO(page.screenshot(mask=[page.get_by_text(DATE)], mask_color="#808080")))


def length(page):
    """Return how long the page is once it no longer grows, in pixels."""
    drawn(page)
    before = 0
    while (now := page.evaluate(LENGTH)) != before:
        before = now
        page.wait_for_timeout(500)
    return now


def looks_as_before(page, name, redraw):
    """Compare the page with its stored picture, again and again for a while: charts enter one by one. Returns: what differs, or None."""
    if redraw:
        page.wait_for_timeout(1500)
        likeness.keep(photograph(page), name)
    reference = likeness.kept(name)
    if reference is None:
        return "there is no picture of it: python -m pytest tests/browser/test_every_page.py --pictures draws them"
    end = time.monotonic() + 10
    while True:
        says = likeness.unlike(photograph(page), reference)
        if says is None or time.monotonic() > end:
            return says
        page.wait_for_timeout(500)


def tables_by_keyboard(page):
    """Go from each chart to its table by the Tab key and open it by Enter or Space. Returns: the number of charts."""
    charts = page.get_by_test_id("stMain").get_by_test_id("stPlotlyChart")
    for number in range(charts.count()):
        chart = charts.nth(number)
        assert chart.get_by_role("figure").or_(chart.locator("xpath=ancestor-or-self::*[@role='figure']")).first.get_attribute("aria-label")
        assert chart.evaluate(LAST_STOP)
        page.keyboard.press("Tab")
        control = page.locator("summary:focus")
        expect(control).to_have_text(re.compile("View as table$"))
        page.keyboard.press(("Enter", "Space")[number % 2])
        expect(control.locator("xpath=..").get_by_test_id("stDataFrame")).to_be_visible()
    return charts.count()


@pytest.mark.parametrize(("language", "theme"), LOOKS)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_for_everybody_and_looks_as_it_did(visit, page, server, request, path, language, theme):
    asked, broken = set(), []
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.emulate_media(color_scheme=theme)
    if path == "runs":
        keep_result(visit, page)
    visit(path, lang=language, pack="toybox", **QUERIES.get(path, {}))
    page.set_viewport_size({**SIZE, "height": length(page)})
    redraw = request.config.getoption("--pictures")
    if path not in LIVE:
        assert looks_as_before(page, f"{path or 'verdict'}-{language}-{theme}", redraw) is None
    assert page.evaluate(MOTION) == 0
    assert language != "en" or tables_by_keyboard(page) or path in WITHOUT_CHARTS
    page.evaluate(OPEN_ALL)
    settle(page)
    page.set_viewport_size({**SIZE, "height": page.evaluate(LENGTH)})  # axe judges the contrast of what is on screen alone
    assert faults(page) == []
    for width in (640, 390):  # text at 200 % on a small laptop; a phone
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_function(f"document.querySelector('[data-testid=stMain]').scrollWidth <= {width}", timeout=20_000)
    assert asked - {"", urlsplit(server[0]).netloc} == set()  # nothing is asked of the internet
    assert broken == []


def test_a_section_that_is_gone_motion_and_a_missing_name_are_noticed(visit, page):
    """What the test above looks for can be found: otherwise it would pass on anything."""
    visit(pack="toybox")
    page.set_viewport_size({**SIZE, "height": length(page)})
    drawn(page)
    page.wait_for_timeout(1500)  # charts enter one by one
    reference = likeness.small(photograph(page))
    assert likeness.unlike(photograph(page), reference) is None
    page.evaluate(REMOVE_FIRST)
    assert likeness.unlike(photograph(page), reference)
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(MOTION) > 0
    page.evaluate("document.querySelector('[data-testid=stImage] img').removeAttribute('alt')")
    assert [fault.split(":")[0] for fault in faults(page)] == ["image-alt"]
