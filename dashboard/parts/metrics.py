"""The four figures of a detector: which one is shown, and how it is called."""

import pandas as pd

from dashboard.language import t
from dashboard.parts import choices

METRICS = {"auroc": "AUROC", "fpr95": "FPR@95TPR", "aupr_in": "AUPR-In", "aupr_out": "AUPR-Out"}


def pick_metric():
    """Draw the choice of a figure. Returns: a name of `METRICS`."""
    return choices.segments("metric", t("detect.metric"), METRICS, "auroc")


def axis(metric):
    """Return a figure's name with its unit and its better direction."""
    return f"{METRICS[metric]}, % ({t('detect.higher' if metric != 'fpr95' else 'detect.lower')})"


def by_detector(cells, labels, columns):
    """Build the table below a matrix of figures. Args: cells: (R, C) array; labels: R detectors; columns: C sets."""
    wide = pd.DataFrame(cells.round(2), columns=columns)
    wide.insert(0, t("word.detector"), labels)
    return wide
