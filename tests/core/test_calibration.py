"""Calibration is what scikit-learn, slow loops and hand-worked numbers say, and a temperature that was hidden is found again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from core.calibration import BINNINGS, brier, confidence_of, fit_isotonic, fit_temperature, interval, nll, reliability


def drawn(n=4000, classes=5, *, hotter=1.0, seed=0):
    """Return (logits, labels) whose labels were drawn by the softmax of the logits / hotter."""
    draw = np.random.default_rng(seed)
    logits = 3 * draw.normal(size=(n, classes))
    chances = softmax(logits / hotter, axis=1).cumsum(1)
    return logits, (draw.random((n, 1)) > chances).sum(1).clip(max=classes - 1)


def confidences(n=3000, seed=0):
    draw = np.random.default_rng(seed)
    confidence = draw.beta(4, 1, n)
    return confidence, draw.random(n) < confidence**2


@pytest.mark.parametrize(("binning", "strategy"), list(zip(BINNINGS, ("uniform", "quantile"), strict=True)))
def test_the_diagram_is_that_of_scikit_learn(binning, strategy):
    confidence, right = confidences()
    accuracy, mean = calibration_curve(right, confidence, n_bins=12, strategy=strategy)
    found = reliability(confidence, right, bins=12, binning=binning)
    assert found.accuracy == pytest.approx(accuracy) and found.confidence == pytest.approx(mean)
    assert found.count.sum() == len(right)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=80), st.integers(1, 15))
def test_ece_of_equally_wide_bins_is_that_of_a_loop(pictures, bins):
    confidence, right = np.array([c / 20 for c, _ in pictures]), np.array([r for _, r in pictures])
    edges, expected = np.linspace(0, 1, bins + 1), 0.0
    for k in range(bins):
        inside = [i for i, c in enumerate(confidence) if (c > edges[k] or k == 0) and (c <= edges[k + 1] or k == bins - 1)]
        if inside:
            expected += len(inside) / len(pictures) * abs(np.mean(right[inside]) - np.mean(confidence[inside]))
    assert reliability(confidence, right, bins=bins).ece == pytest.approx(expected, abs=1e-12)


def test_ece_by_hand():
    found = reliability([0.95, 0.95, 0.55, 0.55], [True, False, True, True], bins=2, binning="width")
    assert found.ece == pytest.approx(0.0) and len(found.count) == 1  # 3 of 4 right at 75 % on average: one bin hides what two tell
    assert reliability([0.95, 0.95, 0.55, 0.55], [True, False, True, True], bins=10).ece == pytest.approx(0.45)


def test_equally_full_bins_are_equally_full():
    confidence, right = confidences(3000)
    assert set(reliability(confidence, right, bins=15, binning="mass").count) == {200}


def test_ties_share_one_bin():
    found = reliability([1.0] * 9 + [0.5], [True] * 10, binning="mass")
    assert found.count.sum() == 10 and 9 in found.count


def test_another_binning_is_refused():
    with pytest.raises(ValueError, match="binning is one of"):
        reliability([0.5], [True], binning="weight")


def test_brier_and_nll_are_those_of_scikit_learn():
    logits, labels = drawn(500)
    confidence = confidence_of(logits)
    right = logits.argmax(1) == labels
    assert confidence == pytest.approx(softmax(logits, axis=1).max(1))
    assert brier(confidence, right) == pytest.approx(brier_score_loss(right, confidence))
    assert nll(logits, labels, 1.7) == pytest.approx(log_loss(labels, softmax(logits / 1.7, axis=1), labels=range(5)))


@pytest.mark.parametrize("hotter", [0.5, 1.0, 2.5])
def test_a_hidden_temperature_is_found(hotter):
    logits, labels = drawn(20_000, hotter=hotter)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(hotter, rel=0.05)
    assert all(nll(logits, labels, found) <= nll(logits, labels, found * factor) for factor in (0.9, 0.999, 1.001, 1.1))


def test_a_temperature_has_an_end_where_every_answer_is_right():
    logits, _ = drawn(100)
    assert 0.02 <= fit_temperature(logits, logits.argmax(1)) < 0.03


def test_temperature_calibrates_new_pictures():
    (logits, labels), (new, truth) = drawn(hotter=2.5), drawn(hotter=2.5, seed=1)
    right, temperature = new.argmax(1) == truth, fit_temperature(logits, labels)
    assert reliability(confidence_of(new), right).ece > 0.1 > 0.03 > reliability(confidence_of(new, temperature), right).ece


def test_isotonic_rises_and_calibrates_new_pictures():
    fitted, (confidence, right) = fit_isotonic(*confidences()), confidences(seed=1)
    mapped = fitted(confidence)
    assert (np.diff(mapped[confidence.argsort()]) >= 0).all() and mapped.min() >= 0 and mapped.max() <= 1
    assert mapped == pytest.approx(confidence**2, abs=0.12)
    assert reliability(mapped, right).ece < 0.03 < 0.1 < reliability(confidence, right).ece


def test_isotonic_by_hand():
    assert fit_isotonic([0.1, 0.2, 0.3, 0.4], [False, True, False, True])([0.0, 0.2, 0.3, 1.0]).tolist() == [0, 0.5, 0.5, 1]


@pytest.mark.parametrize(("hits", "count"), [(0, 7), (3, 7), (7, 7)])
def test_intervals_are_those_of_scipy(hits, count):
    expected = binomtest(hits, count).proportion_ci(0.95, method="exact")
    assert tuple(float(end) for end in interval(hits, count)) == pytest.approx((expected.low, expected.high))
