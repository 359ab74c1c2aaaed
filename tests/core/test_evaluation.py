"""Detectors and blocks on known and unknown sets: every number by another way."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from core.detectors import DETECTORS
from core.evaluation import block_table, document, evaluate, figures, keep_scores, run_title
from core.metrics import measure
from core.verdict import Judge

SHUFFLES = ((1.0, 1.2, 1.1), (1.0, 1.1, 1.3), (0.9, 1.0, 1.4))


@pytest.fixture(scope="module")
def judge(clusters):
    return Judge(clusters.reference, tuple(DETECTORS))


@pytest.fixture(scope="module")
def found(judge, clusters):
    labels = torch.full((len(clusters.fresh),), -1)
    labels[:100] = clusters.fresh.logits[:100].argmax(1)
    labels[:25] = (labels[:25] + 1) % 3
    return evaluate(judge, {"far": clusters.shifted, "same": clusters.fresh}, known=clusters.fresh, labels=labels, by_permutation=SHUFFLES)


def test_accuracy_counts_labelled_pictures_only(found):
    assert found.accuracy == 0.75 and not found.doubtful
    assert replace(found, accuracy=0.3, classes=10).doubtful is False and replace(found, accuracy=0.15, classes=10).doubtful
    assert replace(found, accuracy=None).doubtful is False
    assert replace(found, accuracy=0.6, classes=2).doubtful is False and replace(found, accuracy=0.05, classes=1000).doubtful


def test_without_labels_there_is_no_accuracy(judge, clusters):
    assert evaluate(judge, {"far": clusters.shifted}, known=clusters.fresh).accuracy is None


def test_scores_are_those_of_the_judge(found, judge, clusters):
    assert set(found.known) == set(DETECTORS) and not found.unavailable
    for name, scores in judge.scores(clusters.shifted).items():
        assert np.array_equal(found.unknown["far"][name], scores.numpy())


def test_figures_are_percent_of_the_metrics(found):
    table = figures(found, convention="ood_positive", resamples=50)
    for name in ("energy", "consensus", "odin"):
        m, row = measure(found.known[name], found.unknown["far"][name], convention="ood_positive"), table[name]["far"]
        for key in ("auroc", "aupr_in", "aupr_out", "fpr95"):
            assert row[key] == pytest.approx(100 * getattr(m, key), abs=1e-4)
        assert 0 <= row["ci"]["auroc"][0] <= row["auroc"] <= row["ci"]["auroc"][1] <= 100
        assert table[name]["same"]["auroc"] == pytest.approx(50)
    assert "ci" not in figures(found, resamples=0)["energy"]["far"]


def test_every_block_is_scored_on_every_set(found, clusters):
    table = block_table(found)
    truth = np.r_[np.ones(len(clusters.fresh)), np.zeros(len(clusters.shifted))]
    for k, block in enumerate(table["names"]):
        norms = torch.cat([clusters.fresh.norm(block), clusters.shifted.norm(block)]).numpy()
        assert table["auroc"]["far"][k] == pytest.approx(100 * roc_auc_score(truth, norms), abs=1e-3)
        assert table["mean"][k] == pytest.approx((table["auroc"]["far"][k] + 50) / 2, abs=1e-3)
    best = table["names"][int(np.argmax(table["mean"]))]
    behind = max(table["mean"]) - table["mean"][table["names"].index("late")]
    assert (table["selected"], table["oracle"]) == ("late", best) and table["behind_oracle"] == pytest.approx(behind, abs=1e-3)
    assert table["votes"] == {"late": 2, "middle": 1}


def test_no_unknown_set_is_an_empty_table(judge):
    nothing = evaluate(judge, {})
    assert block_table(nothing)["auroc"] == {} and all(row == {} for row in figures(nothing).values())


def test_held_out_pictures_are_the_known_ones_by_default(judge, clusters):
    by_default = evaluate(judge, {"far": clusters.shifted})
    right = (clusters.reference.held_out.logits.argmax(1) == clusters.reference.held_out_labels).double().mean().item()
    assert by_default.accuracy == pytest.approx(right)
    assert np.array_equal(by_default.known["consensus"], judge.known_scores["consensus"].numpy())  # each left out of its calibration


def test_detectors_that_lack_something_leave_the_others_alone(clusters):
    headless = Judge(replace(clusters.reference, head=None), ("energy", "energy_selected_norm", "odin"))
    found = evaluate(headless, {"far": replace(clusters.shifted, perturbed=None)}, known=clusters.fresh)
    assert list(found.known) == list(found.unknown["far"]) == ["energy"]
    assert set(found.unavailable) == {"energy_selected_norm", "odin"}
    assert all(sentence.endswith(".") for sentence in found.unavailable.values())


def test_the_document_is_ready_for_json(found, clusters):
    rows = figures(found, convention="odin_grid", resamples=10)
    whole = json.loads(json.dumps(document(found, rows, convention="odin_grid"), allow_nan=False))
    assert whole["accuracy"] == 75 and whole["selected"] == "late" and whole["convention"] == "odin_grid"
    assert whole["pictures"] == {"known": len(clusters.fresh), "far": len(clusters.shifted), "same": len(clusters.fresh)}
    assert set(whole["detectors"]) == set(DETECTORS) and whole["blocks"]["selected"] == "late"
    assert "blocks" not in document(found, rows, convention="odin_grid", blocks=False)
    kept = keep_scores(found)
    assert kept["known/energy"] is found.known["energy"] and kept["far/odin"] is found.unknown["far"]["odin"] and len(kept) == 3 * len(DETECTORS)


def test_a_run_is_titled_by_its_network_and_the_first_two_sets(found):
    assert run_title("net", found) == "net: far, same"
    assert run_title("net", replace(found, unknown={name: {} for name in "abcde"})) == "net: a, b + 3"
