"""Who decides: above a threshold on a score the machine does, below it a person is asked.

The risk is the share of wrong decisions among those that the machine takes, the coverage the share of pictures that it takes them on.
An answer is wrong where it names another class, and always on an unknown picture: there is no right one.

Sources: El-Yaniv & Wiener, JMLR 2010 and Geifman & El-Yaniv, NeurIPS 2017 (risk and coverage); Geifman et al., ICLR 2019 (excess AURC);
Angelopoulos et al., Learn then Test, Annals of Applied Statistics 2025 (the threshold); Clopper & Pearson, Biometrika 1934 (its test).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, binom

GRID = 200  # thresholds that are tried, at equal steps of coverage
DELTA = 0.05  # how often a promise may fail over the draw of the pictures that it is made from


@dataclass(frozen=True)
class Curve:
    """Risk over coverage, a point for each score that there is, from the highest score on: (P,) arrays.

    Attributes: thresholds: the machine decides where score >= threshold; coverage: in (0, 1], rising to 1; risk: in [0, 1].
    """

    thresholds: np.ndarray
    coverage: np.ndarray
    risk: np.ndarray

    @property
    def aurc(self):
        """Return the area under the curve, lower is better: the mean risk over the pictures, each at its own score; equal scores come together."""
        return float(np.diff(self.coverage, prepend=0) @ self.risk)

    @property
    def excess(self):
        """Return the AURC less that of a score which puts every right answer above every wrong one; a fraction, 0 is best.

        Source: Geifman et al. 2019, equation 1, in the limit of many pictures: e + (1 - e) ln(1 - e) for the risk e at full coverage.
        """
        e = self.risk[-1]
        return self.aurc - float(e + (1 - e) * np.log1p(-e) if e < 1 else 1.0)


@dataclass(frozen=True)
class Rule:
    """A threshold and what was seen when it was chosen.

    Attributes: threshold: the machine decides where score > threshold; inf where no threshold keeps the promise. decided, wrong: pictures that the
        threshold was chosen on; pictures: all of them; bound: the upper bound of the risk, each at confidence 1 - delta; risk, delta: as asked.
    """

    threshold: float
    decided: int
    wrong: int
    pictures: int
    bound: float
    risk: float
    delta: float

    @property
    def found(self):
        return self.threshold < np.inf


def risk_coverage(scores, wrong, weights=None):
    """Trace risk over coverage.

    Args: scores: (N,), higher = rather the machine; wrong: (N,) bool; weights: (N,) >= 0, what each picture counts; by default all alike.
    Returns: `Curve`; equal scores enter together, so that the order of the pictures does not matter.
    """
    scores, wrong = np.asarray(scores, np.float64), np.asarray(wrong, bool)
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    values, of = np.unique(-scores, return_inverse=True)
    mass, lost = np.bincount(of, weights).cumsum(), np.bincount(of, weights * wrong).cumsum()
    return Curve(-values, mass / mass[-1], lost / np.maximum(mass, np.finfo(float).tiny))


def risk_bound(wrong, decided, delta=DELTA):
    """Return the risk that is not exceeded at confidence 1 - delta. Args: wrong, decided: numbers of pictures; none decided gives 1."""
    return float(beta.ppf(1 - delta, wrong + 1, decided - wrong)) if wrong < decided else 1.0


def steps(scores, count=GRID):
    """Return thresholds at equal steps of the coverage of some scores, falling; the last, -inf, lets the machine decide everything."""
    places = np.quantile(np.asarray(scores, np.float64), 1 - np.arange(1, count) / count, method="lower")
    return np.append(np.unique(np.nextafter(places, -np.inf))[::-1], -np.inf)


def choose(rehearsal, trial, *, risk, delta=DELTA):
    """Choose the lowest threshold whose risk is at most `risk`, with confidence 1 - delta.

    Args:
        rehearsal, trial: (scores, wrong), (N,) arrays each, of two independent draws of pictures; the score was fitted on no picture of the trial.
        risk, delta: fractions in (0, 1).
    Returns: `Rule`. Over draws of the trial, its risk on pictures drawn alike exceeds `risk` at most in a share delta of them.
    Source: Learn then Test, section 3.2, fixed-sequence testing. At one threshold, given how many pictures it decides on, the wrong ones are binomial:
        P(Binomial(decided, risk) <= wrong) is a p-value of "the risk is above". Thresholds are tested from high to low, each at level delta,
        up to the first that fails. Left open there, and ours: the thresholds, and the one to begin with, come from the rehearsal. A test
        of the highest ones has too few pictures to pass; the first test is of the threshold that is surest to pass in the rehearsal.
    """
    grid = steps(rehearsal[0])
    tried = [_count(*rehearsal, threshold) for threshold in grid]
    first = int(np.argmin([binom.cdf(wrong, decided, risk) for decided, wrong in tried]))
    chosen, seen = np.inf, (0, 0)
    for threshold in grid[first:]:
        decided, wrong = _count(*trial, threshold)
        if binom.cdf(wrong, decided, risk) > delta:
            break
        chosen, seen = threshold, (decided, wrong)
    decided, wrong = seen
    return Rule(float(chosen), decided, wrong, len(trial[0]), risk_bound(wrong, decided, delta), risk, delta)


def _count(scores, wrong, threshold):
    taken = np.asarray(scores) > threshold
    return int(taken.sum()), int((taken & np.asarray(wrong)).sum())
