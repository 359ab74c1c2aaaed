"""Open the dashboard's pages without a browser, by a link."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

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
