"""What p-values of a batch say: who is unknown, how many are, and how strongly the batch speaks for a drift. Pure functions, no torch.

A conformal p-value is at most k / (n + 1) where fewer than k of the n held-out known pictures score no higher. Of known pictures to come
a share of U does so, and U is Beta(k, n + 1 - k) over the draw of the held-out ones, whatever the scores (smaller where they tie).
Given the held-out pictures, p-values of pictures to come are independent, so counts of them are binomial.

Source: Bates et al., Annals of Statistics 2023 (p-values, their Beta law, Benjamini-Hochberg on them: Theorem 2);
Clopper & Pearson, Biometrika 1934; Storey, JRSS B 2002.
scipy is imported where it is used: a page that imports this paints first.
"""

import numpy as np


def benjamini_hochberg(p_values, level):
    """Flag the pictures that are unknown, keeping the false discovery rate.

    Args: p_values: (N,) in (0, 1]; level: the share of known pictures among the flagged ones that is allowed, on average.
    Returns: (N,) bool. With conformal p-values against the same held-out pictures the rate is at most `level` times the share of known pictures.
    Source: Benjamini & Hochberg, JRSS B 1995; for conformal p-values Bates et al., Theorem 2.
    """
    p_values = np.asarray(p_values, float)
    ordered = np.sort(p_values)
    passed = np.flatnonzero(ordered <= level * np.arange(1, len(ordered) + 1) / max(len(ordered), 1))
    return p_values <= ordered[passed[-1]] if len(passed) else np.zeros(len(p_values), bool)


def rate_bounds(rank, known, miss):
    """Bound the share of known pictures to come whose p-value is at most rank / (known + 1).

    Args: rank: from 1 to known, the number of held-out pictures; miss: the probability, over the held-out pictures, that a bound does not hold.
    Returns: (low, high); the low one needs scores without ties.
    """
    from scipy.special import betaincinv

    return tuple(float(betaincinv(rank, known + 1 - rank, q)) for q in (miss, 1 - miss))


def batch_p_value(count, pictures, rate):
    """Return the probability of at least `count` among `pictures` where each counts with probability `rate`: a p-value for "no more than that"."""
    from scipy.special import betainc

    return float(betainc(count, pictures - count + 1, rate)) if count else 1.0


def clopper_pearson(count, pictures, level=0.95):
    """Return the exact interval (low, high) of a binomial probability; each end misses with at most half of 1 - level."""
    from scipy.special import betaincinv

    side = (1 - level) / 2
    low = float(betaincinv(count, pictures - count + 1, side)) if count else 0.0
    high = float(betaincinv(count + 1, pictures - count, 1 - side)) if count < pictures else 1.0
    return low, high


def ood_share(familiar, pictures, rank, known, *, level=0.95, miss=0.05):
    """Estimate which share of a batch's source is unknown, from how many of its pictures look familiar.

    A share of 1 - U of known pictures has a p-value above rank / (known + 1). If fewer do, unknown pictures took their place.
    The low bound needs no assumption on unknown pictures. The estimate and the high bound assume that none of them looks that familiar;
    where some do, both are too low.

    Args: familiar: pictures with a p-value above rank / (known + 1); miss: as `rate_bounds`.
    Returns: (estimate, low, high), fractions.
    """
    fewest, most = clopper_pearson(familiar, pictures, level)
    below_low, below_high = rate_bounds(rank, known, miss)
    shares = 1 - familiar / pictures / (1 - rank / (known + 1)), 1 - most / (1 - below_high), 1 - fewest / (1 - below_low)
    return tuple(min(max(share, 0.0), 1.0) for share in shares)


def log_ratio(count, pictures, rate, rates):
    """Return how much likelier a count is under each of some rates than under `rate`: natural logarithms.

    Each ratio is an e-value of "no more than `rate`" where its rate is above: its mean is at most 1 then, and 1 at `rate` itself.
    """
    rates = np.asarray(rates, float)
    return count * np.log(rates / rate) + (pictures - count) * np.log((1 - rates) / (1 - rate))
