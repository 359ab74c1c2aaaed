"""The consensus adds evidence and is a p-value itself."""

import math
from dataclasses import replace

import pytest
import torch

from core.conformal import conformal_p, left_out_p
from core.detectors import make
from core.detectors.consensus import MEMBERS
from core.errors import InputError
from core.metrics import measure


def p_of_members(consensus, activations):
    return consensus.member_p({name: detector.score(activations) for name, detector in consensus.fitted.items()})


def test_score_is_the_sum_of_the_members_log_p_values(clusters):
    fitted = make("consensus").fit(clusters.reference)
    members = p_of_members(fitted, clusters.fresh)
    assert tuple(members) == MEMBERS
    for name, p in members.items():
        single = make(name).fit(clusters.reference)
        torch.testing.assert_close(p, conformal_p(single.score(clusters.reference.held_out), single.score(clusters.fresh)))
    expected = [sum(math.log(p[i]) for p in members.values()) for i in range(len(clusters.fresh))]
    assert fitted.score(clusters.fresh).tolist() == pytest.approx(expected, rel=1e-5)
    assert fitted.score(clusters.fresh).max() <= 0


def test_held_out_pictures_are_left_out_of_their_own_calibration(clusters):
    fitted = make("consensus", members=("msp", "energy")).fit(clusters.reference)
    singles = [make(name).fit(clusters.reference).score(clusters.reference.held_out) for name in ("msp", "energy")]
    expected = left_out_p(singles[0]).log() + left_out_p(singles[1]).log()
    torch.testing.assert_close(fitted.held_out_scores(clusters.reference), expected)


def test_its_p_value_is_uniform_on_fresh_known_pictures(make_clusters):
    """The members are far from independent, so that the sum alone is not: calibration has to make up for it."""
    p = []
    for seed in range(5):
        clusters = make_clusters(seed)
        fitted = make("consensus").fit(clusters.reference)
        p.append(conformal_p(fitted.held_out_scores(clusters.reference), fitted.score(clusters.fresh)))
    p = torch.cat(p).double().sort().values
    apart = (p - (torch.arange(len(p)) + 0.5) / len(p)).abs().max().item()
    assert apart < 0.05  # 5 x 600 pictures against 5 x 600: 0.036 in one of twenty, more where ties are
    assert (p <= 0.05).double().mean().item() == pytest.approx(0.05, abs=0.02)


def test_it_finds_what_any_member_finds(clusters):
    """Unknown pictures that only one member can see: known features, but the middle block has moved."""
    hidden = replace(clusters.fresh, means={"middle": clusters.fresh.means["middle"] + 3})
    found = {name: make(name).fit(clusters.reference) for name in ("consensus", *MEMBERS)}
    auroc = {name: measure(f.score(clusters.reference.held_out), f.score(hidden)).auroc for name, f in found.items()}
    assert auroc["knn"] < 0.6 > auroc["energy_selected_norm"] and auroc["mahalanobis_middle"] > 0.9 and auroc["consensus"] > 0.8


def test_members_that_the_network_cannot_have_are_left_out(clusters):
    fitted = make("consensus").fit(replace(clusters.reference, head=None))
    assert tuple(p_of_members(fitted, clusters.fresh)) == ("knn", "mahalanobis_middle", "jigsaw")
    assert measure(fitted.score(clusters.fresh), fitted.score(clusters.shifted)).auroc > 0.9


def test_a_member_that_cannot_score_is_left_out(make_clusters):
    small = make_clusters(bank=40)  # fewer than the 50 neighbours
    fitted = make("consensus").fit(small.reference)
    assert tuple(p_of_members(fitted, small.fresh)) == ("energy_selected_norm", "mahalanobis_middle", "jigsaw")


def test_no_member_at_all_is_explained(clusters):
    with pytest.raises(InputError, match="No member of the consensus works on this network: This network has no linear head"):
        make("consensus", members=("msp_selected_norm",)).fit(replace(clusters.reference, head=None))
