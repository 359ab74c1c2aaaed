"""The section that trains a network: its form, its buttons, its words. The pictures are few, so that it takes seconds."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from core.cli import parse
from core.training import METHODS
from dashboard import compute
from dashboard.language import catalogue
from dashboard.parts import train_here
from tests.dashboard.pages import healthy
from tests.waiting import until


@pytest.fixture
def held(monkeypatch, tmp_path):
    """Keep trainings in a folder of the test's own and make them small. Returns: the server's `Trainings`."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(train_here, "PICTURES", (48, 96))
    small = "--data toybox:train --val toybox:val --val-limit 20 --holdout 60 --bank 60 --ood-limit 20 --arch cifar_resnet20 --batch-size 16 --border crop"
    monkeypatch.setattr(train_here, "FIXED", small.split())
    monkeypatch.setattr(train_here, "DEFAULTS", {**train_here.DEFAULTS, "pictures": 48, "epochs": 2})
    compute.trainings.clear()
    yield compute.trainings()
    for one in compute.trainings()._held.values():
        if one.busy:
            one.job.stop.set()
            one.job.wait(60)
    compute.trainings.clear()


def open_section(language="en", **query):
    def script():
        from dashboard.parts.train_here import train_here

        train_here()

    page = AppTest.from_function(script, default_timeout=120)
    for key, value in {"lang": language, **query}.items():
        page.query_params[key] = value
    return healthy(page.run())


def training_of(page, held):
    (name,) = page.session_state["trainings"]
    return held.find(name)


def text(page):
    return " ".join(m.value for m in (*page.header, *page.markdown, *page.caption))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_form_says_the_same_in_a_shell(held, language):
    page = open_section(language)
    for method in METHODS:
        page.segmented_control(key="live_method").set_value(method).run()
        (command,) = (c.value for c in healthy(page).code)
        options = parse(command.split()[3:])
        assert options.method == method and options.limit == 48 and options.epochs == 2 and options.out == "my_pack"
        assert (options.alpha is not None) == ("alpha" in METHODS[method].parameters)
        assert (options.eps is not None) == ("eps" in METHODS[method].parameters)
    assert not page.get("plotly_chart")


def test_one_is_trained_used_and_deleted(held):
    page = open_section()
    page.segmented_control(key="live_method").set_value("mixup").run()
    healthy(page.button(key="live_start").click().run())
    one = training_of(page, held)
    assert one.option("method") == "mixup" and page.query_params["training"] in (one.name, [one.name])
    until(lambda: not one.busy)
    assert one.state == "done", one.job.bug or one.job.error
    healthy(page.run())
    assert "done." in text(page) and "After 2 of 2 epochs, Mixup is right" in page.header[0].value
    assert len(page.get("plotly_chart")) == 1
    wide = page.dataframe[0].value
    assert len(wide) == 2 and sum("AUROC" in column for column in wide) == len(train_here.SETS)
    healthy(page.button(key=f"own_{one.name}_use").click().run())
    assert page.session_state["pack"] == one.name and page.button(key=f"own_{one.name}_use").disabled
    again = open_section("ko", training=one.name)  # a link
    assert "끝났습니다." in text(again)
    healthy(page.button(key=f"own_{one.name}_remove").click().run())
    assert page.session_state["trainings"] == [] and held.find(one.name) is None and "Train one yourself" in page.header[0].value


def test_cancelled_it_can_be_resumed(held):
    page = open_section(live_epochs="20", live_method="standard")
    healthy(page.button(key="live_start").click().run())
    one = training_of(page, held)
    assert page.button(key="live_start").disabled
    until(lambda: one.curve is not None and len(one.curve.loss) >= 1)
    healthy(page.run())
    healthy(page.button(key=f"own_{one.name}_cancel").click().run())
    until(lambda: not one.busy)
    healthy(page.run())
    whole = len(held.curve(one).loss)
    assert f"stopped after {whole} whole epochs" in text(page) and not page.button(key="live_start").disabled
    healthy(page.button(key=f"own_{one.name}_resume").click().run())
    until(lambda: one.curve is not None and len(one.curve.loss) > whole)


def test_a_failure_is_told_and_can_be_tried_again(held, monkeypatch):
    monkeypatch.setattr(train_here, "FIXED", [*train_here.FIXED, "--peak", "1e30"])
    page = open_section(live_method="standard")
    healthy(page.button(key="live_start").click().run())
    one = training_of(page, held)
    until(lambda: not one.busy)
    healthy(page.run())
    assert one.state == "failed" and "learning rate" in text(page)
    assert page.button(key=f"own_{one.name}_resume")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_one_whose_server_died_is_called_interrupted(held, language):
    order = held.folder / ".orphan.order.json"
    order.parent.mkdir(parents=True)
    order.write_text(json.dumps({"arguments": ["train", "--method", "mixup", "--limit", "48", "--epochs", "2"], "cancelled": False}))
    page = open_section(language, training="orphan")
    assert catalogue(language)["live.interrupted_early"] in text(page) and not page.button(key="own_orphan_resume").disabled


def test_what_cannot_be_written_is_said(held):
    held.folder.parent.mkdir(parents=True, exist_ok=True)
    held.folder.write_text("a file where the folder should be")
    page = open_section()
    page.button(key="live_start").click().run()
    assert "cannot be written" in healthy(page).error[0].value and not page.button(key="live_start").disabled
    assert not healthy(page.run()).error, "said once"


def test_a_link_to_what_is_gone_is_forgotten(held):
    page = open_section(training="gone,../../etc,.x")
    assert page.session_state["trainings"] == [] and "training" not in page.query_params
