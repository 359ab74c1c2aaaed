"""The real server and a real browser: the system's Chromium, driven without a screen."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest

from core.packs import list_packs

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60_000  # ms; two slow cores draw a page in seconds, torch takes some more


def pytest_addoption(parser):
    parser.addoption("--screenshots", action="store_true", help="draw the pictures of the README into docs/screenshots")


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
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.headless=true"]
    command += ["--server.address=127.0.0.1", f"--server.port={port}", "--browser.serverAddress=127.0.0.1"]
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "BLOCKSCOPE_RUNS": f"sqlite:///{home}/runs.sqlite"}
    log = home / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
        yield f"http://127.0.0.1:{port}", log, home
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


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


def _wait_for(address, process, log, seconds=60):
    for _ in range(10 * seconds):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the dashboard did not start:\n{log.read_text()[-2000:]}")
