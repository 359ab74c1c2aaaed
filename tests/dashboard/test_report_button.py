"""The button of the start page: its file is made when it is asked for, in the language in use."""

from types import SimpleNamespace

import pytest

from dashboard.language import LANGUAGES, catalogue
from dashboard.parts import report


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("picture", "spec", "name"), [("toybox:test/3", "toybox:test/3", "3"), ("puzzle:0:toybox:test/3", None, "puzzle")])
def test_what_it_makes_is_about_this_picture(monkeypatch, language, picture, spec, name):
    asked, offered = {}, {}
    monkeypatch.setattr(report, "language", lambda: language)
    monkeypatch.setattr(report, "t", lambda key: catalogue(language)[key])
    monkeypatch.setattr(report.compute, "pack", lambda pack: pack)
    monkeypatch.setattr(report.st, "download_button", lambda label, data, file, mime, **_: offered.update(data=data, file=file, mime=mime))
    monkeypatch.setattr("core.report.facts.gather", lambda pack, item, **given: asked.update(given, pack=pack, item=item) or "facts")
    monkeypatch.setattr("core.report.page.page", lambda facts, item, wanted: (facts, item.name, wanted))
    report.report_button(SimpleNamespace(pack="toybox"), picture, "knn", 90.0)
    assert not asked, "nothing is measured before the click"
    assert offered["data"]() == ("facts", asked["item"].name, language)
    assert (asked["pack"], asked["spec"], asked["detector"], asked["keep"]) == ("toybox", spec, "knn", 0.9)
    assert offered["file"] == f"report-{name}-{language}.html" and offered["mime"] == "text/html"
