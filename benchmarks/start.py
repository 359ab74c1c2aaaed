"""From nothing to a page: a fresh server process and a fresh browser each time, as somebody who types `make run` sees it."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.harness import summary

ROOT = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 180_000  # ms
USABLE = "[data-testid=stApp][data-test-script-state=notRunning] [data-testid=stMain] [data-testid=stAlertContainer]"


def rows(*, repetitions=3, quick=False):
    """Time the server's start, the first paint and the first verdict, each from the start of the process. Returns: a list of `Row`."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("start: no Chromium here, not measured", file=sys.stderr)
        return []
    runs = [_run(browser) for _ in range(1 if quick else repetitions)]
    titles = {"answers": "the server answers", "paint": "the title is on screen", "usable": "a verdict is on screen and the page is at rest"}
    titles["again"] = "the page opened again, in a new session"
    return [summary("start", title, [run[key] for run in runs], "s") for key, title in titles.items()]


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
        began, seconds = time.perf_counter(), {}
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
            finally:
                server.terminate()
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
