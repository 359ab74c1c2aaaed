"""What every detector does; a new line of the table is tested by being there."""

import copy
from dataclasses import fields

import pytest
import torch

from core.detectors import DEFAULT, DETECTORS, make
from core.errors import InputError
from core.metrics import measure


def tensors(activations):
    each = [getattr(activations, f.name) for f in fields(activations)]
    return [t for t in each if isinstance(t, torch.Tensor)] + list(activations.means.values())


@pytest.fixture(params=DETECTORS)
def fitted(request, clusters):
    return make(request.param).fit(clusters.reference)


def test_the_default_is_in_the_table():
    assert DEFAULT in DETECTORS


def test_one_finite_score_a_picture(fitted, clusters):
    scores = fitted.score(clusters.fresh)
    assert scores.shape == (len(clusters.fresh),) and torch.isfinite(scores).all()
    assert len(scores.unique()) > 20  # a score that hardly varies ranks nothing


@pytest.mark.parametrize("name", list(DETECTORS))
def test_scores_have_double_precision(name, clusters):
    fitted = make(name).fit(clusters.reference)
    assert fitted.score(clusters.fresh).dtype == fitted.held_out_scores(clusters.reference).dtype == torch.float64


def test_known_pictures_score_higher(fitted, clusters):
    known, unknown = fitted.score(clusters.fresh), fitted.score(clusters.shifted)
    assert known.mean() > unknown.mean()
    assert measure(known, unknown).auroc > 0.9
    assert fitted.held_out_scores(clusters.reference).mean() > unknown.mean()


def test_nothing_that_is_given_is_changed(fitted, clusters):
    given = [clusters.reference.bank, clusters.reference.held_out, clusters.fresh]
    before = copy.deepcopy([tensors(a) for a in given])
    fitted.fit(clusters.reference)
    fitted.score(clusters.fresh)
    assert all(torch.equal(a, b) for one, other in zip(given, before, strict=True) for a, b in zip(tensors(one), other, strict=True))


def test_the_same_picture_has_the_same_score_in_any_company(fitted, clusters, generator):
    scores = fitted.score(clusters.fresh)
    assert torch.equal(fitted.score(clusters.fresh), scores)
    order = torch.randperm(len(clusters.fresh), generator=generator)
    torch.testing.assert_close(fitted.score(clusters.fresh[order]), scores[order], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(fitted.score(clusters.fresh[7:8]), scores[7:8], rtol=1e-9, atol=1e-9)


def test_fitting_twice_is_fitting_once(fitted, clusters, make_clusters):
    scores = fitted.score(clusters.fresh)
    fitted.fit(make_clusters(5).reference)
    assert torch.equal(fitted.fit(clusters.reference).score(clusters.fresh), scores)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match=f"no detector named 'oracle'; the known ones are {', '.join(sorted(DETECTORS))}"):
        make("oracle")


def test_parameters_replace_those_of_the_table():
    assert make("knn").k == 50 and make("knn", k=3).k == 3
    assert make("energy", temperature=2.0).temperature == 2
