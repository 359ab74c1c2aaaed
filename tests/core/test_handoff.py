"""The curve is that of a loop, and the promise is kept: over many draws a promised risk is exceeded no more often than was said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from core.handoff import choose, risk_bound, risk_coverage, steps

PICTURES = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(1, 4)), min_size=1, max_size=40)


def columns(pictures):
    scores, wrong, weights = zip(*pictures, strict=True)
    return np.array(scores, float), np.array(wrong), np.array(weights, float)


@given(PICTURES)
def test_the_curve_is_that_of_a_loop(pictures):
    scores, wrong, weights = columns(pictures)
    found = risk_coverage(scores, wrong, weights)
    for threshold, coverage, risk in zip(found.thresholds, found.coverage, found.risk, strict=True):
        taken = scores >= threshold
        assert coverage == pytest.approx(weights[taken].sum() / weights.sum())
        assert risk == pytest.approx(weights[taken & wrong].sum() / weights[taken].sum())
    each = [weights[(scores >= s) & wrong].sum() / weights[scores >= s].sum() for s in scores]
    assert found.aurc == pytest.approx(np.average(each, weights=weights))


@given(PICTURES, st.randoms())
def test_the_order_of_the_pictures_does_not_matter(pictures, random):
    shuffled = list(pictures)
    random.shuffle(shuffled)
    assert risk_coverage(*columns(shuffled)).aurc == pytest.approx(risk_coverage(*columns(pictures)).aurc)


def test_the_area_by_hand():
    found = risk_coverage([4, 3, 2, 1], [False, True, False, True])
    assert found.risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2]) and found.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_the_best_order_has_no_excess_and_no_other_has_less():
    draw = np.random.default_rng(0)
    wrong = draw.random(5000) < 0.2
    best, any_order = risk_coverage(~wrong + draw.random(5000) / 2, wrong), risk_coverage(draw.random(5000), wrong)
    assert abs(best.excess) < 1e-3 < any_order.excess
    assert any_order.aurc == pytest.approx(0.2, abs=0.02)
    assert risk_coverage([1, 2], [True, True]).excess == 0 == risk_coverage([1, 2], [False, False]).excess


@pytest.mark.parametrize(("wrong", "decided"), [(0, 50), (3, 90), (90, 90)])
def test_the_bound_is_that_of_scipy(wrong, decided):
    expected = binomtest(wrong, decided, alternative="less").proportion_ci(0.95, method="exact").high
    assert risk_bound(wrong, decided) == pytest.approx(expected)


def test_nothing_decided_bounds_nothing():
    assert risk_bound(0, 0) == 1


def test_steps_fall_and_end_with_everything():
    scores = np.random.default_rng(0).integers(0, 30, 500) / 10
    found = steps(scores)
    assert (np.diff(found) < 0).all() and found[-1] == -np.inf
    assert {float(s) for s in np.nextafter(found[:-1], np.inf)} <= set(scores.tolist()), "a threshold lies just below a score, and keeps it"


def stream(draw, n):
    """Return (scores, wrong): the lower the score in [0, 1], the likelier the answer is wrong; above t the risk is 0.15 (1 - t)^3."""
    scores = draw.random(n)
    return scores, draw.random(n) < 0.6 * (1 - scores) ** 3


@pytest.mark.parametrize(("risk", "delta"), [(0.05, 0.05), (0.1, 0.2)])
def test_a_promise_is_kept_as_often_as_was_said(risk, delta):
    draw, broken, coverages, trials = np.random.default_rng(0), 0, [], 400
    for _ in range(trials):
        rule = choose(stream(draw, 300)[0], *stream(draw, 1000), risk=risk, delta=delta)
        threshold = min(max(rule.threshold, 0.0), 1.0)
        broken += 0.15 * (1 - threshold) ** 3 > risk + 1e-12
        coverages.append(1 - threshold)
        assert not rule.found or rule.bound <= risk + 1e-12
    assert broken / trials <= delta + 3 * np.sqrt(delta * (1 - delta) / trials)
    assert np.mean(coverages) > 0.8 * (risk / 0.15) ** (1 / 3), "the promise is not kept by deciding nothing"


def test_the_rule_counts_what_it_saw():
    draw = np.random.default_rng(1)
    (rehearsal, _), (scores, wrong) = stream(draw, 300), stream(draw, 1000)
    rule = choose(rehearsal, scores, wrong, risk=0.1)
    taken = scores > rule.threshold
    assert (rule.decided, rule.wrong, rule.pictures) == (taken.sum(), (taken & wrong).sum(), 1000)
    assert rule.bound == risk_bound(rule.wrong, rule.decided)


def test_where_all_answers_are_right_the_machine_decides_everything():
    scores = np.linspace(0, 1, 500)
    rule = choose(scores, scores, np.zeros(500, bool), risk=0.01)
    assert rule.found and rule.threshold == -np.inf and rule.decided == 500


def test_where_no_threshold_keeps_the_promise_a_person_decides_everything():
    scores = np.linspace(0, 1, 500)
    for wrong, risk in ((np.ones(500, bool), 0.1), (np.zeros(500, bool), 0.001)):  # too many errors, too few pictures
        rule = choose(scores, scores, wrong, risk=risk)
        assert not rule.found and rule.decided == 0 and rule.bound == 1
