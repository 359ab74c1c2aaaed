"""Verdicts keep the promised share of known pictures and agree with themselves."""

from dataclasses import replace

import pytest
import torch

from core.conformal import conformal_p
from core.detectors import DETECTORS, ONE_PASS
from core.detectors.consensus import MEMBERS
from core.errors import InputError
from core.verdict import Judge

NAMES = ("cat", "dog", "fox")


@pytest.fixture(scope="module")
def judge(clusters):
    return Judge(clusters.reference, detectors=tuple(DETECTORS))


def test_every_detector_is_fitted(judge):
    assert list(judge.detectors) == list(judge.known_scores) == list(DETECTORS) and not judge.unavailable


@pytest.mark.parametrize("keep", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("name", DETECTORS)
def test_thresholds_keep_the_share_of_known_pictures(judge, clusters, name, keep):
    threshold = judge.thresholds(keep)[name]
    held_out = (judge.known_scores[name].double() > threshold).double().mean().item()
    assert keep <= held_out < keep + 0.02
    assert (judge.scores(clusters.fresh)[name] > threshold).double().mean().item() == pytest.approx(keep, abs=0.04)


def test_the_verdict_keeps_a_known_picture_that_the_threshold_keeps(clusters):
    """Of the held-out pictures just kept, one scores as low as the threshold allows: the same score has to be called ID."""
    judge = Judge(clusters.reference)
    lowest = judge.known_scores["consensus"].sort().values[30]  # of 600, 30 may be lost
    judge.detectors["consensus"].score = lambda activations: lowest.expand(len(activations))
    assert judge.judge(clusters.fresh[:1], NAMES, keep=0.95)[0].verdict == "ID"


@pytest.mark.parametrize("detector", ["consensus", "knn"])
def test_a_verdict_is_consistent(judge, clusters, detector):
    both = torch.cat([clusters.fresh.logits[:20], clusters.shifted.logits[:20]]).double().softmax(1)
    verdicts = judge.judge(clusters.fresh[:20], NAMES, detector=detector) + judge.judge(clusters.shifted[:20], NAMES, detector=detector)
    assert [v.verdict for v in verdicts[:20]].count("ID") >= 17 and [v.verdict for v in verdicts[20:]].count("OOD") >= 17
    for verdict, row in zip(verdicts, both, strict=True):
        assert verdict.probabilities == pytest.approx(row.tolist()) and sum(verdict.probabilities) == pytest.approx(1)
        assert verdict.label == row.argmax() and verdict.class_name == NAMES[verdict.label]
        assert verdict.confidence == max(verdict.probabilities)
        assert verdict.detector == detector and verdict.block == "late"
        chosen = verdict.opinions[detector]
        assert (verdict.score, verdict.threshold, verdict.p_value, verdict.verdict) == (
            chosen.score,
            chosen.threshold,
            chosen.p_value,
            chosen.verdict,
        )
        assert set(verdict.opinions) == set(DETECTORS) and set(verdict.members) == set(MEMBERS)
        for name, opinion in verdict.opinions.items():
            assert opinion.verdict == ("ID" if opinion.score > opinion.threshold else "OOD")
            expected = conformal_p(judge.known_scores[name], torch.tensor([opinion.score], dtype=judge.known_scores[name].dtype))
            assert opinion.p_value == pytest.approx(expected.item())
        single = [opinion.verdict for name, opinion in verdict.opinions.items() if name != "consensus"]
        assert verdict.agreement == pytest.approx(single.count(verdict.verdict) / len(single)) and len(single) == len(DETECTORS) - 1


def test_keeping_more_calls_more_pictures_known(judge, clusters):
    calls = [[v.verdict == "ID" for v in judge.judge(clusters.fresh[:100], NAMES, keep=keep)] for keep in (0.5, 0.9, 0.99)]
    assert sum(calls[0]) < sum(calls[1]) < sum(calls[2])
    assert all(later or not earlier for a, b in zip(calls, calls[1:], strict=False) for earlier, later in zip(a, b, strict=True))


def test_one_picture_is_judged_as_among_many(judge, clusters):
    alone, among = judge.judge(clusters.fresh[3:4], NAMES)[0], judge.judge(clusters.fresh[:10], NAMES)[3]
    assert (alone.verdict, alone.label, alone.p_value) == (among.verdict, among.label, among.p_value)
    assert alone.score == pytest.approx(among.score)


def test_a_detector_the_network_cannot_have_is_explained(clusters):
    judge = Judge(replace(clusters.reference, head=None))
    selected_norm, shaping = {"msp_selected_norm", "energy_selected_norm"}, {"react", "ash_b", "ash_s", "scale"}
    assert set(judge.unavailable) == {*selected_norm, *shaping, "vim", "fdbd", "nci", "nac"}
    assert set(judge.detectors) == set(ONE_PASS) - set(judge.unavailable)
    with pytest.raises(InputError, match="no linear head") as caught:
        judge.judge(clusters.fresh[:1], NAMES, detector="msp_selected_norm")
    assert caught.value.key == "detector.unavailable"
    verdict = judge.judge(clusters.fresh[:1], NAMES)[0]
    assert set(verdict.members) == {"knn", "mahalanobis_middle", "jigsaw"} and "msp_selected_norm" not in verdict.opinions


def test_names_and_shares_are_checked(clusters, judge):
    with pytest.raises(InputError, match="no detector named 'oracle'"):
        Judge(clusters.reference, detectors=("oracle",))
    with pytest.raises(InputError, match="no detector named 'knn'; the known ones are msp"):
        Judge(clusters.reference, detectors=("msp",)).judge(clusters.fresh[:1], NAMES, detector="knn")
    with pytest.raises(InputError, match="share of known pictures to keep is 1.5"):
        judge.judge(clusters.fresh[:1], NAMES, keep=1.5)


def test_a_judge_with_one_detector_has_no_members_and_agrees_with_itself(clusters):
    verdict = Judge(clusters.reference, detectors=("msp",)).judge(clusters.fresh[:1], NAMES, detector="msp")[0]
    assert verdict.members == {} and verdict.agreement == 1
