"""What every page owes everybody: nothing that axe finds, charts as tables by keyboard, room on a phone, no motion; and that it looks as it did."""

import io
import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from core.words import LANGUAGES
from tests.browser import likeness
from tests.browser.conftest import PAGES, drawn, keep_result, settle

pytestmark = pytest.mark.browser

LIVE = {"status"}  # pages of figures of this moment, which no picture can hold
WITHOUT_CHARTS = {"workshop"}
QUERIES = {"tour": {"a1": "shown"}}  # the answer has a chart, the question has none
STREAMLITS = ()  # (rule, selector): faults that only Streamlit could mend
SIZE = {"width": 1280, "height": 900}
DATE = re.compile(r"\d{4}-\d\d-\d\d")
BACKGROUND = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
MOTION = """[...document.querySelectorAll('*')].filter(element => {
    const style = getComputedStyle(element), longest = times => Math.max(...times.split(',').map(parseFloat));
    return style.animationName !== 'none' && longest(style.animationDuration) > 0.01 || longest(style.transitionDuration) > 0.01;
}).length"""
LAST_STOP = "chart => { const stops = [...chart.querySelectorAll('button')].filter(button => button.tabIndex >= 0); stops.at(-1).focus(); return stops.length; }"
OPEN_ALL = "document.querySelectorAll('[data-testid=stMain] details:not([open]) > summary').forEach(summary => summary.click())"


def faults(page):
    """Return everything that axe finds, best practices too."""
    found = Axe().run(page).response["violations"]
    nodes = [(v["id"], v["help"], node) for v in found for node in v["nodes"]]
    excused = {(rule, target) for rule, selector in STREAMLITS for target in page.locator(selector).evaluate_all("all => all.map(e => e.outerHTML)")}
    return [f"{rule}: {says}: {node['html'][:200]}" for rule, says, node in nodes if (rule, node["html"]) not in excused]


def photograph(page):
    """Return the page as it is on screen. Days and hours are painted over."""
    return Image.open(io.BytesIO(page.screenshot(mask=[page.get_by_text(DATE)], mask_color="#808080")))


def in_theme(page, theme):
    """Let the system ask for a theme, and wait until the page wears it."""
    before = page.evaluate(BACKGROUND)
    page.emulate_media(color_scheme=theme)
    page.wait_for_function(f"{BACKGROUND} != '{before}'")
    settle(page)


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
    """Go from each chart to its table by the Tab key and open it by Enter. Returns: the number of charts."""
    charts = page.get_by_test_id("stMain").get_by_test_id("stPlotlyChart")
    for number in range(charts.count()):
        chart = charts.nth(number)
        assert chart.get_by_role("figure").or_(chart.locator("xpath=ancestor-or-self::*[@role='figure']")).first.get_attribute("aria-label")
        assert chart.evaluate(LAST_STOP)
        page.keyboard.press("Tab")
        control = page.locator("summary:focus")
        expect(control).to_have_text(re.compile("View as table$|표로 보기$"))
        page.keyboard.press("Enter")
        expect(control.locator("xpath=..").get_by_test_id("stDataFrame")).to_be_visible()
        page.keyboard.press("Space")
        expect(control.locator("xpath=..")).not_to_have_attribute("open", "")
    return charts.count()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_for_everybody_and_looks_as_it_did(visit, page, request, path, language):
    name, redraw = path or "verdict", request.config.getoption("--pictures")
    if path == "runs":
        keep_result(visit, page)
    page.set_viewport_size(SIZE)
    visit(path, lang=language, pack="toybox", **QUERIES.get(path, {}))
    length = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({**SIZE, "height": length})
    looks = {}
    for theme in ("light", "dark"):
        if theme == "dark":
            in_theme(page, theme)
        drawn(page)
        looks[theme] = None if path in LIVE else looks_as_before(page, f"{name}-{language}-{theme}", redraw)
    assert looks == {"light": None, "dark": None}
    page.set_viewport_size(SIZE)
    assert page.evaluate(MOTION) == 0
    assert tables_by_keyboard(page) or path in WITHOUT_CHARTS
    page.evaluate(OPEN_ALL)
    settle(page)
    assert faults(page) == []
    in_theme(page, "light")
    assert faults(page) == []
    for width in (640, 390):  # text at 200 % on a small laptop; a phone
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_function(f"document.querySelector('[data-testid=stMain]').scrollWidth <= {width}", timeout=5000)


def test_a_chart_that_is_gone_motion_and_a_missing_name_are_noticed(visit, page):
    """What the test above looks for can be found: otherwise it would pass on anything."""
    page.set_viewport_size(SIZE)
    visit(pack="toybox")
    length = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({**SIZE, "height": length})
    drawn(page)
    reference = likeness.kept("verdict-en-light")
    page.evaluate("document.querySelectorAll('[data-testid=stPlotlyChart] .main-svg').forEach((svg, k) => k || (svg.parentElement.style.visibility = 'hidden'))")
    assert "tiles look different" in likeness.unlike(photograph(page), reference)
    page.evaluate("document.querySelector('[data-testid=stPlotlyChart]').closest('[data-testid=stLayoutWrapper], [data-testid=stHorizontalBlock]').remove()")
    assert likeness.unlike(photograph(page), reference)
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(MOTION) > 0
    page.evaluate("document.querySelector('[data-testid=stImage] img').removeAttribute('alt')")
    assert [fault.split(":")[0] for fault in faults(page)] == ["image-alt"]
