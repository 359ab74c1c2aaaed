"""Against scipy, by enumeration, and by simulation with a seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.watch.evidence import batch_p_value, benjamini_hochberg, clopper_pearson, log_ratio, ood_share, rate_bounds


@given(st.lists(st.floats(1e-6, 1), max_size=60), st.sampled_from([0.01, 0.05, 0.1, 0.3]))
def test_benjamini_hochberg_is_that_of_scipy(p_values, level):
    expected = stats.false_discovery_control(p_values) if p_values else np.array([])
    clear = abs(expected - level) > 1e-9  # the two round differently
    assert (benjamini_hochberg(p_values, level) == (expected <= level))[clear].all()


def test_benjamini_hochberg_by_hand():
    assert benjamini_hochberg([0.04, 0.01, 0.9], 0.06).tolist() == [True, True, False]  # 0.04 <= 2 * 0.06 / 3
    assert benjamini_hochberg([0.05, 0.03, 0.9], 0.06).tolist() == [False, False, False]
    assert benjamini_hochberg([], 0.1).tolist() == []


def test_the_false_discovery_rate_is_kept_with_conformal_p_values():
    draw, known, level, shares, found = np.random.default_rng(0), 400, 0.2, [], 0
    for _ in range(400):
        calibration = np.sort(draw.normal(size=known))
        scores = np.concatenate([draw.normal(size=40), draw.normal(-3, size=10)])  # known, then unknown
        p_values = (1 + np.searchsorted(calibration, scores, side="right")) / (known + 1)
        flagged = benjamini_hochberg(p_values, level)
        shares.append(flagged[:40].sum() / max(flagged.sum(), 1))
        found += flagged[40:].sum()
    assert np.mean(shares) <= level * 0.8 + 0.03 and found > 0.5 * 4000  # 80 % are known


@pytest.mark.parametrize(("rank", "known"), [(1, 10), (101, 2000), (5, 99)])
def test_rate_bounds_are_those_of_the_beta_law_and_of_a_simulation(rank, known):
    low, high = rate_bounds(rank, known, 0.1)
    assert (low, high) == pytest.approx(stats.beta(rank, known + 1 - rank).ppf([0.1, 0.9]))
    drawn = np.sort(np.random.default_rng(0).uniform(size=(2000, known)), axis=1)[:, rank - 1]  # the share below an order statistic
    assert np.mean(drawn > high) == pytest.approx(0.1, abs=0.03) and np.mean(drawn < low) == pytest.approx(0.1, abs=0.03)


@given(st.integers(1, 200), st.floats(0.001, 0.999), st.data())
def test_batch_p_value_and_interval_are_those_of_scipy(pictures, rate, data):
    count = data.draw(st.integers(0, pictures))
    assert batch_p_value(count, pictures, rate) == pytest.approx(stats.binom.sf(count - 1, pictures, rate), abs=1e-9)
    interval = stats.binomtest(count, pictures).proportion_ci(0.9, method="exact")
    assert clopper_pearson(count, pictures, 0.9) == pytest.approx((interval.low, interval.high), abs=1e-9)


@pytest.mark.parametrize(("pictures", "rate"), [(1, 0.05), (30, 0.06), (100, 0.3)])
def test_a_likelihood_ratio_is_an_e_value(pictures, rate):
    rates, counts = [rate + (1 - rate) * share for share in (0.02, 0.1, 0.8)], np.arange(pictures + 1)
    ratios = np.exp([log_ratio(count, pictures, rate, rates) for count in counts])
    at = stats.binom(pictures, rate).pmf(counts) @ ratios
    below = stats.binom(pictures, rate / 2).pmf(counts) @ ratios
    assert at == pytest.approx(np.ones(3)) and (below < 1).all()
    expected = stats.binom(pictures, rates[1]).pmf(counts) / stats.binom(pictures, rate).pmf(counts)
    assert ratios[:, 1] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_the_share_of_unknown_pictures_is_within_its_bounds_as_often_as_promised(share):
    draw, known, pictures, rank = np.random.default_rng(1), 300, 80, 150
    missed, estimates = np.zeros(2), []
    for _ in range(400):
        u = draw.beta(rank, known + 1 - rank)  # of known pictures, the share with a p-value of at most rank / (known + 1)
        familiar = draw.binomial(pictures, (1 - share) * (1 - u))  # no unknown picture looks familiar
        estimate, low, high = ood_share(familiar, pictures, rank, known)
        assert 0 <= low <= estimate <= high <= 1
        missed += low > share + 1e-12, high < share - 1e-12
        estimates.append(estimate)
    assert (missed / 400 <= 0.025 + 0.05).all() and abs(np.mean(estimates) - share) < 0.05


def test_the_low_bound_holds_where_unknown_pictures_look_familiar_too():
    draw, known, pictures, rank, share = np.random.default_rng(2), 300, 80, 150, 0.4
    lows = []
    for _ in range(300):
        u = draw.beta(rank, known + 1 - rank)
        familiar = draw.binomial(pictures, (1 - share) * (1 - u) + share * 0.5)
        lows.append(ood_share(familiar, pictures, rank, known)[1])
    assert np.mean(np.array(lows) > share) <= 0.01
