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


def choices_are_kept(visit, content, widget, defaults, choices):
    """Make each choice of a page, come back by its link, and undo them. Raises: AssertionError where one changes nothing, is lost, or leaves a trace.

    Args: visit: opens the page by a link; content: what a page shows; widget: function of a page and a key; defaults, choices: {key: value}.
    """

    def chosen(page):
        return {key: widget(page, key).value for key in defaults}

    page, made = visit(), dict(defaults)
    first = content(page)
    for key, value in choices.items():
        before, made[key] = content(page), value
        healthy(widget(page, key).set_value(value).run())
        assert content(page) != before and chosen(page) == made, key
        assert page.query_params[key] == str(value)
    again = visit(**page.query_params)
    assert chosen(again) == choices
    assert content(again) == content(page)
    for key, value in defaults.items():
        widget(page, key).set_value(value)
    healthy(page.run())
    assert content(page) == first and not set(choices) & set(page.query_params)
