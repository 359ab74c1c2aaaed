"""Tests of the stream at the end of the page of detectors, run without a browser: it says what core says, and reads a person's own."""

from dataclasses import asdict

import pytest

from core.packs import list_packs, load_pack
from core.watch.halves import Half
from core.watch.history import History, read_history
from core.watch.replay import replay
from core.watch.watch import Settings, Watch
from dashboard.language import LANGUAGES, catalogue
from tests.dashboard.pages import healthy, open_page

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")


@pytest.fixture(scope="module")
def half():
    pack = load_pack("toybox", device="cpu")
    half = Half(pack.reference, "consensus")
    return half, half.p_values(pack.reference.unknown["near"])


def words(key, language="en", **values):
    return catalogue(language)[key].format(**values)


def last_header(page):
    return page.header[-1].value


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_stream_says_what_core_says(half, language):
    half, near = half
    page = open_page("detector", language, pack="toybox", watch_share=30, watch_start=5)
    found = replay(half.fresh, near, Settings(half.known, fdr=0.1), size=50, share=0.3, start=5)
    first = next(s for s in found.seen if s.alarm)
    values = {"batch": first.batch, "start": 5, "share": 30, "unknown": catalogue(language)["blocks.set_near"], "since": first.since}
    assert last_header(page) == words("watch.found", language, **values)
    flagged, right = found.flagged
    numbers = {"of": sum(u.sum() for u in found.unknown), "wrong": f"{100 * found.false_share:.1f}", "rate": 10}
    texts = [m.value for m in page.markdown]
    assert words("watch.flagged", language, flagged=flagged, right=right, **numbers) in texts
    assert f"**{words('watch.alarms', language, n=sum(s.alarm for s in found.seen))}**" in texts
    table = next(d.value for d in page.dataframe if d.proto.alt.endswith(last_header(page)))
    assert table[words("word.evidence", language)].tolist() == [round(s.evidence, 2) for s in found.seen]


def test_controls_change_the_stream_and_the_link(half):
    half, near = half
    page = open_page("detector", pack="toybox")
    healthy(page.slider(key="watch_share").set_value(0).run())
    quiet = replay(half.fresh, near, Settings(half.known), size=50, share=0, start=8)
    assert not any(s.alarm for s in quiet.seen) and last_header(page) == words("watch.quiet", n=len(quiet.seen))
    assert page.query_params["watch_share"] == "0"


def test_a_history_and_p_values_of_ones_own_are_read(tmp_path):
    watch, history = Watch(Settings(200)), tmp_path / "history.jsonl"
    log = History(history, {"watch": asdict(Settings(200)), "detector": "knn", "pack": "mine"})
    for ood in (1, 0, 30):
        log.add(watch.see([1 / 201] * ood + [1.0] * (40 - ood)), [], [], watch.state)
    page = open_page("detector", "ko", pack="toybox")
    healthy(page.file_uploader(key="watch_file").upload("history.jsonl", history.read_bytes(), "application/json").run())
    assert f"**{words('watch.own_alarm', 'ko', n=1, batch=3, since=3)}**" in [m.value for m in page.markdown]
    when = read_history(history.read_bytes())[1][2]["at"]
    assert any(when in d.value.to_csv() for d in page.dataframe)
    healthy(page.file_uploader(key="watch_file").upload("history.jsonl", b"{}\n", "application/json").run())
    assert words("error.watch.history", "ko") in [e.value for e in page.error]
    healthy(page.file_uploader(key="watch_file").upload("scores.parquet", b"PAR1", "application/octet-stream").run())
    assert words("error.watch.scored", "ko") in [e.value for e in page.error]
