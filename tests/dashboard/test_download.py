"""The offer to download CIFAR-10: only on a click, with a sentence where there is no network."""

import pytest
from streamlit.testing.v1 import AppTest

from core import jobs
from core.errors import InputError
from core.packs import list_packs
from dashboard.language import catalogue
from dashboard.parts import download as offer
from tests.dashboard.pages import VIEWS

pytestmark = pytest.mark.skipif("cifar10" not in list_packs(), reason="the pack cifar10 is not here")


@pytest.fixture
def page(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("BLOCKSCOPE_DATA", raising=False)
    page = AppTest.from_file(VIEWS / "verdict.py", default_timeout=60)
    page.query_params["pack"], page.query_params["lang"] = "cifar10", "ko"
    return page


def buttons(page):
    return [b.label for b in page.button if "CIFAR-10" in b.label]


def test_without_the_pictures_they_are_offered(page):
    assert buttons(page.run()) == [catalogue("ko")["download.button"]]
    assert catalogue("ko")["picker.gallery_unknown"] in [caption.value for caption in page.caption], "no last ones: none is known"


def test_with_the_pictures_nothing_is_offered(page, monkeypatch):
    monkeypatch.setattr(offer, "downloaded", lambda name: True)
    assert buttons(page.run()) == []


def test_while_it_runs_its_progress_is_shown_and_a_failure_is_a_sentence(page, monkeypatch):
    def fail(name):
        raise InputError("No network.", key="download.failed", name=name)

    monkeypatch.setattr(offer, "download", fail)
    page.run()
    next(b for b in page.button if "CIFAR-10" in b.label).click().run()
    page.session_state["download"].wait(10)
    page.run()
    assert not page.exception
    assert [e.value for e in page.error] == [catalogue("ko")["error.download.failed"].format(name="CIFAR10")]
    assert buttons(page), "it can be tried again"


def test_progress_is_the_share_that_has_arrived(page, monkeypatch):
    monkeypatch.setattr(offer, "download_size", lambda name: 0.42)
    page.run()
    job = jobs.start(lambda job: job.stop.wait(60))
    page.session_state["download"] = job
    page.run()
    assert "42" in page.get("progress")[0].proto.text
    job.stop.set()
