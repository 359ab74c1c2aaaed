"""Tests of unknown pictures that are brought: measured as the pack's own were, in the background, found again by the link."""

import io
import time

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from core import jobs
from core.detectors import DETECTORS
from core.detectors.odin import perturbation
from core.errors import InputError
from core.images.preprocess import stack
from core.images.sources import Item, open_source
from core.packs import list_packs
from core.verdict import Judge
from dashboard import compute
from dashboard.language import LANGUAGES, catalogue
from dashboard.parts import sets
from tests.dashboard.pages import healthy, open_page

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Spare the intervals, which every new set is given and no test here reads, most of their seconds."""
    monkeypatch.setattr(compute, "RESAMPLES", 20)


@pytest.fixture
def endless(monkeypatch):
    """Let a measurement go on until it is stopped."""

    def measure(job, *_):
        while not job.stop.wait(0.01):
            job.report(7, 100)
        job.report(8, 100)

    monkeypatch.setattr(sets, "measure", measure)
    yield
    for one in sets._registry()[0].values():
        one.job.stop.set()


def visit(language="en", **query):
    """Open the page by a link and let it run."""
    return open_page("detector", language, **{"pack": "toybox", **query})


def words(key, language="en", **values):
    return catalogue(language)[key].format(**values)


def started(page, key="bring_start"):
    """Press a button that measures. Returns: the measurement."""
    held = sets._registry()[0]
    before = set(held)
    healthy(page.button(key=key).click().run())
    (one,) = set(held) - before
    return held[one]


def ended(page, one):
    """Wait until a measurement ends, and let the page see it."""
    one.job._thread.join(60)
    return healthy(page.run())


def offered(page):
    return page.selectbox(key="ood").options


def bars(page):
    return [bar.proto.text for bar in page.get("progress")]


def png(seed):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def probed(pack, source, n):
    """Measure the first pictures of a source in one go."""
    images = stack([pack.preprocessing.see(source[i].open(near=pack.preprocessing.size)) for i in range(n)])
    return pack.probe(images, perturb=perturbation(pack.preprocessing))


@pytest.mark.parametrize("spec", ["noise:uniform", "toybox:letters"])
def test_a_set_is_measured_as_one_probe_would_measure_it(spec, pack, monkeypatch):
    monkeypatch.setattr(sets, "BATCH", 8)
    n, source, job, reports = 14, open_source(spec), jobs.Job(), []
    job.report = lambda *now: reports.append(now)
    names = tuple(f"{spec}/{i}" for i in range(n))
    found, expected = sets.measure(job, pack, source, names), probed(pack, source, n)
    for one, other in ((found.activations, expected), (found.activations.perturbed, expected.perturbed)):
        torch.testing.assert_close(one.norms, other.norms, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(one.logits, other.logits, rtol=1e-4, atol=1e-3)
    assert (found.ids, found.unreadable) == (names, ())
    assert reports == [(0, 14), (8, 14), (14, 14)]


def test_a_pack_s_own_pictures_measure_what_its_reference_says(pack):
    found = sets.measure(jobs.Job(), pack, open_source("toybox:near"), [str(i) for i in range(10)])
    torch.testing.assert_close(found.activations.norms, pack.reference.unknown["near"][:10].norms, rtol=0.01, atol=0.01)


def test_files_that_cannot_be_read_are_listed_and_the_others_measured(pack):
    items = [Item("a", png(0)), Item("b", b"only text"), Item("c", png(1)), Item("d", b"")]
    found = sets.measure(jobs.Job(), pack, items, ["id a", "id b", "id c", "id d"])
    assert (found.ids, found.unreadable) == (("id a", "id c"), ("id b", "id d"))
    expected = probed(pack, [items[0], items[2]], 2)
    torch.testing.assert_close(found.activations.logits, expected.logits, rtol=1e-4, atol=1e-3)


def test_where_nothing_can_be_read_that_is_said(pack):
    with pytest.raises(InputError, match="None of these files") as caught:
        sets.measure(jobs.Job(), pack, [Item("a", b"only text")], ["a"])
    assert caught.value.key == "source.unreadable"


def test_a_measurement_stops_within_two_seconds(pack):
    source = open_source("noise:gaussian")
    job = jobs.start(sets.measure, pack, source, tuple(map(str, range(len(source)))))
    while not job.done and job.running:
        time.sleep(0.01)
    job.stop.set()
    start = time.monotonic()
    job.wait(30)
    assert time.monotonic() - start < 2
    assert job.stopped and job.result is None and 0 < job.done < len(source)


def test_a_set_is_measured_joins_the_others_and_is_found_again_by_the_link(pack):
    page = visit()
    before = offered(page)
    healthy(page.segmented_control(key="bring_size").set_value(sets.SIZES[0]).run())
    one = started(page)
    assert page.query_params["job"] == one.id and len(one.id) > 20 and one.total == sets.SIZES[0]
    ended(page, one)
    assert offered(page) == [*before, f"◆ {words('detect.set_noise:uniform')}"]
    again = visit("ko", job=one.id, ood="noise:uniform")
    assert offered(again)[-1] == f"◆ {words('detect.set_noise:uniform', 'ko')}"
    assert (again.selectbox(key="ood").value, again.query_params["job"]) == ("noise:uniform", one.id)
    judge, n = Judge(pack.reference, tuple(DETECTORS)), sets.SIZES[0]
    scores = judge.scores(probed(pack, open_source("noise:uniform"), n))
    found = {d: 100 * roc_auc_score([1] * len(known) + [0] * n, np.append(known, scores[d])) for d, known in judge.known_scores.items()}
    best = max(found, key=found.get)
    values = {"best": words(f"detector.{best}", "ko"), "set": words("detect.set_noise:uniform", "ko"), "auroc": f"{found[best]:.1f}", "n": len(DETECTORS)}
    assert again.header[0].value == words("detect.found", "ko", **values)
    row = next(button.key for button in again.button if (button.key or "").startswith("divided_noise:uniform_")).rpartition("_")[2]
    healthy(again.button(key=f"divided_noise:uniform_{row}").click().run())
    assert again.query_params["picture"] == f"noise:uniform/{row}"


def test_own_pictures_are_measured_and_stay_in_their_session():
    page = visit("ko")
    files = [("one.png", png(0), "image/png"), ("**letter**.png", b"only text", "image/png"), ("two.png", png(1), "image/png")]
    healthy(page.file_uploader(key="bring_files_0").set_value(files).run())
    assert page.button(key="bring_start_own").label == words("detect.bring_start_own", "ko", n=3)
    one = started(page, "bring_start_own")
    ended(page, one)
    assert offered(page)[-1] == f"◆ {words('detect.set_own', 'ko', n=2)}"
    assert words("detect.bring_unreadable", "ko", n=1, names=r"\*\*letter\*\*.png") in [caption.value for caption in page.caption]
    healthy(page.selectbox(key="ood").set_value(one.name).run())
    healthy(page.selectbox(key="range").set_value(0).run())
    button = next(button for button in page.button if (button.key or "").startswith(f"bin_{one.name}_"))
    healthy(button.click().run())
    assert page.session_state["primary"] in one.job.result.ids and page.query_params["picture"] == "brought"
    other = visit(**page.query_params)
    assert other.button(key=button.key).label == button.label
    assert len(other.image) < len(page.image), "a link carries the numbers, not the pictures"


def test_pictures_that_cannot_be_read_are_answered_by_a_sentence():
    page = visit("ko")
    before = offered(page)
    healthy(page.file_uploader(key="bring_files_0").set_value([("letter.png", b"only text", "image/png")]).run())
    ended(page, started(page, "bring_start_own"))
    assert [e.value for e in page.error] == [words("error.source.unreadable", "ko")]
    assert offered(page) == before and "job" not in page.query_params


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_measurement_that_is_gone_is_said(language):
    page = visit(language, job="0123456789abcdef,,x")
    assert [w.value for w in page.warning] == [words("detect.bring_gone", language)]
    assert "job" not in page.query_params and len(page.header) == 5


@pytest.mark.parametrize("language", LANGUAGES)
def test_progress_is_shown_and_cancel_stops_it(language, endless):
    page = visit(language)
    before, one = offered(page), started(page)
    while not one.job.done:
        time.sleep(0.01)
    healthy(page.run())
    text = words("detect.bring_progress", language, name=words("detect.set_noise:uniform", language), done=7, total=sets.SIZES[1])
    assert [bar.startswith(text) for bar in bars(page)] == [True]
    healthy(page.button(key=f"cancel_{one.id}").click().run())
    assert one.job.stop.is_set()
    ended(page, one)
    assert one.job.stopped and not bars(page)
    assert [i.value for i in page.info] == [words("detect.bring_stopped", language)]
    assert offered(page) == before and "job" not in page.query_params


def test_a_running_measurement_is_found_by_the_link_too(endless):
    one = started(visit())
    assert len(bars(visit(job=one.id))) == 1


def test_two_sets_are_measured_at_once_and_a_third_waits(endless):
    page = visit()
    started(page)
    healthy(page.selectbox(key="bring_spec").set_value("noise:gaussian").run())
    started(page)
    assert len(bars(page)) == 2 and page.button(key="bring_start").disabled
    assert words("detect.bring_full", n=2) in [caption.value for caption in page.caption]


def test_a_set_that_is_measured_anew_is_not_measured_twice(endless):
    page = visit()
    first, second = started(page), started(page)
    assert first.job.stop.is_set() and not second.job.stop.is_set()
    assert page.query_params["job"] == second.id and len(bars(page)) == 1


def test_a_link_may_name_a_measurement_twice(endless):
    one = started(visit())
    page = visit(job=f"{one.id},{one.id}")
    assert len(bars(page)) == 1 and page.query_params["job"] == one.id


def test_a_failure_that_is_ours_is_said_and_logged(monkeypatch, caplog):
    def measure(job, *_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(sets, "measure", measure)
    page = visit()
    before, one = offered(page), started(page)
    ended(page, one)
    assert [e.value for e in page.error] == [words("detect.bring_failed")]
    assert offered(page) == before and "job" not in page.query_params
    assert "a bug" in caplog.text


def test_the_server_forgets_the_oldest_measurement(monkeypatch, endless):
    monkeypatch.setattr(sets, "KEPT", 1)
    first = started(visit())
    second = started(visit())
    assert list(sets._registry()[0]) == [second.id] and first.job.stop.is_set()
    assert [w.value for w in visit(job=first.id).warning] == [words("detect.bring_gone")]
