"""From nothing to a page, and from page to page: a fresh server process and a fresh browser each time, as somebody who types `make run` sees it."""

import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import summary

ROOT = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 180_000  # ms
GOALS = {"paint": 2.5, "usable": 8.0, "change": 1.0}  # seconds at most, on two cores
USABLE = "[data-testid=stApp][data-test-script-state=notRunning] [data-testid=stMain] [data-testid=stAlertContainer]"


# Another title than before, and everything below it drawn.
CHANGED = """before => {
    const title = document.querySelector('h1')?.innerText, app = document.querySelector('[data-testid=stApp]');
    return title && title !== before && app.dataset.testScriptState === 'notRunning'
        && !document.querySelector('[data-stale=true], [data-testid=stSpinner], [data-testid=stSkeleton]')
        && [...document.querySelectorAll('[data-testid=stPlotlyChart]')].every(chart => chart.querySelector('.main-svg'));
}"""


def rows(*, repetitions=3, quick=False):
    """Time the server's start, the first paint and the first verdict, each from the start of the process, and each page's change once it was visited.

    Returns: a list of `Row`, with the goal and the machine's load beside the seconds.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("start: no Chromium here, not measured", file=sys.stderr)
        return []
    runs = [_run(browser) for _ in range(1 if quick else repetitions)]
    titles = {"answers": "the server answers", "paint": "the title is on screen", "usable": "a verdict is on screen and the page is at rest"}
    titles["again"] = "the page opened again, in a new session"
    titles |= {key: f"to the page {key.partition(' ')[2]!r}, visited before" for key in runs[0] if key.startswith("change ")}
    return [_row(key, title, [run[key] for run in runs], [run["load"] for run in runs]) for key, title in titles.items()]


def _row(key, title, seconds, loads):
    goal = GOALS.get(key.partition(" ")[0])
    load = f"load {min(loads):.1f} to {max(loads):.1f}"
    row = summary("start", title, seconds, "s", load)
    return row if goal is None else replace(row, note=f"goal {goal:g} s: {'kept' if row.value <= goal else 'missed'}; {load}")


def _run(browser):
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        flags = ["--disable-gpu", "--disable-background-networking", "--no-first-run", *["--no-sandbox"] * (os.getuid() == 0)]
        page = playwright.chromium.launch(executable_path=browser, args=flags).new_page(locale="en-US")
        page.set_default_timeout(PATIENCE)
        command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.headless=true", f"--server.port={port}"]
        began, seconds = time.perf_counter(), {"load": os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan}
        with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "HOME": home}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                _wait(f"{address}/_stcore/health", server)
                seconds["answers"] = time.perf_counter() - began
                page.goto(address, wait_until="commit")
                page.get_by_role("heading", level=1).first.wait_for()
                seconds["paint"] = time.perf_counter() - began
                page.locator(USABLE).first.wait_for()
                seconds["usable"] = time.perf_counter() - began
                again = time.perf_counter()
                page.goto(address, wait_until="commit")
                page.locator(USABLE).first.wait_for()
                seconds["again"] = time.perf_counter() - again
                _changes(page)
                seconds |= _changes(page)
            finally:
                server.terminate()
    return seconds


def _changes(page):
    """Walk through all pages by the sidebar and back to the first. Returns: {"change " and a page's address: seconds from the click until it is drawn}."""
    seconds, links = {}, page.get_by_test_id("stSidebarNavLink")
    for number in (*range(1, links.count()), 0):
        name = links.nth(number).get_attribute("href").rpartition("/")[2] or "verdict"
        before = page.locator("h1").first.inner_text()
        began = time.perf_counter()
        links.nth(number).click()
        page.wait_for_function(CHANGED, arg=before)
        seconds[f"change {name}"] = time.perf_counter() - began
    return seconds


def _wait(address, server, limit=180):
    end = time.perf_counter() + limit
    while time.perf_counter() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the dashboard did not start")
