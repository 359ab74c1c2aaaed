"""Statistics of pieces merge into those of the whole, in any order and grouping; numpy and scikit-learn say the same."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from sklearn.covariance import EmpiricalCovariance

from core.cli import main
from core.detectors import make
from core.errors import InputError
from core.images.sources import open_source
from core.packs import describe
from core.scoring.shards import Plan
from core.scoring.statistics import Moments, Sample, Statistics, difference, measure_shards, merged

CLASSES, WIDTH = 4, 5


def drawn(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = 1e3 + torch.randn(n, WIDTH, generator=generator, dtype=torch.float64)  # far from zero, where a sum of squares would lose digits
    return x, torch.randint(0, CLASSES - 1, (n,), generator=generator)  # the last class has no picture


def close(a, b):
    for name in ("counts", "means", "scatter"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=1e-10, atol=1e-10)


@settings(max_examples=25)
@given(st.integers(1, 60), st.data())
def test_any_partition_in_any_order_merges_to_the_whole(n, data):
    x, labels = drawn(n)
    places = torch.arange(n)
    owner = np.array(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    pieces = [np.flatnonzero(owner == k) for k in data.draw(st.permutations(range(5))) if (owner == k).any()]

    def of(rows):
        return Moments.of(x[rows], labels[rows], CLASSES), Sample.of(x[rows], labels[rows], places[rows], size=7, seed=3)

    whole, parts = of(np.arange(n)), [of(piece) for piece in pieces]
    while len(parts) > 1:  # merge any two neighbours
        k = data.draw(st.integers(0, len(parts) - 2))
        parts[k : k + 2] = [tuple(a.merge(b) for a, b in zip(parts[k], parts[k + 1], strict=True))]
    close(parts[0][0], whole[0])
    for name in ("keys", "rows", "labels"):
        assert torch.equal(getattr(parts[0][1], name), getattr(whole[1], name))


def test_moments_are_those_of_numpy_and_scikit_learn():
    x, labels = drawn(200)
    moments = Moments.of(x, labels, CLASSES)
    for c in range(CLASSES - 1):
        np.testing.assert_allclose(moments.means[c], x[labels == c].numpy().mean(0), rtol=1e-12)
    within = sum((labels == c).sum().item() * np.cov(x[labels == c].numpy().T, bias=True) for c in range(CLASSES - 1))
    np.testing.assert_allclose(moments.scatter, within, rtol=1e-9)
    centred = x - moments.means[labels]
    np.testing.assert_allclose(moments.covariance, EmpiricalCovariance(assume_centered=True).fit(centred.numpy()).covariance_, rtol=1e-9)
    assert moments.counts[-1] == 0 and not moments.means[-1].any()


def test_the_sample_is_uniform_and_follows_its_seed():
    places = torch.arange(1000)
    rows, labels = places[:, None].float(), places % 3

    def chosen(seed):
        return Sample.of(rows, labels, places, size=100, seed=seed)

    assert torch.equal(chosen(1).rows, chosen(1).rows) and not torch.equal(chosen(1).rows, chosen(2).rows)
    assert torch.equal(chosen(5).labels, chosen(5).rows[:, 0].long() % 3)
    times = torch.cat([chosen(seed).rows[:, 0].long() for seed in range(400)]).bincount(minlength=1000)
    assert len(set(chosen(1).rows[:, 0].tolist())) == 100
    # each picture is taken 40 times in the mean, with the variance of a binomial, 36
    assert times.double().var().item() == pytest.approx(36, rel=0.2) and times.min() > 15 and times.max() < 70


def test_a_detector_fitted_on_moments_is_the_one_fitted_on_the_bank(clusters):
    bank, labels = clusters.reference.bank, clusters.reference.bank_labels
    half = len(bank) // 2
    parts = [Moments.of(bank.features[rows], labels[rows], 3) for rows in (slice(half), slice(half, None))]
    fitted = make("mahalanobis").fit_moments(parts[0].merge(parts[1]))
    torch.testing.assert_close(fitted.score(clusters.fresh), make("mahalanobis").fit(clusters.reference).score(clusters.fresh), rtol=1e-9, atol=1e-9)


def test_difference_is_zero_to_itself_and_one_at_a_deviation():
    x, labels = drawn(5000)
    one = Moments.of(x, labels, CLASSES)
    assert difference(one, one) == {"means": 0, "covariance": 0}
    deviation = torch.linalg.cholesky(one.covariance) @ torch.ones(WIDTH, dtype=torch.float64)
    moved = difference(replace(one, means=one.means + deviation), one)
    assert moved["means"] == pytest.approx(1, abs=2e-3) and moved["covariance"] == 0
    assert difference(replace(one, scatter=2 * one.scatter), one)["covariance"] == pytest.approx(1)


def test_a_source_measured_in_shards_is_the_source_measured_at_once(scorer, pictures):
    source = open_source(pictures)
    found = merged(measure_shards(scorer, source, Plan.of(150, shard=30, batch=10), [3, 0, 4], size=20))
    found = found.merge(merged(measure_shards(scorer, source, Plan.of(150, shard=30, batch=10), [2, 1], size=20)))
    whole = merged(measure_shards(scorer, source, Plan.of(150, batch=150), [0], size=20))
    assert found.pictures == whole.pictures == 148 and set(found.moments) == {"features", scorer.judge.reference.middle}
    for name, moments in whole.moments.items():
        torch.testing.assert_close(found.moments[name].scatter, moments.scatter, rtol=1e-6, atol=1e-6)
        assert torch.equal(found.moments[name].counts, moments.counts)
    assert torch.equal(found.sample.keys, whole.sample.keys)
    again = Statistics.from_bytes(whole.to_bytes())
    assert torch.equal(again.sample.rows, whole.sample.rows) and torch.equal(again.moments["features"].means, whole.moments["features"].means)


def test_a_label_that_the_network_has_no_class_for_is_explained(clusters):
    with pytest.raises(InputError, match="label 9 and the network has 3 classes"):
        Statistics.of(clusters.fresh, torch.full((len(clusters.fresh),), 9), torch.arange(len(clusters.fresh)))


def test_the_command_says_how_far_the_packs_bank_is(tmp_path, capsys):
    out = tmp_path / "new" / "statistics.safetensors"
    code = main(["statistics", "--pack", "toybox", "--images", "toybox:train", "--limit", "300", "--sample", "50", "--out", str(out), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0 and (document["pictures"], document["errors"], document["sample"]) == (300, 0, 50)
    assert set(document["bank"]) == {"features", describe("toybox").facts["selection"]["middle"]}
    assert all(0 < d["means"] < 1 and 0 < d["covariance"] < 1 for d in document["bank"].values())
    assert load_file(out)["sample.rows"].shape[0] == 50
