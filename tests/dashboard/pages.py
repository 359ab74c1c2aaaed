"""Open the dashboard's pages without a browser, by a link."""

from functools import cache
from pathlib import Path

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

# Each page that is opened looks through all installed packages; a server does so once.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
VIEWS = Path(__file__).parents[2] / "dashboard" / "views"


def open_page(name, language="en", **query):
    """Open a page of `dashboard/views` by a link and let it run."""
    page = AppTest.from_file(VIEWS / f"{name}.py", default_timeout=300)
    for key, value in {"lang": language, **query}.items():
        page.query_params[key] = str(value)
    return healthy(page.run())


def healthy(page):
    """Return a page that has run. Raises: AssertionError if it raised anything."""
    assert not page.exception, [e.message for e in page.exception]
    return page
