"""Figures are those of scikit-learn, of pytorch-ood, and of slow loops over thresholds, pairs and resamples."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from core.errors import InputError
from core.metrics import CONVENTIONS, Confusion, auroc_columns, curve, fpr, intervals, measure, rates_at

TIED = st.lists(st.integers(0, 6), min_size=1, max_size=60)
FLOATS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)
EXACT = ["id_positive", "ood_positive"]  # they depend on the order of the scores only
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


@pytest.mark.parametrize("convention", EXACT)
@example(list(range(50)), [1, 1, 2, 3])  # recalls of 94 % and 96 % are as near
@example([1] * 99 + [0], [1, 0])
@given(known=TIED, unknown=TIED)
def test_fpr_equals_a_loop_over_all_thresholds(convention, known, unknown):
    assert fpr(known, unknown, convention=convention) == pytest.approx(slow_fpr(known, unknown, convention))


@given(n=st.integers(1, 400), m=st.integers(1, 400), seed=st.integers(0, 99))
def test_fpr_equals_the_loop_without_ties(n, m, seed):
    scores = np.random.default_rng(seed).permutation(n + m)[: n + m]
    for convention in EXACT:
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


def saturated(seed=0, n=3000, m=2000):
    """Draw the largest softmax of float32 logits: much of it is exactly 1."""
    generator = np.random.default_rng(seed)
    known, unknown = (np.exp(-generator.gamma(2, width, size)).astype(np.float32) for width, size in ((2, n), (1, m)))
    return np.where(known < 0.2, np.float32(1), known), np.where(unknown < 0.4, np.float32(1), unknown)


def equals_pytorch_ood(known, unknown):
    functional = pytest.importorskip("pytorch_ood.metrics.functional")
    import torch

    outlier = -torch.tensor(np.concatenate([known, unknown]), dtype=torch.float64)  # their score is higher = more OOD
    labels = torch.tensor([0] * len(known) + [-1] * len(unknown))
    found = measure(known, unknown, convention="ood_positive")
    assert found.auroc == pytest.approx(functional.auroc(outlier, labels).item(), abs=1e-6)
    assert found.aupr_in == pytest.approx(functional.aupr(outlier, labels, "id").item(), abs=1e-6)
    assert found.aupr_out == pytest.approx(functional.aupr(outlier, labels, "ood").item(), abs=1e-6)
    assert found.fpr95 == pytest.approx(functional.fpr_at_tpr(outlier, labels).item(), abs=1e-6)


@given(known=TIED, unknown=TIED)
def test_ood_positive_equals_pytorch_ood_under_ties(known, unknown):
    equals_pytorch_ood(known, unknown)


@given(known=FLOATS, unknown=FLOATS)
def test_ood_positive_equals_pytorch_ood(known, unknown):
    equals_pytorch_ood(known, unknown)


def test_ood_positive_equals_pytorch_ood_where_the_softmax_is_saturated():
    known, unknown = saturated()
    assert (known == 1).mean() > 0.3
    equals_pytorch_ood(known, unknown)


def test_ood_positive_equals_scikit_learn():
    known, unknown = saturated(1)
    rejected, found, _ = roc_curve([0] * len(known) + [1] * len(unknown), -np.concatenate([known, unknown]))
    assert fpr(known, unknown, convention="ood_positive") == pytest.approx(rejected[found >= 0.95][0])  # as OpenOOD picks it


def slow_grid(known, unknown, thresholds):
    """Walk over the thresholds one by one: AUROC, AUPR-In, AUPR-Out, FPR@95TPR."""
    points = [(sum(s > t for s in known) / len(known), sum(s > t for s in unknown) / len(unknown)) for t in thresholds]
    near = [false for true, false in points if abs(true - 0.95) <= 0.0005 + 1e-12]
    if not near:
        best = min(abs(true - 0.95) for true, _ in points)
        near = [min(false for true, false in points if abs(true - 0.95) <= best + 1e-12)]

    def precision(recall, false):
        return recall / (recall + false)

    def rectangles(points, height):
        area, last = 0, 1
        for width, other in points:
            area += (last - width) * height(width, other)
            last = width
        return area + last * height(width, other)

    auroc = rectangles([(false, true) for true, false in points], lambda false, true: true)
    rejected = [(1 - false, 1 - true) for true, false in reversed(points)]
    return auroc, rectangles(points, precision), rectangles(rejected, precision), sum(near) / len(near)


@pytest.mark.parametrize("size", [19, 20])  # of 20 known pictures exactly 95 % can be accepted, of 19 not
def test_odin_grid_equals_a_loop_over_its_thresholds(size):
    generator = np.random.default_rng(size)
    known, unknown = generator.integers(20_000, 100_001, size).tolist(), generator.integers(0, 80_000, 7).tolist()
    known[:3], unknown[:2] = [100_000, 100_000, 40_000], [0, 40_000]  # so the thresholds are 0, 1, 2, ... and scores lie on them
    found = measure(known, unknown, convention="odin_grid")
    assert (found.auroc, found.aupr_in, found.aupr_out, found.fpr95) == pytest.approx(slow_grid(known, unknown, range(100_000)), abs=1e-9)


def test_odin_grid_by_hand():
    found = measure([1, 1, 1, 0], [1, 0], convention="odin_grid")  # every threshold accepts 3/4 and 1/2: a tie at 0 is Out
    assert (found.auroc, found.fpr95) == (0.75, 0.5)  # exactly it is 5/8
    assert found.aupr_in == pytest.approx(0.75 / 1.25) and found.aupr_out == pytest.approx(0.5 / 0.75)
    assert fpr([1] * 9999 + [0], [1, 0], convention="odin_grid") == 0.5  # no threshold is within 0.0005 of 95 %


def test_odin_grid_averages_over_the_thresholds_near_the_level():
    known = [0, *[10] * 19]  # all thresholds from 0 up accept 95 %
    assert fpr(known, [5], convention="odin_grid") == pytest.approx(0.5)  # half of them accept it
    assert fpr(known, [2.5], convention="odin_grid") == pytest.approx(0.25)
    assert fpr([0, 4, *[10] * 18], [2], level=0.9, convention="odin_grid") == 0


def test_odin_grid_is_close_to_the_exact_figures_where_scores_spread():
    generator = np.random.default_rng(3)
    known, unknown = generator.normal(1.5, 1, 4000), generator.normal(0, 1, 4000)  # as many, as its precision assumes
    exact, grid = measure(known, unknown), measure(known, unknown, convention="odin_grid")
    assert grid.auroc == pytest.approx(exact.auroc, abs=1e-4) and grid.fpr95 == pytest.approx(exact.fpr95, abs=5e-3)
    assert grid.aupr_in == pytest.approx(exact.aupr_in, abs=1e-3) and grid.aupr_out == pytest.approx(exact.aupr_out, abs=1e-3)
    fewer = measure(known, unknown[:400], convention="odin_grid")
    assert fewer.aupr_in == pytest.approx(grid.aupr_in, abs=0.03)  # it does not see how many pictures are unknown
    assert measure(known, unknown[:400]).aupr_in > exact.aupr_in + 0.1


@given(value=st.floats(-1e6, 1e6))
def test_odin_grid_of_equal_scores_rejects_everything(value):
    found = measure([value] * 3, [value] * 2, convention="odin_grid")
    assert (found.auroc, found.aupr_in, found.aupr_out, found.fpr95) == (0, 0.5, 0.5, 0)


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
    assert found.aupr_in == pytest.approx(1 / 2 + (1 / 2 + 2 / 3) / 4)  # precision 1 until 3 is in, 1/2 with 2, 2/3 with 1
    assert found.aupr_out == pytest.approx(found.aupr_in)
    assert measure([3, 1], [2, 0]).aupr_in == pytest.approx((1 + 2 / 3) / 2)  # in steps
    assert found.fpr95 == 0.5 and found.convention == "ood_positive"


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_direction(convention):
    good, bad = measure([3, 4, 5], [0, 1, 2], convention=convention), measure([0, 1, 2], [3, 4, 5], convention=convention)
    assert (good.auroc, good.aupr_in, good.aupr_out, good.fpr95) == (1, 1, 1, 0)
    assert bad.auroc == 0 and bad.fpr95 == 1 and bad.aupr_in < 0.6 > bad.aupr_out


@given(known=TIED, unknown=TIED)
def test_a_monotone_map_of_the_scores_changes_nothing(known, unknown):
    for convention in EXACT:
        mapped = measure(np.exp(np.array(known) / 3) - 50, np.exp(np.array(unknown) / 3) - 50, convention=convention)
        assert mapped == measure(known, unknown, convention=convention)


@given(known=TIED, unknown=TIED)
def test_the_other_sign_swaps_the_two_classes(known, unknown):
    for convention in EXACT:
        one = measure(known, unknown, convention=convention)
        other = measure(-np.array(unknown), -np.array(known), convention=convention)
        assert (other.aupr_in, other.aupr_out) == pytest.approx((one.aupr_out, one.aupr_in))
        assert other.auroc == one.auroc == pytest.approx(1 - measure(unknown, known).auroc)


def slow_delong(known, unknown, level):
    """Compare every pair, and take the spread over the rows and the columns of the comparisons."""
    right = np.array([[(k > u) + (k == u) / 2 for u in unknown] for k in known])
    area = right.mean()
    error = math.sqrt(right.mean(axis=1).var(ddof=1) / len(known) + right.mean(axis=0).var(ddof=1) / len(unknown))
    half = norm.ppf((1 + level) / 2) * error / (area * (1 - area))
    return tuple(1 / (1 + math.exp(-math.log(area / (1 - area)) - shift)) for shift in (-half, half))


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_auroc_interval_equals_delong_over_all_pairs(level):
    generator = np.random.default_rng(0)
    for n, m in ((40, 30), (5, 90), (2, 2)):
        known, unknown = np.append(generator.integers(1, 9, n - 1), 3), np.append(generator.integers(0, 6, m - 1), 4)  # tied, not separate
        known[0] = 5
        assert intervals(known, unknown, level=level)["auroc"] == pytest.approx(slow_delong(known, unknown, level))


def test_auroc_interval_holds_the_true_figure_about_as_often_as_it_says():
    generator, true = np.random.default_rng(0), norm.cdf(1.5 / math.sqrt(2))
    found = [intervals(generator.normal(1.5, 1, 80), generator.normal(0, 1, 50), resamples=1)["auroc"] for _ in range(200)]
    assert 0.9 <= np.mean([low <= true <= high for low, high in found]) <= 0.99


def test_auroc_interval_where_there_is_no_spread():
    assert intervals([3, 4, 5], [0, 1])["auroc"] == pytest.approx((0.025**0.5, 1))  # two pairs, both in order
    assert intervals([0, 1], [3, 4, 5])["auroc"] == pytest.approx((0, 1 - 0.025**0.5))
    assert intervals(np.arange(300) + 300, np.arange(300))["auroc"] == pytest.approx((1 - 3.67 / 300, 1), abs=1e-4)
    for known, unknown in (([1] * 9, [1] * 9), ([1], [0, 2]), ([1], [1])):
        low, high = intervals(known, unknown)["auroc"]
        assert 0 <= low < 0.5 < high <= 1


@given(known=TIED, unknown=TIED)
def test_intervals_lie_within_0_and_1(known, unknown):
    (low, high), (least, most) = intervals(known, unknown, resamples=20).values()
    assert 0 <= low <= measure(known, unknown).auroc <= high <= 1 and 0 <= least <= most <= 1


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_fpr_interval_equals_a_loop_over_the_resamples(convention):
    generator = np.random.default_rng(1)
    known, unknown = generator.integers(3, 40, 60), generator.integers(0, 20, 25)
    draws = np.random.default_rng(7)
    picked = draws.integers(0, 60, (50, 60)), draws.integers(0, 25, (50, 25))
    each = [slow_fpr(known[k].tolist(), unknown[u].tolist(), "id_positive" if convention == "odin_grid" else convention) for k, u in zip(*picked, strict=True)]
    found = intervals(known, unknown, convention=convention, level=0.8, resamples=50, seed=7)["fpr95"]
    assert found == pytest.approx(tuple(np.quantile(each, [0.1, 0.9])))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_fpr_interval_holds_the_figure_and_follows_the_seed(convention):
    generator = np.random.default_rng(2)
    known, unknown = generator.normal(1.5, 1, 2000), generator.normal(0, 1, 300)
    found = intervals(known, unknown, convention=convention)
    low, high = found["fpr95"]
    assert low < fpr(known, unknown, convention=convention) < high < low + 0.3
    assert found == intervals(known, unknown, convention=convention) != intervals(known, unknown, convention=convention, seed=1)
    narrow = intervals(known, unknown, convention=convention, level=0.5)
    assert all(found[name][0] < narrow[name][0] < narrow[name][1] < found[name][1] for name in found)


@given(n=st.integers(1, 30), m=st.integers(1, 30), k=st.integers(1, 5), values=st.integers(1, 40), seed=st.integers(0, 99))
def test_auroc_columns_equals_scikit_learn_per_column(n, m, k, values, seed):
    scores = np.random.default_rng(seed).integers(0, values, (n + m, k)) / 7
    truth = np.arange(n + m) < n
    found = auroc_columns(scores[:n], scores[n:])
    assert found.shape == (k,) and found == pytest.approx([roc_auc_score(truth, column) for column in scores.T])


@given(known=TIED, unknown=TIED)
def test_curve_is_exact(known, unknown):
    found = curve(known, unknown)
    assert (found.thresholds[0], found.tpr[0], found.fpr[0]) == (math.inf, 0, 0)
    assert (found.thresholds[-1], found.tpr[-1], found.fpr[-1]) == (-math.inf, 1, 1)
    assert (np.diff(found.thresholds) < 0).all() and (np.diff(found.tpr) >= 0).all() and (np.diff(found.fpr) >= 0).all()
    assert np.trapezoid(found.tpr, found.fpr) == pytest.approx(measure(known, unknown).auroc)
    for threshold, *rates in zip(found.thresholds, found.tpr, found.fpr, strict=True):
        counts = rates_at(known, unknown, threshold)
        assert [counts.tpr, counts.fpr] == rates
    theirs = roc_curve([1] * len(known) + [0] * len(unknown), [*known, *unknown])
    assert {*zip(found.fpr, found.tpr, strict=True)} <= {*zip(*theirs[:2], strict=True)}


def test_curve_by_hand():
    found = curve([5, 4, 3, 1], [2, 1])  # up for 5, 4 and 3, right for 2, askew for the two at 1
    assert found.thresholds.tolist() == [math.inf, 2, 1, -math.inf]
    assert found.tpr.tolist() == [0, 0.75, 0.75, 1] and found.fpr.tolist() == [0, 0, 0.5, 1]


@pytest.mark.parametrize("points", [2, 3, 10, 101, 400])
@pytest.mark.parametrize("gap", [0, 1, 3])
def test_a_thinned_curve_stays_close(points, gap):
    generator = np.random.default_rng(points)
    known, unknown = generator.normal(gap, 1, 3000), generator.normal(0, 2, 700)
    full, thin = curve(known, unknown), curve(known, unknown, points=points)
    assert len(thin.tpr) == len(thin.fpr) == len(thin.thresholds) <= points < len(full.tpr)
    assert (thin.thresholds[0], thin.tpr[0], thin.fpr[0], thin.thresholds[-1], thin.tpr[-1], thin.fpr[-1]) == (math.inf, 0, 0, -math.inf, 1, 1)
    assert {*zip(*vars(thin).values(), strict=True)} <= {*zip(*vars(full).values(), strict=True)}
    corners, all_points = np.stack([thin.fpr, thin.tpr], 1), np.stack([full.fpr, full.tpr], 1)
    start, way = corners[:-1], np.diff(corners, axis=0)  # (S, 2): the straight pieces drawn
    along = ((all_points[:, None] - start) * way).sum(2) / (way**2).sum(1)  # (P, S)
    nearest = start + along.clip(0, 1)[..., None] * way
    assert np.linalg.norm(all_points[:, None] - nearest, axis=2).min(1).max() <= 0.71 / (points // 2)


def test_a_curve_with_few_points_is_not_thinned():
    full, thin = curve([3, 1, 2], [0, 2]), curve([3, 1, 2], [0, 2], points=50)
    assert all((a == b).all() for a, b in zip(vars(full).values(), vars(thin).values(), strict=True))


@given(known=TIED, unknown=TIED, threshold=st.integers(-1, 7))
def test_rates_at_counts(known, unknown, threshold):
    found = rates_at(known, unknown, threshold)
    taken = [sum(s > threshold for s in scores) for scores in (known, unknown)]
    assert found == Confusion(taken[0], len(known) - taken[0], taken[1], len(unknown) - taken[1])
    assert (found.tpr, found.fpr) == (taken[0] / len(known), taken[1] / len(unknown))


def test_a_score_equal_to_the_threshold_is_unknown():
    assert rates_at([2, 1], [1], 1) == Confusion(known_as_known=1, known_as_unknown=1, unknown_as_known=0, unknown_as_unknown=1)


def test_tensors_are_taken():
    import torch

    assert measure(torch.tensor([2.0, 3.0]), torch.tensor([1.0])).auroc == 1


def columns(known, unknown):
    return auroc_columns(np.array(known, float).reshape(-1, 1), np.array(unknown, float).reshape(-1, 1))


def counted(known, unknown):
    return rates_at(known, unknown, 0)


EVERY = [measure, fpr, intervals, curve, counted, columns]


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize(("known", "unknown"), [([], [1]), ([1], [])])
def test_empty_scores_are_refused(function, known, unknown):
    with pytest.raises(InputError, match="at least one known and one unknown picture"):
        function(known, unknown)


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_scores_that_are_no_numbers_are_refused(function, bad):
    with pytest.raises(InputError, match="Some scores are NaN or infinite"):
        function([1, bad], [0])
    with pytest.raises(InputError, match="Some scores are NaN or infinite"):
        function([1], [bad])


@pytest.mark.parametrize("function", [measure, fpr, intervals])
def test_an_unknown_convention_is_refused(function):
    with pytest.raises(InputError, match="no convention named 'openood'; the known ones are id_positive, odin_grid, ood_positive"):
        function([1], [0], convention="openood")


def test_arguments_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="level is a share above 0 and at most 1, not 95"):
        fpr([1], [0], level=95)
    with pytest.raises(ValueError, match="at least 2 points, not 1"):
        curve([1], [0], points=1)
    with pytest.raises(ValueError, match=r"\(N, K\) and \(M, K\), not \(3, 2\) and \(3, 1\)"):
        auroc_columns(np.zeros((3, 2)), np.zeros((3, 1)))


def test_arguments_stay_as_they_are():
    known, unknown = np.array([3.0, 1.0, 2.0]), np.array([2.0, 0.0])
    for function in EVERY:
        function(known, unknown)
    assert known.tolist() == [3, 1, 2] and unknown.tolist() == [2, 0]
