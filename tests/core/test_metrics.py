"""Figures are those of scikit-learn, of a slow loop in exact fractions, and of another library."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from core.errors import InputError
from core.metrics import CONVENTIONS, fpr, measure

TIED = st.lists(st.integers(0, 6), min_size=1, max_size=60)
LEVEL = Fraction(95, 100)


def slow_fpr(known, unknown, convention):
    """Try every threshold, with shares as exact fractions."""

    def shares(positive, negative, accepted):
        return Fraction(sum(map(accepted, positive)), len(positive)), Fraction(sum(map(accepted, negative)), len(negative))

    cuts = [*sorted({*known, *unknown}), math.inf]
    if convention == "id_positive":  # nearest recall, above or below; where two are as near, the better
        points = [shares(known, unknown, lambda s, t=t: s >= t) for t in cuts]
        return float(min((abs(recall - LEVEL), false) for recall, false in points)[1])
    points = [shares(unknown, known, lambda s, t=t: s <= t) for t in cuts]
    return float(min(false for recall, false in points if recall >= LEVEL))


@pytest.mark.parametrize("convention", CONVENTIONS)
@example(list(range(50)), [1, 1, 2, 3])  # recalls of 94 % and 96 % are as near
@example([1] * 99 + [0], [1, 0])
@given(known=TIED, unknown=TIED)
def test_fpr_equals_a_loop_over_all_thresholds(convention, known, unknown):
    assert fpr(known, unknown, convention=convention) == pytest.approx(slow_fpr(known, unknown, convention))


@given(n=st.integers(1, 400), m=st.integers(1, 400), seed=st.integers(0, 99))
def test_fpr_equals_the_loop_without_ties(n, m, seed):
    scores = np.random.default_rng(seed).permutation(n + m)[: n + m]
    for convention in CONVENTIONS:
        assert fpr(scores[:n], scores[n:], convention=convention) == pytest.approx(slow_fpr(scores[:n].tolist(), scores[n:].tolist(), convention))


def test_fpr_by_hand():
    known, unknown = list(range(10, 30)), [9, 10.5, 11.5, 40]
    assert fpr(known, unknown) == 0.5  # 19 of 20 known lie at or above 11: so do 11.5 and 40
    assert fpr(known, unknown, level=0.5) == 0.25  # ten known lie at or above 20: so does 40
    assert fpr(known, unknown, convention="ood_positive") == 1  # all four unknown lie at or below 40: so do all known
    assert fpr(known, unknown, level=0.75, convention="ood_positive") == 0.1  # three at or below 11.5: so do 10 and 11


def test_the_conventions_give_different_numbers():
    known, unknown = np.random.default_rng(0).normal(1.5, 3, 4000), np.random.default_rng(1).normal(-3, 1, 4000)
    assert fpr(known, unknown) > 1.5 * fpr(known, unknown, convention="ood_positive")  # ID is wider here


@given(known=TIED, unknown=TIED)
def test_fpr_with_ood_positive_equals_pytorch_ood(known, unknown):
    functional = pytest.importorskip("pytorch_ood.metrics.functional")
    import torch

    scores = torch.tensor([*known, *unknown], dtype=torch.float64)
    labels = torch.tensor([0] * len(known) + [-1] * len(unknown))
    theirs = functional.fpr_at_tpr(-scores, labels).item()  # their score is higher = more OOD
    assert fpr(known, unknown, convention="ood_positive") == pytest.approx(theirs)


@given(known=TIED, unknown=TIED)
def test_areas_equal_scikit_learn(known, unknown):
    found = measure(known, unknown)
    truth, scores = np.array([1] * len(known) + [0] * len(unknown)), np.array([*known, *unknown])
    assert found.auroc == pytest.approx(roc_auc_score(truth, scores))
    assert found.aupr_in == pytest.approx(average_precision_score(truth, scores))
    assert found.aupr_out == pytest.approx(average_precision_score(1 - truth, -scores))
    assert found.fpr95 == fpr(known, unknown) and found.convention == "id_positive"


def test_areas_by_hand():
    found = measure([3, 1], [2, 0], convention="ood_positive")
    assert found.auroc == 0.75  # three of the four pairs are in order
    assert found.aupr_in == pytest.approx((1 + 2 / 3) / 2)  # precision 1 at 3, then 2/3 at 1
    assert found.aupr_out == pytest.approx((1 + 2 / 3) / 2)
    assert found.fpr95 == 0.5 and found.convention == "ood_positive"


def test_direction():
    good, bad = measure([3, 4, 5], [0, 1, 2]), measure([0, 1, 2], [3, 4, 5])
    assert (good.auroc, good.aupr_in, good.aupr_out, good.fpr95) == (1, 1, 1, 0)
    assert bad.auroc == 0 and bad.fpr95 == 1 and bad.aupr_in < 0.6 > bad.aupr_out


@given(known=TIED, unknown=TIED)
def test_a_monotone_map_of_the_scores_changes_nothing(known, unknown):
    for convention in CONVENTIONS:
        mapped = measure(np.exp(np.array(known) / 3) - 50, np.exp(np.array(unknown) / 3) - 50, convention=convention)
        assert mapped == measure(known, unknown, convention=convention)


def test_tensors_are_taken():
    import torch

    assert measure(torch.tensor([2.0, 3.0]), torch.tensor([1.0])).auroc == 1


@pytest.mark.parametrize(("known", "unknown"), [([], [1]), ([1], [])])
def test_empty_scores_are_refused(known, unknown):
    with pytest.raises(InputError, match="at least one known and one unknown picture"):
        measure(known, unknown)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_scores_that_are_no_numbers_are_refused(bad):
    with pytest.raises(InputError, match="Some scores are NaN or infinite"):
        measure([1, bad], [0])
    with pytest.raises(InputError, match="Some scores are NaN or infinite"):
        fpr([1], [bad])


def test_an_unknown_convention_is_refused():
    with pytest.raises(InputError, match="no convention named 'openood'; the known ones are id_positive, ood_positive"):
        measure([1], [0], convention="openood")
