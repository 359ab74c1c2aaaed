"""The real server and a real browser: the system's Chromium, driven without a screen."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from core.packs import list_packs
from tests.soak.server import ROOT, serving

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
VIEWS = sorted(file.stem for file in (ROOT / "dashboard" / "views").glob("*.py"))
PAGES = ["" if view == "verdict" else view for view in VIEWS]  # by address; the first page has none
PATIENCE = 60_000  # ms; two slow cores draw a page in seconds, torch takes some more
STREAMLITS = (  # (rule, selector): faults that only Streamlit could mend, and no option of it
    ("presentation-role-conflict", "[data-testid=stFileUploaderDropzone]"),  # the place to drop files has no role, but a name
    ("scrollable-region-focusable", ".katex-display"),  # a formula wider than its column scrolls, but takes no focus
)
expect.set_options(timeout=PATIENCE)


def pytest_addoption(parser):
    parser.addoption("--screenshots", action="store_true", help="draw the pictures of the README into docs/screenshots")
    parser.addoption("--pictures", action="store_true", help="draw the pictures that pages are compared with into tests/browser/pictures")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Run these tests last: they take longest, and Playwright leaves an event loop running in this thread."""
    items.sort(key=lambda item: Path(__file__).parent in item.path.parents)


@pytest.fixture(scope="session")
def browser_type_launch_args():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium here: run tools/install_chromium.sh as root, or install chromium or google-chrome")
    flags = ["--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-quic"]
    return {"executable_path": found, "args": [*flags, *["--no-sandbox"] * (os.getuid() == 0)]}


@pytest.fixture(scope="session")
def browser_context_args():
    return {"locale": "en-US", "viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", "accept_downloads": True}


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Start the dashboard as `make run` does, with a home of its own. Yields: (its address, the file of its log, its home)."""
    if "toybox" not in list_packs():
        pytest.skip("no pack named toybox: it ships in assets/packs; make packs builds it")
    with serving(tmp_path_factory.mktemp("home")) as started:
        yield started.address, started.log, started.home
    assert "Traceback" not in started.log.read_text()


@pytest.fixture
def visit(page, server):
    """Return a function that opens a page by path and query and waits until its script has run; language English by default."""

    def go(path="", *, page=page, **query):
        page.set_default_timeout(PATIENCE)
        page.goto(f"{server[0]}/{path}?{urlencode({'lang': 'en', **query})}")
        settle(page)
        return page

    return go


def settle(page):
    """Wait until the page's script has run and what it drew stands; then there is no stack trace."""
    page.get_by_role("heading", level=1).first.wait_for(timeout=PATIENCE)  # before it, "not running" may mean "not yet"
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=PATIENCE)
    page.wait_for_function("!document.querySelector('[data-testid=stSpinner], [data-stale=true]')", timeout=PATIENCE)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestIdleCallback(done, {timeout: 2000})))")  # what was just drawn now answers to keys
    assert page.get_by_test_id("stException").count() == 0


def drawn(page):
    """Wait until everything that the page shows has been loaded and drawn: fonts, pictures, charts."""
    settle(page)
    page.wait_for_function("""!document.querySelector('[data-testid=stSkeleton]') && [...document.images].every(image => image.complete)
        && [...document.querySelectorAll('.js-plotly-plot')].every(plot => plot.querySelector('.main-svg'))""")
    page.evaluate("document.fonts.ready.then(() => true)")


def faults(page, *rules):
    """Return everything that axe finds, best practices too. Args: rules: only these."""
    found = Axe().run(page, options={"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})).response["violations"]
    nodes = [(v["id"], v["help"], node["target"][0], node["html"]) for v in found for node in v["nodes"]]
    matches = "([target, selector]) => document.querySelector(target).matches(selector)"
    excused = [any(rule == r and page.evaluate(matches, [target, selector]) for r, selector in STREAMLITS) for rule, _, target, _ in nodes]
    return [f"{rule}: {says}: {html[:200]}" for (rule, says, _, html), yes in zip(nodes, excused, strict=True) if not yes]


def keep_result(visit, page):
    """Keep a result from the Detector page."""
    visit("detector", pack="toybox")
    page.get_by_role("button", name="Keep this result").click()
    expect(page.get_by_role("link", name="Kept: open it")).to_be_visible()
