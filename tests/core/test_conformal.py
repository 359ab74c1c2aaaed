"""Thresholds keep what they promise, and p-values of known pictures are uniform."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.conformal import conformal_p, left_out_p, threshold_at
from core.errors import InputError

TIED = st.lists(st.integers(-4, 4), min_size=1, max_size=60)


def scores(values):
    return torch.tensor(values, dtype=torch.float64)


def test_p_values_by_hand():
    # of three known pictures none, one, two (a tie counts) and all score no higher; the picture itself counts as one more
    assert conformal_p(scores([2, 1, 3]), scores([0, 1.5, 2, 9])).tolist() == [0.25, 0.5, 0.75, 1]


def test_left_out_p_by_hand():
    assert left_out_p(scores([30, 10, 20, 20])).tolist() == [1, 0.25, 0.75, 0.75]


@given(TIED.filter(lambda values: len(values) > 1))
def test_left_out_p_is_the_p_value_against_the_others(values):
    expected = [conformal_p(scores(values[:i] + values[i + 1 :]), scores(values[i : i + 1])).item() for i in range(len(values))]
    assert left_out_p(scores(values)).tolist() == pytest.approx(expected)


@given(TIED, TIED)
def test_p_values_rise_with_the_score(calibration, fresh):
    fresh = scores(fresh).sort().values
    p = conformal_p(scores(calibration), fresh)
    assert (p.diff() >= 0).all() and p.min() > 0.999 / (len(calibration) + 1) and p.max() <= 1
    assert p.tolist() == pytest.approx([(1 + sum(c <= s for c in calibration)) / (len(calibration) + 1) for s in fresh.tolist()])


@pytest.mark.parametrize("p", [conformal_p(scores([0, 1]), scores([0.5])), left_out_p(scores([0, 1, 2]))])
def test_p_values_have_double_precision(p):
    assert p.dtype == torch.float64 and (3 * p).frac().eq(0).all()


def test_p_values_of_exchangeable_pictures_are_uniform(generator):
    p = conformal_p(torch.randn(2000, generator=generator, dtype=torch.float64), torch.randn(2000, generator=generator, dtype=torch.float64))
    apart = (p.sort().values - torch.arange(1, 2001) / 2000).abs().max().item()
    assert apart < 1.95 * math.sqrt(2 / 2000)  # Kolmogorov-Smirnov, two samples: one seed in a thousand lies beyond


def test_p_values_of_known_pictures_are_no_smaller_than_uniform_under_ties(generator):
    calibration, fresh = torch.randint(0, 3, (2, 4000), generator=generator).double()
    p = conformal_p(calibration, fresh)
    assert all((p <= level).double().mean() <= level + 0.03 for level in (0.1, 0.2, 0.35, 0.5, 0.7))


@given(TIED, st.floats(0.01, 0.99))
def test_a_threshold_keeps_at_least_what_it_promises_and_no_larger_one_does(values, keep):
    calibration = scores(values)
    threshold = threshold_at(calibration, keep)
    assert (calibration > threshold).double().mean() >= keep - 1e-9
    larger = math.nextafter(threshold, math.inf)  # is a score: a threshold there loses it and its ties
    assert (calibration > larger).double().mean() < keep + 1e-9 or keep * len(values) == pytest.approx((calibration > larger).sum().item())


def test_a_threshold_by_hand():
    calibration = scores(range(20))
    assert threshold_at(calibration, 0.95) == math.nextafter(1, -math.inf)  # one of twenty, the 0, may be lost
    assert threshold_at(calibration, 0.949) == math.nextafter(1, -math.inf)
    assert threshold_at(calibration, 0.951) == math.nextafter(0, -math.inf)
    assert threshold_at(scores([5.0] * 9), 0.5) == math.nextafter(5, -math.inf)  # ties are kept together


@pytest.mark.parametrize("keep", [0, 1, -0.5, 95])
def test_a_share_that_is_none_is_refused(keep):
    with pytest.raises(InputError, match=f"share of known pictures to keep is {keep}; choose one between 0 and 1"):
        threshold_at(scores([1, 2]), keep)
