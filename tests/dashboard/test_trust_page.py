"""Tests of the page of trust, run without a browser: what it says is what the core computes, and a choice is in its link."""

from dataclasses import replace

import numpy as np
import pytest
import tomlkit
import torch

import core.packs
from core.packs import list_packs
from core.trust import REPORT, outcome
from dashboard.language import LANGUAGES, catalogue
from dashboard.parts import trust_corrupted
from tests.dashboard.pages import healthy, open_page

CHOICES = {"risk": 5.0, "handoff": "msp", "unknown": 20.0, "of": "near", "bins": "mass", "trust_severity": 5, "each": 100}

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")


def visit(language="en", **query):
    return open_page("trust", language, **{"pack": "toybox", **query})


def widget(page, key):
    kind = {"risk": "select_slider", "unknown": "select_slider", "handoff": "selectbox", "of": "selectbox"}.get(key, "segmented_control")
    return getattr(page, kind)(key=key)


def headings(page):
    return [heading.value for heading in page.header]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_findings_are_those_of_the_core(language, trust):
    page, words = visit(language, risk=2, unknown=10), catalogue(language)
    found = trust.calibrated()
    ece = {name: f"{100 * found[name]['ece']:.1f}" for name in ("before", "temperature")}
    numbers = {"before": ece["before"], "temperature_ece": ece["temperature"], "temperature": f"{trust.temperature:.2f}"}
    assert page.title[0].value == words["trust.title"]
    assert headings(page)[0] == words["trust.ece_better"].format(**numbers)
    rule = trust.rule("both", risk=0.02, share=0.1)
    done = trust.outcome(rule, "both", share=0.1)
    assert headings(page)[1] == words["trust.decides"].format(risk="2", coverage=f"{100 * done.coverage:.0f}")
    promise = words["trust.promise"].format(risk="2", wrong=rule.wrong, decided=rule.decided, bound=f"{100 * rule.bound:.2f}")
    assert any(promise in element.value for element in page.markdown)
    table = page.dataframe[3].value
    assert table.iloc[0, 1:4].tolist() == pytest.approx([100 * done.coverage, 100 * done.risk, 100 * rule.bound], abs=0.01)


def test_a_risk_that_cannot_be_promised_is_said_to_be_none():
    page = visit(handoff="msp", risk=0.5, unknown=20)
    assert headings(page)[1] == catalogue("en")["trust.decides_none"].format(risk="0.5")
    assert page.dataframe[3].value.iloc[3, 1] == 0


def test_choices_are_in_the_link_and_the_link_brings_them_back():
    page = visit()
    for key, value in CHOICES.items():
        widget(page, key).set_value(value)
    healthy(page.run())
    assert {key: page.query_params[key] for key in CHOICES} == {key: str(value) for key, value in CHOICES.items()}
    again = visit(**CHOICES)
    assert {key: widget(again, key).value for key in CHOICES} == CHOICES


def test_corruptions_are_measured_in_the_background_and_kept(monkeypatch, trust, pack):
    seen = {}

    def measured(loaded, images, severity, *, progress):
        seen["images"], seen["severity"] = images, severity
        progress(1, 2)
        return {name: loaded.probe(images) for name in ("clean", "fog")}

    monkeypatch.setattr("core.corruptions.measured.measure_corrupted", measured)
    trust_corrupted.kept().clear()
    page = visit(each=100, trust_severity=4, risk=2)
    assert headings(page)[2] == catalogue("en")["trust.corrupted_ask"]
    healthy(page.button(key="trust_measure").click().run())
    page.session_state["trust_work"].job.wait(60)
    healthy(page.run())
    assert len(seen["images"]) == 100 and seen["severity"] == 4
    rows = trust.rows[REPORT][:100]
    same = trust.judged(pack.reference.held_out[rows], pack.reference.held_out_labels[rows])
    at = outcome(same.scores["both"] > trust.rule("both", risk=0.02, share=0.05).threshold, same.wrong, 0.0, 0.0)
    assert headings(page)[2] == catalogue("en")["trust.corrupted_kept"].format(severity=4, risk="2", n=1)
    table = page.dataframe[4].value
    assert table.iloc[1, -2:].tolist() == pytest.approx([at.decided, at.wrong], abs=1)
    assert headings(visit("ko", each=100, trust_severity=4, risk=2))[2] == catalogue("ko")["trust.corrupted_kept"].format(severity=4, risk="2", n=1)
    trust_corrupted.kept().clear()


def test_a_measurement_can_be_cancelled(monkeypatch):
    def endless(loaded, images, severity, *, progress):
        while True:
            progress(1, 2)

    monkeypatch.setattr("core.corruptions.measured.measure_corrupted", endless)
    trust_corrupted.kept().clear()
    page = visit(each=100)
    healthy(page.button(key="trust_measure").click().run())
    healthy(page.button(key="trust_cancel").click().run())
    page.session_state["trust_work"].job.wait(60)
    healthy(page.run())
    assert page.session_state["trust_work"].job.stopped and page.info[0].value == catalogue("en")["detect.bring_stopped"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pack_without_classes_says_so_in_one_sentence(language, pack, tmp_path, monkeypatch):
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "pack.toml").write_text(tomlkit.dumps(pack.facts), "utf-8")
    made = replace(pack, name="plain", reference=replace(pack.reference, held_out_labels=torch.full((len(pack.reference.held_out),), -1)))
    monkeypatch.setenv("BLOCKSCOPE_PACKS", str(tmp_path))
    monkeypatch.setattr(core.packs, "load_pack", lambda _: made)
    page = visit(language, pack="plain")
    said = {"en": "Only 0 held-out pictures", "ko": "0장뿐"}[language]
    assert said in page.info[0].value and not page.header and not np.any(page.get("plotly_chart"))
