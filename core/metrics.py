"""How well scores tell known (ID) from unknown (OOD) pictures.

Scores are higher = more ID. ID is the positive class unless the name says otherwise.
Everything is exact under ties and returned as a fraction.

Sources: Hendrycks & Gimpel, ICLR 2017 (AUROC, AUPR-In/Out); `fpr` follows the block-selection paper
(recall nearest to the level) or OpenOOD (OOD positive), which give different numbers for the same scores.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from core.errors import InputError, unknown

CONVENTIONS = {
    "id_positive": "share of OOD accepted where the recall of ID is nearest to 95 %",
    "ood_positive": "share of ID rejected where at least 95 % of OOD is found",
}


@dataclass(frozen=True)
class Metrics:
    """AUROC, AUPR with ID positive, AUPR with OOD positive, FPR@95TPR by `convention`; fractions."""

    auroc: float
    aupr_in: float
    aupr_out: float
    fpr95: float
    convention: str


def measure(id_scores, ood_scores, *, convention="id_positive"):
    """Compute all four metrics.

    Args: id_scores: (N,), ood_scores: (M,): finite numbers, higher = more ID.
    Raises: InputError if one is empty or not finite, or the convention is unknown.
    """
    known, scores = _joined(id_scores, ood_scores)
    return Metrics(
        auroc=float(roc_auc_score(known, scores)),
        aupr_in=float(average_precision_score(known, scores)),
        aupr_out=float(average_precision_score(~known, -scores)),
        fpr95=fpr(id_scores, ood_scores, convention=convention),
        convention=convention,
    )


def fpr(id_scores, ood_scores, *, level=0.95, convention="id_positive"):
    """Return the false positive rate at a true positive rate.

    Args: level: the true positive rate; convention: a name of `CONVENTIONS`, which says what is positive.
    Returns: a fraction, lower is better.
    """
    if convention not in CONVENTIONS:
        raise unknown("convention", convention, CONVENTIONS)
    known, scores = _joined(id_scores, ood_scores)
    if convention == "ood_positive":
        known, scores = ~known, -scores
    cuts, index = np.unique(-scores, return_inverse=True)  # ascending cuts = falling scores; ties share a cut
    true = np.bincount(index, weights=known, minlength=len(cuts)).cumsum() / known.sum()
    false = np.bincount(index, weights=~known, minlength=len(cuts)).cumsum() / (~known).sum()
    if convention == "ood_positive":
        return float(false[np.searchsorted(true, level - 1e-12)])
    true, false = np.append(true, 0), np.append(false, 0)
    distance = np.abs(true - level)
    return float(false[distance == distance.min()].min())


def _joined(id_scores, ood_scores):
    id_scores, ood_scores = (np.asarray(s, np.float64).ravel() for s in (id_scores, ood_scores))
    if not len(id_scores) or not len(ood_scores):
        raise InputError("Metrics need at least one known and one unknown picture.", key="metrics.empty")
    scores = np.concatenate([id_scores, ood_scores])
    if not np.isfinite(scores).all():
        raise InputError("Some scores are NaN or infinite; check the network and its preprocessing.", key="metrics.not_finite")
    return np.arange(len(scores)) < len(id_scores), scores
