"""The page about the server says what was counted, the gravest thing first."""

from dataclasses import replace

import pytest

from core.traffic import Lately
from dashboard import serving, signin
from dashboard.language import LANGUAGES, catalogue
from tests.dashboard.pages import open_page

PAGES = [Lately("verdict", 20, 0, 0.41, 1.2), Lately("adaptation", 3, 0, 2.0, 7.25), Lately("blocks", 1, 0, None, None)]
QUEUES = (serving.Queue("adaptations", 4, 0), serving.Queue("makings", 1, 0))
WELL = serving.State(3, 5, 90_000.0, PAGES, 0.44, [0] * 14 + [24], QUEUES, 2 * 2**30, 8 * 2**30, {"0: H100": (2**30, 80 * 2**30)}, (90, 100))


@pytest.fixture
def visit(monkeypatch):
    def go(state=WELL, language="en"):
        monkeypatch.setattr(serving, "state", lambda: state)
        return open_page("status", language)

    return go


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_is_well(visit, language):
    page, words = visit(language=language), catalogue(language)
    assert page.title[0].value == words["status.title"]
    assert page.header[0].value == words["status.well"].format(people=3, median="0.4")
    assert [metric.value for metric in page.metric] == ["3", words["status.in_seconds"].format(value="0.44"), "5 + 0", "2.0 GiB"]
    finding = words["status.slowest"].format(page=words["adapt.page"], p95="7.2", minutes=15)
    assert [s.value for s in page.subheader][:2] == [finding, words["status.total"].format(n=24, minutes=15)]
    table, by_minute, rest = (frame.value for frame in page.dataframe)
    assert table.iloc[:, 0].tolist() == [words[f"{name}.page"] for name in ("adapt", "verdict", "blocks")]
    assert table.iloc[1, 1:].tolist() == [20, 0, 0.41, 1.2] and by_minute.iloc[:, 1].sum() == 24
    told = dict(rest.to_numpy().tolist())
    assert told[words["status.device"]] == words["status.device_used"].format(name="0: H100", used="1.0 GiB", total="80.0 GiB")
    assert told[words["status.uptime"]] == words["status.days"].format(days=1, hours=1) and told["python"]


@pytest.mark.parametrize(
    ("change", "key", "values"),
    [
        ({"median": 3.0}, "slow", {"people": 3, "median": "3.0"}),
        ({"queues": (serving.Queue("adaptations", 4, 7),), "median": 3.0}, "waiting", {"n": 7, "people": 3}),
        ({"used": 7.5 * 2**30, "queues": (serving.Queue("adaptations", 4, 7),)}, "full", {"percent": "94"}),
        ({"pages": [Lately("verdict", 9, 2, 0.3, 0.4)], "used": 7.5 * 2**30}, "failed", {"n": 2, "minutes": 15}),
        ({"pages": [], "median": None, "connected": None, "devices": {}, "used": None}, "fresh", {"people": 5}),
    ],
)
def test_the_gravest_thing_is_said_first(visit, change, key, values):
    page = visit(replace(WELL, **change))
    assert page.header[0].value == catalogue("en")[f"status.{key}"].format(**values)
    assert bool(page.info) == (key == "fresh")  # no chart without runs, but a sentence


def test_it_runs_on_what_the_server_counts_and_is_for_administrators(monkeypatch):
    page = open_page("status")
    assert page.header and len(page.metric) == 4
    monkeypatch.setenv(signin.ADMINS, "kim@home.example")
    page = open_page("status")
    assert page.error[0].value == catalogue("en")["status.not_yours"] and not page.metric and not page.dataframe
