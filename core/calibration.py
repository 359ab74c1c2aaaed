"""How far a confidence can be taken for the share of right answers, and two maps that bring it closer.

A picture's confidence is that of the answer given, the highest softmax probability; it is calibrated where of all answers given with
confidence c a share c is right. Everything here is of that top answer alone but `nll`, which is of all classes.

Sources: Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (temperature, ECE); Zadrozny & Elkan, KDD 2002 (isotonic);
Nixon et al., CVPR Workshops 2019 (equal-mass bins); Brier, Monthly Weather Review 1950.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import beta

BINS = 15  # of the diagram and of ECE, the usual number
BINNINGS = ("width", "mass")
COLDEST, HOTTEST = 0.02, 50.0  # temperatures looked at: where every answer is right, the best one would be 0


@dataclass(frozen=True)
class Bins:
    """Pictures binned by confidence, bins without pictures left out: K arrays of one number a bin.

    Attributes: low, high: the bin's edges; count: of pictures; confidence: their mean; accuracy: their share of right answers;
        least, most: the 95 % interval of the accuracy (Clopper & Pearson 1934).
    """

    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    least: np.ndarray
    most: np.ndarray

    @property
    def ece(self):
        """Return the expected calibration error of these bins, a fraction: the mean over the pictures of |accuracy - confidence| of their bin."""
        return float(self.count @ np.abs(self.accuracy - self.confidence) / self.count.sum())


def confidence_of(logits, temperature=1.0):
    """Return the highest softmax probability of logits / temperature. Args: logits: (N, C). Returns: (N,) float64 in [1 / C, 1]."""
    return softmax(np.asarray(logits, np.float64) / temperature, axis=1).max(axis=1)


def nll(logits, labels, temperature=1.0):
    """Return the mean negative log-likelihood of the true classes, in nats; lower is better. Args: logits: (N, C); labels: (N,) from 0."""
    logs = log_softmax(np.asarray(logits, np.float64) / temperature, axis=1)
    return float(-logs[np.arange(len(logs)), np.asarray(labels)].mean())


def brier(confidence, right):
    """Return the mean squared distance of the top answer's confidence from what became of it, 1 right or 0 wrong: in [0, 1], lower is better."""
    return float(np.square(np.asarray(confidence, np.float64) - np.asarray(right)).mean())


def fit_temperature(logits, labels):
    """Find the temperature that makes true classes most likely.

    Args: logits: (N, C); labels: (N,) from 0, of pictures that training never saw.
    Returns: float in [0.02, 50]; above 1 the network was too sure. No answer changes.
    Source: Guo et al., section 4.2. The likelihood is concave in 1 / T, so that a search over log T in one dimension finds its only maximum.
    """
    ends = np.log([COLDEST, HOTTEST])
    found = minimize_scalar(lambda log: nll(logits, labels, np.exp(log)), bounds=ends, method="bounded", options={"xatol": 1e-7})
    return float(np.exp(found.x))


def fit_isotonic(confidence, right):
    """Find the rising map from confidence to the share of right answers that is nearest in squares.

    Args: confidence: (N,); right: (N,) bool.
    Returns: a function of confidences, straight between the steps, level beyond the ends. Pictures can become equal, none change places.
    Source: Zadrozny & Elkan 2002, by pool adjacent violators.
    """
    from sklearn.isotonic import IsotonicRegression

    return IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(confidence, np.asarray(right, np.float64)).predict


def reliability(confidence, right, *, bins=BINS, binning="width"):
    """Bin pictures by confidence and compare it with the share of right answers.

    Args: confidence: (N,) fractions, N > 0; right: (N,) bool; binning: "width", `bins` equal pieces of [0, 1], or "mass", as many pictures
        in each as ties allow. A confidence on an edge belongs to the bin below.
    Returns: `Bins`.
    Raises: ValueError for another binning.
    """
    if binning not in BINNINGS:
        raise ValueError(f"binning is one of {BINNINGS}, not {binning!r}")
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right, bool)
    steps = np.linspace(0, 1, bins + 1)
    edges = steps if binning == "width" else np.quantile(confidence, steps)
    of = np.searchsorted(edges[1:-1], confidence)
    count = np.bincount(of, minlength=bins)
    there = count > 0
    hits = np.bincount(of, right, minlength=bins)[there]
    sums = np.bincount(of, confidence, minlength=bins)[there]
    count = count[there]
    least, most = interval(hits, count)
    return Bins(edges[:-1][there], edges[1:][there], count, sums / count, hits / count, least, most)


def interval(hits, count, level=0.95):
    """Return the two-sided interval of a share. Args: hits, count: arrays, count > 0. Returns: (low, high). Source: Clopper & Pearson 1934."""
    hits, count = np.asarray(hits, np.float64), np.asarray(count, np.float64)
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):
        low, high = beta.ppf(tail, hits, count - hits + 1), beta.ppf(1 - tail, hits + 1, count - hits)
    return np.where(hits > 0, low, 0.0), np.where(hits < count, high, 1.0)
