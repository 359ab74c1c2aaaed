"""How well scores tell known (ID) from unknown (OOD) pictures.

Scores are 1-D array-likes, higher = more ID; a picture is taken for ID if its score > threshold. Figures are fractions.
A convention says how all four figures of `measure` are read off the scores. Published numbers follow different ones: on the same
scores FPR@95TPR can differ by 45 points, so a convention belongs beside every number.

    convention    positive  FPR@95TPR                     AUPR                             AUROC           used by
    id_positive   ID        recall nearest to 95 %        average precision (steps)        exact           block-selection paper
    ood_positive  OOD       first recall of at least 95 % trapezoids                       exact           OpenOOD, pytorch-ood
    odin_grid     ID        mean near 95 % on a grid      rectangles, classes weigh alike  rectangles      ODIN, Adversarial-Mixup

The first two depend on the order of the scores only and are exact under ties (a tied pair counts half in the AUROC).

Sources: Hendrycks & Gimpel, ICLR 2017 (AUROC, AUPR-In/Out); Yu et al., CVPR 2023 and its code; Yang et al., OpenOOD, NeurIPS 2022;
Liang et al., ODIN, ICLR 2018, and its code; Gwon & Yoo, Adversarial-Mixup, IEMEK J. 16(1), 2021.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import beta, norm, rankdata

from core.errors import InputError, unknown

CONVENTIONS = {
    "id_positive": "share of OOD accepted where the recall of ID is nearest to 95 %; AUPR in steps (average precision)",
    "ood_positive": "share of ID rejected where at least 95 % of OOD is found; AUPR by trapezoids",
    "odin_grid": "mean share of OOD accepted over those of 100,000 equally spaced thresholds that accept 95 % of ID; areas by rectangles",
}

GRID, WINDOW = 100_000, 0.0005  # thresholds of odin_grid, and how far from the level a TPR may be to enter its mean
ROUNDING = 1e-9  # of shares and counts: far below one picture
CHUNK = 1 << 17  # scores that are resampled at a time, so that they stay in the cache


@dataclass(frozen=True)
class Metrics:
    """AUROC, AUPR with ID positive, AUPR with OOD positive, FPR@95TPR, all by `convention`; fractions."""

    auroc: float
    aupr_in: float
    aupr_out: float
    fpr95: float
    convention: str


@dataclass(frozen=True)
class Curve:
    """A ROC curve with ID positive: (P,) falling thresholds from inf to -inf, rising shares of ID and of OOD above them."""

    thresholds: np.ndarray
    tpr: np.ndarray
    fpr: np.ndarray


@dataclass(frozen=True)
class Confusion:
    """Numbers of pictures, named `<what it is>_as_<what it is taken for>`."""

    known_as_known: int
    known_as_unknown: int
    unknown_as_known: int
    unknown_as_unknown: int

    @property
    def tpr(self):
        """Share of ID that is accepted."""
        return self.known_as_known / (self.known_as_known + self.known_as_unknown)

    @property
    def fpr(self):
        """Share of OOD that is accepted."""
        return self.unknown_as_known / (self.unknown_as_known + self.unknown_as_unknown)


def measure(id_scores, ood_scores, *, convention="id_positive"):
    """Compute all four metrics by one convention.

    Args: id_scores: (N,), ood_scores: (M,): finite numbers, higher = more ID; convention: a name of `CONVENTIONS`.
    Raises: InputError if one is empty or not finite, or the convention is unknown.
    Source: see the module. For odin_grid the papers fix the number of thresholds and, in Adversarial-Mixup eq. 4, that a score equal
        to the threshold is Out; ODIN's code counts such a tie in favour of both classes. The papers leave open, and we take from
        ODIN's code: the grid starts at the lowest score and stops one step short of the highest; every step is a rectangle as high
        as its upper threshold says, the last one reaches down to 0; precision is made of the two shares, as if there were as many
        OOD as ID pictures. If all scores are equal the grid is one threshold that rejects everything, and AUROC and FPR@95TPR are 0.
    """
    _check_convention(convention)
    id_scores, ood_scores = _finite(id_scores, ood_scores)
    if convention == "odin_grid":
        tpr, false = _grid(id_scores, ood_scores)
        auroc = -np.diff(false, prepend=1) @ tpr + false[-1] * tpr[-1]
        aupr_in, aupr_out = _rectangles(tpr, false), _rectangles(1 - false[::-1], 1 - tpr[::-1])
    else:
        auroc = auroc_columns(id_scores[:, None], ood_scores[:, None])[0]
        area = _trapezoids if convention == "ood_positive" else _average_precision
        known, scores = np.arange(len(id_scores) + len(ood_scores)) < len(id_scores), np.concatenate([id_scores, ood_scores])
        aupr_in, aupr_out = area(known, scores), area(~known, -scores)
    return Metrics(float(auroc), float(aupr_in), float(aupr_out), fpr(id_scores, ood_scores, convention=convention), convention)


def fpr(id_scores, ood_scores, *, level=0.95, convention="id_positive"):
    """Return the false positive rate at a true positive rate.

    Args: level: the true positive rate, in (0, 1]; convention: a name of `CONVENTIONS`, which says what is positive.
    Returns: a fraction, lower is better.
    Source: see the module. id_positive takes the lower FPR where two recalls are as near. odin_grid takes the mean FPR over the
        thresholds whose TPR lies within 0.0005 of the level, as ODIN's code; where there is none (the code divides by zero, the
        papers say nothing) the nearest TPR counts, and of as near ones the lowest FPR.
    """
    _check_convention(convention)
    if not 0 < level <= 1:
        raise ValueError(f"level is a share above 0 and at most 1, not {level}")
    id_scores, ood_scores = _finite(id_scores, ood_scores)
    if convention == "odin_grid":
        tpr, false = _grid(id_scores, ood_scores)
        distance = np.abs(tpr - level)
        near = distance <= WINDOW + ROUNDING
        return float(false[near].mean() if near.any() else false[distance <= distance.min() + ROUNDING].min())
    return float(_false_rates(id_scores[None], ood_scores[None], level, convention)[0])


def intervals(id_scores, ood_scores, *, convention="id_positive", level=0.95, resamples=500, seed=0):
    """Say how far AUROC and FPR@95TPR may be off because there are only so many pictures.

    Args: convention: of the FPR, a name of `CONVENTIONS`; level: share of such intervals that should hold the true figure;
        resamples: of the bootstrap; seed: of its draws.
    Returns: {"auroc": (low, high), "fpr95": (low, high)}, fractions.
    Raises: as `measure`.
    Source: AUROC: DeLong et al., Biometrics 1988, by midranks (Sun & Xu, IEEE SPL 2014), symmetric on the logit scale and so within
        [0, 1]. Where there is no spread to measure (AUROC 0 or 1, all scores equal, one picture on a side) that of Clopper & Pearson,
        Biometrika 1934, for min(N, M) independent pairs: at AUROC 1 it is ((1 - level) / 2) ** (1 / min(N, M)) to 1, which is
        cautious. FPR: percentiles of a bootstrap (Efron 1979) that draws ID and OOD pictures apart; no width where all draws agree.
        Approximations for odin_grid: each draw takes the nearest recall as id_positive does, and the AUROC is the exact one.
    """
    _check_convention(convention)
    id_scores, ood_scores = _finite(id_scores, ood_scores)
    generator, tails = np.random.default_rng(seed), [(1 - level) / 2, (1 + level) / 2]
    rates, rows = [], max(1, CHUNK // (len(id_scores) + len(ood_scores)))
    for start in range(0, resamples, rows):
        drawn_id, drawn_ood = (s[generator.integers(0, len(s), (min(rows, resamples - start), len(s)))] for s in (id_scores, ood_scores))
        rates.append(_false_rates(drawn_id, drawn_ood, 0.95, convention))
    low, high = np.quantile(np.concatenate(rates), tails)
    return {"auroc": _delong(id_scores, ood_scores, tails), "fpr95": (float(low), float(high))}


def auroc_columns(id_values, ood_values):
    """Compute the AUROC of every column at once.

    Args: id_values: (N, K), ood_values: (M, K): finite numbers, higher = more ID; a column is one score.
    Returns: (K,) float64 fractions; a tied pair counts half.
    Raises: InputError as `measure`; ValueError if they are not 2-D with the same number of columns.
    Source: Mann & Whitney 1947: the sum of the ranks of ID, less the least it can be, over the number of pairs.
    """
    id_values, ood_values = (np.asarray(v, np.float64) for v in (id_values, ood_values))
    if id_values.ndim != 2 or ood_values.ndim != 2 or id_values.shape[1] != ood_values.shape[1]:
        raise ValueError(f"id_values and ood_values are (N, K) and (M, K), not {id_values.shape} and {ood_values.shape}")
    _check_values(id_values, ood_values)
    n, m = len(id_values), len(ood_values)
    ranks = rankdata(np.concatenate([id_values, ood_values]), axis=0)[:n]  # (N, K)
    return (ranks.sum(axis=0) - n * (n + 1) / 2) / (n * m)


def curve(id_scores, ood_scores, *, points=None):
    """Trace the ROC curve with ID positive.

    Args: points: at most so many points, at least 2; all that matter if None.
    Returns: a `Curve` from (0, 0) to (1, 1). Its trapezoids add up to the exact AUROC; points on a straight line between their
        neighbours are left out. With `points`, what is left out lies within 0.71 / (points // 2) of the line drawn, both axes in
        [0, 1]: 0.0036 for 400 points. Points that are kept are exact.
    Raises: InputError as `measure`; ValueError if points < 2.
    Source: Fawcett, Pattern Recognition Letters 2006, algorithm 1 (tied scores enter together); the thinning is ours.
    """
    if points is not None and points < 2:
        raise ValueError(f"a curve has at least 2 points, not {points}")
    id_scores, ood_scores = _finite(id_scores, ood_scores)
    values = np.unique(np.concatenate([id_scores, ood_scores]))[::-1]
    thresholds = np.concatenate([[np.inf], values[1:], [-np.inf]])  # above the highest value there is nothing, as above inf
    true, false = (len(s) - np.searchsorted(np.sort(s), thresholds, side="right") for s in (id_scores, ood_scores))
    up, right = np.diff(true), np.diff(false)
    kept = np.concatenate([[True], up[:-1] * right[1:] != up[1:] * right[:-1], [True]])
    thresholds, tpr, fpr = thresholds[kept], true[kept] / len(id_scores), false[kept] / len(ood_scores)
    if points is not None and len(tpr) > points:
        # The way along the axes, 2 in all, is cut in equal pieces and of each its first and last point stay. A rising line on a way of
        # length d strays from its chord by at most d / sqrt(8).
        piece = np.minimum((tpr + fpr) / 2 * (points // 2), points // 2 - 1).astype(int)
        border = np.diff(piece) > 0
        kept = np.append(True, border) | np.append(border, True)
        thresholds, tpr, fpr = thresholds[kept], tpr[kept], fpr[kept]
    return Curve(thresholds, tpr, fpr)


def rates_at(id_scores, ood_scores, threshold):
    """Count the verdicts at one threshold: ID if score > threshold.

    Returns: a `Confusion`.
    Raises: InputError as `measure`.
    """
    id_scores, ood_scores = _finite(id_scores, ood_scores)
    true, false = (int(np.count_nonzero(s > threshold)) for s in (id_scores, ood_scores))
    return Confusion(true, len(id_scores) - true, false, len(ood_scores) - false)


def _false_rates(id_scores, ood_scores, level, convention):
    """(R, N), (R, M) -> (R,): the false positive rate of each row, by nearest recall unless OOD is positive."""
    positive, negative = (-ood_scores, -id_scores) if convention == "ood_positive" else (id_scores, ood_scores)
    n = positive.shape[1]
    place = n - max(1, math.ceil(level * n - ROUNDING))
    cut = np.partition(positive, place, axis=1)[:, place, None]  # (R, 1), the highest value such that at least `level` lie at or above it
    if convention != "ood_positive":
        higher = positive > cut
        fewer, more = higher.sum(axis=1, keepdims=True), (positive >= cut).sum(axis=1, keepdims=True)
        next_cut = np.where(higher, positive, np.inf).min(axis=1, keepdims=True)
        cut = np.where(level * n - fewer <= more - level * n + ROUNDING, next_cut, cut)  # as near: the higher cut, which accepts less OOD
    return (negative >= cut).mean(axis=1)


def _delong(id_scores, ood_scores, tails):
    n, m = len(id_scores), len(ood_scores)
    ranks = rankdata(np.concatenate([id_scores, ood_scores]))
    below, above = ranks[:n] - rankdata(id_scores), ranks[n:] - rankdata(ood_scores)  # OOD below each ID, ID below each OOD; ties half
    area = below.sum() / (n * m)
    variance = below.var(ddof=1) / (n * m * m) + above.var(ddof=1) / (m * n * n) if min(n, m) > 1 else 0
    if not variance:
        pairs = min(n, m)
        right, wrong = area * pairs, (1 - area) * pairs
        return float(beta.ppf(tails[0], right, wrong + 1)) if right else 0.0, float(beta.ppf(tails[1], right + 1, wrong)) if wrong else 1.0
    low, high = expit(logit(area) + norm.ppf(tails) * np.sqrt(variance) / (area * (1 - area)))
    return float(low), float(high)


def _grid(id_scores, ood_scores):
    """Return the shares of ID and of OOD above each of the rising thresholds of odin_grid, (GRID,) each."""
    every = np.concatenate([id_scores, ood_scores])
    thresholds = np.linspace(every.min(), every.max(), GRID, endpoint=False)

    def above(scores):
        passed = np.bincount(np.searchsorted(thresholds, scores), minlength=GRID + 1)  # scores by how many thresholds lie below them
        return passed[:0:-1].cumsum()[::-1] / len(scores)

    return above(id_scores), above(ood_scores)


def _rectangles(recall, false):
    """Add up precision times the fall of recall, from a recall of 1 and down to 0; precision of two shares."""
    recall, false = np.append(1, recall), np.append(1, false)
    some = recall + false > 0  # where nothing is accepted there is no precision
    recall, precision = recall[some], recall[some] / (recall + false)[some]
    return -np.diff(recall) @ precision[1:] + recall[-1] * precision[-1]


def _average_precision(positive, scores):
    precision, recall = _precision_recall(positive, scores)
    return precision @ np.diff(recall, prepend=0)


def _trapezoids(positive, scores):
    precision, recall = _precision_recall(positive, scores)
    return np.trapezoid([1, *precision], [0, *recall])


def _precision_recall(positive, scores):
    """Return precision and recall at each of the falling thresholds, (T,) each; equal scores pass together."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    found = np.cumsum(positive[order])[ends]
    return found / (ends + 1), found / found[-1]


def _finite(id_scores, ood_scores):
    id_scores, ood_scores = (np.asarray(s, np.float64).ravel() for s in (id_scores, ood_scores))
    _check_values(id_scores, ood_scores)
    return id_scores, ood_scores


def _check_values(*arrays):
    if not all(map(len, arrays)):
        raise InputError("Metrics need at least one known and one unknown picture.", key="metrics.empty")
    if not all(np.isfinite(a).all() for a in arrays):
        raise InputError("Some scores are NaN or infinite; check the network and its preprocessing.", key="metrics.not_finite")


def _check_convention(convention):
    if convention not in CONVENTIONS:
        raise unknown("convention", convention, CONVENTIONS)
