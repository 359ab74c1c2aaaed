from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.detectors import make
from core.detectors.jigsaw import regress, response
from core.errors import InputError
from core.metrics import measure


def test_scores_are_those_of_scikit_learns_pipeline(clusters):
    reference = clusters.reference
    x = torch.cat([response(reference.bank), response(reference.puzzles)]).numpy()
    y = [1] * len(reference.bank) + [0] * len(reference.puzzles)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", tol=1e-10, max_iter=10_000)).fit(x, y)
    scores = make("jigsaw").fit(reference).score(clusters.fresh)
    torch.testing.assert_close(scores, torch.from_numpy(pipeline.decision_function(response(clusters.fresh).numpy())), rtol=0.01, atol=0.01)


@given(st.integers(0, 2**32 - 1), st.integers(4, 200), st.integers(1, 8), st.floats(-3, 3), st.floats(-2, 2))
def test_the_regression_is_that_of_scikit_learn(seed, n, d, size, strength):
    rng = np.random.default_rng(seed)
    x = 10**size * rng.standard_normal((n, d))
    y = x[:, 0] + 10**size * rng.standard_normal(n) * rng.choice((0, 0.3, 3)) > 0  # told apart wholly, mostly or hardly
    y[:2] = True, False
    strength = 10**strength
    weights = regress(torch.from_numpy(x), torch.from_numpy(y), strength=strength).numpy()
    oracle = LogisticRegression(C=strength, class_weight="balanced", solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(x @ weights[:-1] + weights[-1], oracle.decision_function(x), rtol=1e-4, atol=1e-4)


def test_it_tells_known_pictures_from_puzzles_that_it_was_not_fitted_on(clusters):
    scores = make("jigsaw").fit(clusters.reference)
    assert measure(scores.score(clusters.fresh), scores.score(clusters.shifted)).auroc > 0.95


def test_it_reads_no_class(clusters):
    """Which class stands first does not matter, only how far: permuted logits give the same score."""
    fitted = make("jigsaw").fit(clusters.reference)
    turned = replace(clusters.fresh, logits=clusters.fresh.logits.roll(1, dims=1))
    torch.testing.assert_close(fitted.score(turned), fitted.score(clusters.fresh))


def test_a_silent_block_gives_a_number(clusters):
    fitted = make("jigsaw").fit(clusters.reference)
    assert fitted.score(replace(clusters.fresh, norms=torch.zeros_like(clusters.fresh.norms))).isfinite().all()


def test_without_puzzles_it_says_so(clusters):
    with pytest.raises(InputError, match="holds no puzzles of known pictures"):
        make("jigsaw").fit(replace(clusters.reference, puzzles=None))
