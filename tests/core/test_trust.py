"""What a pack is trusted with: parts that share no picture, numbers that a slow computation gives too, and refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.cli import main
from core.errors import InputError
from core.packs import list_packs, load_pack
from core.trust import CHOOSE, FIT, MAPS, REPORT, SCORES, Trust, document, outcome

shipped = pytest.mark.skipif("cifar10" not in list_packs(), reason="no pack named cifar10: it ships in assets/packs; make packs builds it")


@pytest.fixture(scope="module")
def reference(clusters):
    """Return the reference of pictures that never were, with two unknown sets."""
    return replace(clusters.reference, unknown={"strange": clusters.shifted, "jigsaw": clusters.shifted[:80]})


@pytest.fixture(scope="module")
def trust(reference):
    return Trust(reference)


@pytest.fixture(scope="module")
def cifar10():
    return Trust(load_pack("cifar10", device="cpu").reference)


def test_no_picture_is_in_two_parts(trust, reference):
    rows = torch.cat([trust.rows[part] for part in (FIT, CHOOSE, REPORT)])
    assert sorted(rows.tolist()) == list(range(len(reference.held_out)))
    for part, of in trust.parts.items():
        assert len(of["known"]) == len(trust.rows[part])
    assert sum(len(of["strange"]) for of in trust.parts.values()) == 200
    assert Trust(reference, seed=1).rows[FIT].tolist() != trust.rows[FIT].tolist()


def test_pictures_without_a_class_are_left_out(reference):
    labels = reference.held_out_labels.clone()
    labels[::2] = -1
    rows = torch.cat(list(Trust(replace(reference, held_out_labels=labels)).rows.values()))
    assert sorted(rows.tolist()) == list(range(1, len(labels), 2))


def test_too_few_pictures_with_a_class_are_refused(reference):
    labels = torch.where(torch.arange(len(reference.held_out)) < 150, reference.held_out_labels, -1)
    with pytest.raises(InputError, match="Only 150 held-out pictures of this pack have a class, and 200 are needed"):
        Trust(replace(reference, held_out_labels=labels))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"risk": 0}, "The risk is 0 %"),
        ({"risk": 1.5}, "The risk is 150 %"),
        ({"risk": 0.1, "share": 1.0}, "The share of unknown pictures is 100 %"),
        ({"risk": 0.1, "share": 0.1, "unknown": "letters"}, "no set named 'letters'"),
    ],
    ids=str,
)
def test_what_is_no_promise_is_refused(trust, options, sentence):
    with pytest.raises(InputError, match=sentence):
        trust.rule("msp", **options)


def test_an_unknown_score_is_refused(trust):
    with pytest.raises(InputError, match="no score named 'luck'"):
        trust.rule("luck", risk=0.1)


def test_a_share_needs_unknown_pictures(reference):
    with pytest.raises(InputError, match="measured no unknown pictures"):
        Trust(replace(reference, unknown={})).rule("msp", risk=0.1, share=0.1)


def test_puzzles_count_only_where_they_are_asked_for(trust, reference):
    assert trust.sets() == ("strange",) and trust.sets("jigsaw") == ("jigsaw",)
    assert Trust(replace(reference, unknown={"jigsaw": reference.unknown["jigsaw"]})).sets() == ("jigsaw",)


def test_a_stream_has_the_share_and_no_picture_twice(trust):
    known, strange = (trust.parts[CHOOSE][name] for name in ("known", "strange"))
    scores, wrong = trust._stream(CHOOSE, "consensus", ("strange",), 0.2)
    unknown = len(scores) - np.isin(scores, known.scores["consensus"]).sum()
    assert 0.1 < wrong.mean() < 0.3 and unknown <= len(strange) and len(scores) > 250
    assert len(trust._stream(CHOOSE, "msp", ("strange",), 0.0)[0]) == len(known)


def test_an_outcome_by_hand():
    taken, wrong = np.array([True] * 8 + [False] * 2), np.array([True, *[False] * 8, True])
    found = outcome(taken, wrong, 0.5, 0.2)
    assert found.coverage == pytest.approx(0.8 * 0.8 + 0.2 * 0.5)
    assert found.risk == pytest.approx((0.8 * 0.1 + 0.2 * 0.5) / (0.8 * 0.8 + 0.2 * 0.5))
    assert (found.decided, found.wrong, found.pictures) == (8, 1, 10) and found.misread == 1 / 8
    nothing = outcome(np.zeros(10, bool), wrong, 0.0, 0.0)
    assert nothing.coverage == 0 and np.isnan(nothing.risk) and np.isnan(nothing.unknown)


def test_an_unknown_set_that_stands_apart_is_handed_over(trust):
    rule = trust.rule("both", risk=0.05, share=0.2)
    found = trust.outcome(rule, "both", share=0.2)
    assert rule.found and found.unknown < 0.1 and found.known > 0.8 and found.coverage == pytest.approx(0.8 * found.known + 0.2 * found.unknown)


@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("score", SCORES)
def test_the_curve_ends_with_all_errors(trust, score, share):
    curve = trust.curve(score, share=share)
    known = trust.parts[REPORT]["known"].wrong.mean()
    assert curve.coverage[-1] == pytest.approx(1) and curve.risk[-1] == pytest.approx((1 - share) * known + share)


@shipped
def test_calibration_is_measured_on_pictures_that_fitted_nothing(cifar10):
    found = cifar10.calibrated()
    assert len(cifar10.labels) == 1500 and found["before"]["bins"].count.sum() == 1500
    assert found["temperature"]["nll"] < found["before"]["nll"] and found["temperature"]["ece"] < found["before"]["ece"]
    assert 1.3 < cifar10.temperature < 1.7 and found["isotonic"]["nll"] is None


@shipped
def test_the_promises_of_the_shipped_pack_hold_on_pictures_that_chose_nothing(cifar10):
    for share in (0.0, 0.1):
        for score in cifar10.scores:
            for risk in (0.05, 0.1):
                rule = cifar10.rule(score, risk=risk, share=share)
                found = cifar10.outcome(rule, score, share=share)
                assert not rule.found or found.risk < risk + 0.02  # 500 pictures: a standard deviation of about one point


def test_the_document_is_ready_for_json(trust):
    found = json.loads(json.dumps(document(trust, risk=0.05, share=0.1), allow_nan=False))
    assert set(found["calibration"]) == set(MAPS) and set(found["hand_off"]) == set(SCORES)
    rule = trust.rule("msp", risk=0.05, share=0.1)
    assert found["hand_off"]["msp"]["chosen_on"] == {"decided": rule.decided, "wrong": rule.wrong, "pictures": rule.pictures}


@shipped
def test_the_command_prints_the_same_numbers(cifar10, capsys):
    assert main(["trust", "--pack", "cifar10", "--risk", "2", "--unknown-share", "5", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.pop("pack") == "cifar10" and said == json.loads(json.dumps(document(cifar10, risk=0.02, share=0.05)))
    assert main(["trust", "--pack", "cifar10", "--risk", "2"]) == 0
    assert "the machine decides" in capsys.readouterr().out
    assert main(["trust", "--pack", "cifar10", "--risk", "0"]) == 2
