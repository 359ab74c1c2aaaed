"""What the server tells of itself, and what it never tells."""

import io
import json
import logging
import zipfile

import pytest
from PIL import Image
from streamlit.runtime.stats import StatsManager
from streamlit.testing.v1 import AppTest

from core import logs
from core.traffic import Traffic
from dashboard import compute, making, serving


@pytest.fixture
def kept():
    """Keep what is logged, from nothing on, and put the root logger back."""
    root = logging.getLogger()
    before = list(root.handlers)
    root.handlers[:] = [handler for handler in before if not type(handler).__module__.startswith("core.")]
    logs.set_up(keep=True)
    yield
    root.handlers[:] = before


def unpacked(data):
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


def test_the_diagnostics_tell_nothing_of_what_was_brought(kept, monkeypatch):
    monkeypatch.setenv("BLOCKSCOPE_USERS", "kim@home.example")
    monkeypatch.setenv("BLOCKSCOPE_DATA", "/home/kim/diaries")
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 60).convert("RGB").save(buffer, "PNG")

    def bring(picture):
        import contextlib

        from core.errors import InputError
        from dashboard.session import pictures

        pictures.add_upload("diary-of-kim.png", picture)
        with contextlib.suppress(InputError):
            pictures.add_upload("letter-of-kim.png", b"Dear diary")

    with logs.about(page="verdict", session="ab12"):
        page = AppTest.from_function(bring, kwargs={"picture": buffer.getvalue()}).run()
        assert not page.exception and [upload.name for upload in page.session_state["uploads"].values()] == ["diary-of-kim.png"]
        try:
            raise OSError("/home/kim/diary-of-kim.png")
        except OSError:
            logging.getLogger("dashboard.x").exception("a page failed")
    parts = unpacked(serving.diagnostics(serving.state()))
    assert set(parts) == {"about.json", "metrics.json", "log.jsonl"}
    lines = [json.loads(line) for line in parts["log.jsonl"].splitlines()]
    brought = [line for line in lines if line["message"].startswith("picture ")]
    assert {(line["message"], line["bytes"]) for line in brought} == {("picture brought", len(buffer.getvalue())), ("picture refused", len(b"Dear diary"))}
    assert [line["error"]["type"] for line in lines if "error" in line] == ["OSError"]
    whole = " ".join(parts.values())
    assert "kim" not in whole and "diary" not in whole
    about = json.loads(parts["about.json"])
    assert "toybox" in about["packs"] and about["versions"]["streamlit"] and about["limits"]["adaptations"] >= 1
    assert json.loads(parts["metrics.json"])["queues"] == [{"kind": kind, "running": 0, "waiting": 0} for kind in ("adaptations", "makings")]


def test_a_page_is_counted_and_logged_under_its_address(kept, monkeypatch):
    counted = Traffic()
    monkeypatch.setattr(serving, "traffic", lambda: counted)

    class Page:
        url_path, run = "", staticmethod(lambda: None)

    class Failing(Page):
        url_path = "blocks"

        @staticmethod
        def run():
            raise KeyError("diary")

    serving.run(Page())
    with pytest.raises(KeyError):
        serving.run(Failing())
    assert counted.totals == {("verdict", "whole"): 1, ("blocks", "failed"): 1}
    told = [line for line in map(json.loads, logs.latest()) if line["logger"] == "dashboard.serving"]
    assert [(line["message"], line["page"], line["ended"]) for line in told] == [("page ran", "verdict", "whole"), ("page ran", "blocks", "failed")]
    assert told[0]["session"] == told[1]["session"] and len(told[0]["session"]) == 8


def test_the_counts_are_told_as_prometheus_reads_them():
    now = [0.0]
    counted = Traffic(clock=lambda: now[0])
    for seconds in (0.2, 0.2, 40.0):
        with counted.run("verdict", "a"):
            now[0] += seconds
    manager = StatsManager()
    manager.register_provider(serving.Counted(counted))
    told = [line for stats in manager.get_stats().values() for stat in stats for line in stat.to_metric_str().splitlines()]
    assert 'blockscope_page_runs_total{ended="whole",page="verdict"} 3' in told
    assert 'blockscope_page_seconds_bucket{le="0.1",page="verdict"} 0' in told and 'blockscope_page_seconds_bucket{le="0.25",page="verdict"} 2' in told
    assert 'blockscope_page_seconds_bucket{le="30.0",page="verdict"} 2' in told and 'blockscope_page_seconds_bucket{le="+Inf",page="verdict"} 3' in told
    assert 'blockscope_page_seconds_count{page="verdict"} 3' in told
    assert not manager.get_stats(["active_sessions"])


def test_builds_and_trainings_stand_in_one_line_though_it_is_empty():
    assert making.builds().line is compute.trainings().line
