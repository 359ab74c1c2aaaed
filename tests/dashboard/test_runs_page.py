"""The page of kept results: what it says is what the store holds."""

import pytest

from core.runs import Store
from dashboard.language import LANGUAGES, catalogue
from tests.dashboard.pages import open_page


def result(energy, msp, *, accuracy=93.5, convention="id_positive", sets=("near", "noise")):
    detectors = {
        name: {s: {"auroc": value + 2 * k, "aupr_in": 90.0, "aupr_out": 80.0, "fpr95": 100 - value} for k, s in enumerate(sets)}
        for name, value in (("energy", energy), ("msp", msp))
    }
    return {"accuracy": accuracy, "selected": "layer4.0", "convention": convention, "pictures": {"known": 2000, "near": 300}, "detectors": detectors}


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("BLOCKSCOPE_RUNS", f"sqlite:///{tmp_path}/runs.sqlite")
    with Store() as opened:
        yield opened


def visit(language="en", **query):
    """Open the page by a link and let it run."""
    return open_page("runs", language, **query)


def texts(page):
    return " ".join(m.value for m in page.markdown)


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_kept_is_answered_with_the_way_to_keep_something(store, language):
    page = visit(language)
    assert page.info[0].value == catalogue(language)["runs.empty"] and "core bench" in page.code[0].value


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_newest_run_is_shown(store, language):
    store.add("bench", result(80.0, 70.0), title="old")
    store.add("bench", result(85.0, 91.5), title="new", made_by={"seed": 3})
    page = visit(language)
    words = catalogue(language)
    assert page.header[0].value == words["runs.found"].format(best=words["detector.msp"], metric="AUROC", value="92.5", n=2)
    assert "93.5" in texts(page) and "id\\_positive" not in texts(page)
    assert any("3" in str(frame.value.values) for frame in page.dataframe)


def test_two_runs_are_compared_by_what_both_have(store):
    one = store.add("bench", result(80.0, 70.0, sets=("near", "noise")), title="one")
    other = store.add("bench", result(85.0, 60.0, sets=("near",)), title="two")
    page = visit(run=one.id, **{"with": other.id})
    assert page.header[0].value == catalogue("en")["runs.compared"].format(sets=1, better=1, n=2, worse=1, metric="AUROC")
    table = page.dataframe[0].value
    assert table.iloc[:, 1].tolist() == [5.0, -10.0]  # energy gains, msp loses: the second minus the first
    lower = visit(run=one.id, metric="fpr95", **{"with": other.id})
    assert lower.dataframe[0].value.iloc[:, 1].tolist() == [-5.0, 10.0]
    assert lower.header[0].value == page.header[0].value.replace("AUROC", "FPR@95TPR")  # lower is better


def test_another_convention_is_said(store):
    one, other = store.add("bench", result(80.0, 70.0)), store.add("bench", result(81.0, 71.0, convention="ood_positive"))
    assert "OOD positive" in visit(run=one.id, **{"with": other.id}).warning[0].value


def test_runs_without_anything_in_common_are_not_compared(store):
    one, other = store.add("bench", result(80.0, 70.0)), store.add("bench", result(81.0, 71.0, sets=("letters",)))
    page = visit(run=one.id, **{"with": other.id})
    assert page.info[0].value == catalogue("en")["runs.nothing_shared"] and len(page.header) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_of_another_kind_gets_a_sentence(store, language):
    other = store.add("adaptation", {"plan": {}}, title="elsewhere")
    page = visit(language, run=other.id)
    assert other.id in page.error[0].value and not page.header
    assert page.error[0].value == catalogue("ko").get("error.runs.kind").format(id=other.id) or language == "en"


def test_an_unknown_run_and_a_broken_store_get_a_sentence(store, tmp_path, monkeypatch):
    store.add("bench", result(80.0, 70.0))
    assert "0123456789abcdef" in visit(run="0123456789abcdef").error[0].value
    (tmp_path / "text.sqlite").write_text("this is no database, only text that goes on for a while" * 50)
    monkeypatch.setenv("BLOCKSCOPE_RUNS", f"sqlite:///{tmp_path}/text.sqlite")
    assert len(visit().error) == 1
