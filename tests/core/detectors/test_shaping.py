"""ReAct, ASH and SCALE by hand, as properties, and against pytorch-ood on maps of one position."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from core.detectors import make
from core.detectors.logits import energy
from core.detectors.shaping import ash_b, ash_s, scale, strongest
from core.errors import InputError

SHAPES = (ash_b, ash_s, scale)
responses = arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 30)), elements=st.floats(0, 100, width=32)).map(torch.from_numpy)


def test_by_hand():
    x = torch.tensor([[4.0, 0.0, 3.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    assert strongest(x, 50).tolist() == [[4, 0, 3, 0], [0, 0, 0, 0]]
    assert ash_b(x, percentile=50).tolist() == [[4, 0, 4, 0], [0, 0, 0, 0]]
    assert ash_s(x, percentile=50)[0].tolist() == pytest.approx([4 * math.exp(8 / 7), 0, 3 * math.exp(8 / 7), 0])
    assert scale(x, percentile=75)[0].tolist() == pytest.approx([4 * math.exp(2), 0, 3 * math.exp(2), math.exp(2)])
    assert not ash_s(x)[1].any() and not scale(x)[1].any()


def test_where_fewer_features_respond_than_are_kept_the_others_stay_silent():
    assert ash_b(torch.tensor([[6.0, 0.0, 2.0, 0.0, 0.0]]), percentile=20).tolist() == [[4, 0, 4, 0, 0]]


def test_at_least_one_feature_is_kept():
    assert strongest(torch.tensor([[1.0, 2.0, 0.5]]), 99).tolist() == [[0, 2, 0]]


def test_react_cuts_off_at_the_percentile_of_all_features(exact):
    weight, bias = exact.reference.head
    ceiling = sorted(exact.reference.bank.features.flatten().tolist())[round(0.9 * (exact.reference.bank.features.numel() - 1))]
    expected = energy(exact.fresh.features.clamp(max=ceiling) @ weight.T + bias)
    torch.testing.assert_close(make("react").fit(exact.reference).score(exact.fresh), expected, rtol=1e-3, atol=1e-3)
    plain = make("react", percentile=100).fit(exact.reference).score(exact.reference.bank)
    torch.testing.assert_close(plain, make("energy").score(exact.reference.bank))


@pytest.mark.parametrize(
    ("name", "theirs", "options"),
    [
        ("react", "ReAct", {}),
        ("ash_b", "ASH", {"variant": "ash-b"}),
        ("ash_s", "ASH", {"variant": "ash-s"}),
        ("scale", "SCALE", {}),
    ],
)
@pytest.mark.parametrize("percentile", [None, 50, 80])
def test_as_pytorch_ood(name, theirs, options, percentile, exact, oracles):
    detector = make(name, **({} if percentile is None else {"percentile": percentile}))
    oracle = getattr(oracles, theirs)(None, lambda maps: exact.head(maps.flatten(1)), percentile=detector.percentile / 100, **options)
    if name == "react":
        oracle.fit_feature_maps(exact.reference.bank.features[..., None, None], exact.reference.bank_labels)
    fresh = exact.fresh[(exact.fresh.features > 0).sum(1) >= 12]  # theirs fills features that do not respond where too few do
    assert len(fresh) > 500
    ours = detector.fit(exact.reference).score(fresh)
    torch.testing.assert_close(ours, -oracle.predict_feature_maps(fresh.features[..., None, None]), rtol=1e-9, atol=1e-9)


@given(x=responses, percentile=st.floats(1, 95))
def test_shaping_changes_a_copy_and_stays_finite(x, percentile):
    before = x.clone()
    for shape in SHAPES:
        shaped = shape(x, percentile=percentile)
        assert torch.equal(x, before) and shaped.dtype == torch.float64 and shaped.shape == x.shape
        assert shaped.isfinite().all() and (shaped >= 0).all()
    assert torch.equal(strongest(x, percentile), strongest(strongest(x, percentile), percentile))


@given(x=responses, percentile=st.floats(1, 95))
@example(x=torch.tensor([[1.3081e-38]]), percentile=1.0)
def test_ash_b_keeps_the_sum_and_scale_the_directions(x, percentile):
    torch.testing.assert_close(ash_b(x, percentile=percentile).sum(1), x.double().sum(1))
    factors = scale(x, percentile=percentile).sum(1) / x.double().sum(1)
    torch.testing.assert_close(scale(x, percentile=percentile), torch.where(x.double().sum(1) > 0, factors, 0)[:, None] * x)
    assert (factors[x.double().sum(1) > 0] >= math.e * (1 - 1e-9)).all()  # the sum of all is at least that of the strongest


@given(x=responses, percentile=st.floats(1, 95), factor=st.floats(0.01, 100))
def test_shaping_scales_with_the_features(x, percentile, factor):
    x = x.double()
    for shape in SHAPES:
        expected = factor * shape(x, percentile=percentile)
        torch.testing.assert_close(shape(factor * x, percentile=percentile), expected, rtol=1e-6, atol=1e-6 * expected.max().item() + 1e-12)


@pytest.mark.parametrize("name", ["ash_b", "ash_s", "scale"])
def test_negative_features_are_explained(name, clusters):
    below = replace(clusters.reference, bank=replace(clusters.reference.bank, features=clusters.reference.bank.features - 0.1))
    with pytest.raises(InputError, match=r"features can be negative, and shaping them .* only after a ReLU; choose another detector") as caught:
        make(name).fit(below)
    assert caught.value.key == "detector.negative"


def test_react_takes_negative_features(clusters):
    def lowered(activations):
        return replace(activations, features=activations.features - 1)

    fitted = make("react").fit(replace(clusters.reference, bank=lowered(clusters.reference.bank)))
    ceiling = make("react").fit(clusters.reference)._ceiling
    assert fitted._ceiling == pytest.approx(ceiling - 1) and fitted.score(lowered(clusters.fresh)).isfinite().all()
