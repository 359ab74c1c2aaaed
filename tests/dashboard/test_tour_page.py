"""Tests of the guided tour, run without a browser: answers wait for a guess, come from the core, and live in the link."""

import json

import numpy as np
import pytest
import torch

from core.images.preprocess import stack
from core.images.sources import open_source
from core.packs import list_packs
from core.trust import Trust
from dashboard import compute
from dashboard.language import LANGUAGES, catalogue
from dashboard.parts.frame import Frame
from dashboard.parts.tour_numbers import GUESSES, STEPS, answers
from tests.dashboard.pages import healthy, open_page

DUCK, SNAIL = "toybox:test/2", "toybox:near/5"

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")


def visit(language="en", **query):
    return open_page("tour", language, **{"pack": "toybox", **query})


def button(page, key):
    return page.button(key=key)


def headings(page):
    return [heading.value for heading in page.header]


def seen(pack, picture_id):
    source, _, index = picture_id.rpartition("/")
    return stack([pack.preprocessing.see(open_source(source)[int(index)].open())])


@pytest.mark.parametrize("language", LANGUAGES)
def test_six_steps_each_keeps_its_answer_back_until_it_is_asked_for(language, monkeypatch):
    page, words = visit(language), catalogue(language)
    with monkeypatch.context() as outside_a_session:
        for module in ("dashboard.language", "dashboard.session.pictures"):
            outside_a_session.setattr(f"{module}.language", lambda: language)
        found = answers(Frame("toybox", compute.packs()["toybox"].facts))
    on_paper = {step: words[one.headline.key].format(**one.headline.values) for step, one in found.items()}
    for number, step in enumerate(STEPS, 1):
        assert page.title[0].value == words[f"tour.{step}_question"] and words[f"tour.{step}_do"] in page.markdown[0].value
        assert headings(page) == []
        healthy(button(page, "show_answer").click().run())
        assert headings(page) == [on_paper[step]] and page.get("plotly_chart") and not page.error
        assert any(words[f"tour.{step}_why"] in one.value for one in page.markdown)
        alts = [element.proto.alt for element in [*page.get("plotly_chart"), *page.dataframe]] + [i.alt for e in page.image for i in e.proto.imgs]
        assert all(alts)
        assert button(page, "tour_next").disabled == (number == len(STEPS))
        if number < len(STEPS):
            healthy(button(page, "tour_next").click().run())
    assert page.query_params["step"] == "6" and page.query_params["a1"] == "shown"


def test_a_guess_is_held_against_the_model(pack):
    page, words = visit(), catalogue("en")
    shares = {i: pack.probe(seen(pack, i)).logits.softmax(1).max().item() for i in (DUCK, SNAIL)}
    assert shares[DUCK] - shares[SNAIL] > 0.01  # what the toybox shows; the opposite is tested in test_tour_findings
    healthy(button(page, "guess_1_unknown").click().run())
    assert page.info[0].value == words["tour.guess_other"] and f"{100 * shares[SNAIL]:.1f}" in headings(page)[0]
    healthy(button(page, "guess_1_known").click().run())
    assert page.success[0].value == words["tour.guess_right"]


def test_lines_and_promises_are_those_of_the_core(pack):
    page = visit(step=4, a4="mine", line=50)
    norms = {
        "known": pack.reference.held_out.norm(pack.selection.selected).numpy(),
        "near": pack.reference.unknown["near"].norm(pack.selection.selected).numpy(),
    }
    ends = [np.quantile(values, (0.005, 0.995)) for values in norms.values()]
    middle = (min(e[0] for e in ends) + max(e[1] for e in ends)) / 2
    alarms, missed = (norms["known"] <= middle).mean(), (norms["near"] > middle).mean()
    assert [metric.value for metric in page.metric] == [f"{100 * alarms:.1f}\u00a0%", f"{100 * missed:.1f}\u00a0%"]
    drawn = json.loads(page.get("plotly_chart")[0].proto.spec)["data"]
    said, best = headings(page)[0], next(line for line in drawn if line["name"].startswith("best line"))
    at = best["x"][0]
    for share in ((norms["known"] <= at).mean(), (norms["near"] > at).mean()):
        assert f"{100 * share:.1f}\u00a0%" in said, "the answer is about the line that is drawn"
    assert f"at {at:.3g}," in said and best["name"] == f"best line: {at:.3g}"
    missed = json.loads(page.get("plotly_chart")[1].proto.spec)["data"][0]["text"]
    assert all(share.replace(" ", "\u00a0") in page.markdown[-2].value for share in missed), "bars and sentence agree"
    page, trust = visit(step=6, a6="high", risk=2), Trust(pack.reference)
    done = trust.outcome(trust.rule("both", risk=0.02, share=0.05), "both", share=0.05)
    assert f"{100 * done.coverage:.0f}\u00a0%" in headings(page)[0]


def test_who_is_surest_is_told_as_the_bars_are_drawn_and_each_of_equals_is_a_right_guess():
    page, words = visit(step=2, a2="shown"), catalogue("en")
    shares, of_all = (json.loads(chart.proto.spec)["data"][0] for chart in page.get("plotly_chart"))
    top = [name.partition(":")[0] for name, text in zip(shares["y"], shares["text"], strict=True) if text == shares["text"][0]]
    assert len(top) > 1 and headings(page) == [
        words["tour.sure_alike"].format(pictures=", ".join(sorted(top)), confidence=shares["text"][0].replace(" %", "\u00a0%"))
    ]
    for letter in top:
        healthy(button(page, f"guess_2_{letter[-1]}").click().run())
        assert page.success[0].value == words["tour.guess_right"]
    wrong = shares["y"][-1].partition(":")[0][-1]
    healthy(button(page, f"guess_2_{wrong}").click().run())
    assert page.info[0].value == words["tour.guess_other"]
    assert all(share.replace(" ", "\u00a0") in " ".join(one.value for one in page.markdown) for share in of_all["text"])


def test_evidence_covers_a_fifth_and_the_network_is_asked_again(pack):
    source, _, index = DUCK.rpartition("/")
    found = compute.evidence("toybox", DUCK, open_source(source)[int(index)], block="layer3.0")
    pixels = seen(pack, DUCK)[0].permute(1, 2, 0).numpy()
    grey = np.round(255 * np.array(pack.preprocessing.mean)).astype(np.uint8)
    for part, values in (("red", found.values), ("pale", -np.abs(found.values))):
        covered = (found.covered[part] != pixels).any(2)
        assert covered.sum() <= round(0.2 * covered.size) and (found.covered[part][covered] == grey).all()
        assert values[covered].min() >= np.quantile(values, 0.8) - 1e-6
        logits = pack.probe(torch.from_numpy(found.covered[part]).permute(2, 0, 1)[None]).logits
        assert found.confidence[part] == pytest.approx(logits.softmax(1)[0, found.label].item(), abs=0.02)  # grey is rounded to whole levels


def test_a_link_carries_step_answer_and_presentation():
    page = visit("ko", step=3, a3="late", tiles=4, present=1)
    assert page.title[0].value == catalogue("ko")["tour.tiles_question"] and len(headings(page)) == 1
    assert page.select_slider(key="tiles").value == 4 and not page.dataframe  # a class sees no tables
    healthy(button(page, "tour_present").click().run())
    assert page.dataframe and "present" not in page.query_params
    healthy(button(page, "tour_restart").click().run())
    assert page.title[0].value == catalogue("ko")["tour.look_question"] and not {"a3", "step"} & set(page.query_params)
    nonsense = visit(step=9, a1="maybe", pair=77, present=5)
    assert nonsense.title[0].value == catalogue("en")["tour.look_question"] and headings(nonsense) == []


def test_who_presents_turns_to_the_answer_first():
    page = visit(present=1)
    healthy(button(page, "tour_next").click().run())
    assert page.title[0].value == catalogue("en")["tour.look_question"] and len(headings(page)) == 1
    healthy(button(page, "tour_next").click().run())
    assert page.title[0].value == catalogue("en")["tour.sure_question"] and headings(page) == []


def test_every_guess_has_a_name():
    assert not [f"{step}_{guess}" for step in STEPS if step != "sure" for guess in GUESSES[step] if f"tour.{step}_guess_{guess}" not in catalogue("en")]
