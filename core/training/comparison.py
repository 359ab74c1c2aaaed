"""What training methods do to OOD detection, compared as the paper counts it and held against what it claims.

The table has a row for each pack, detector, set and convention: data, arch, width, epochs, ema, method, seed, pack, detector, set, convention,
known and unknown (pictures), accuracy, auroc, aupr_in, aupr_out, fpr95, confidence_known and confidence (mean maximum softmax of known pictures
and of the set). All but the counts and the names are percentages. `benchmarks/training_methods.py` makes it.

Source: Gwon & Yoo, IEMEK J. Embed. Sys. Appl. 16(1), 2021. Its results are bar charts without numbers; the text names those of `CLAIMS` only.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

SHIPPED = Path(__file__).parents[2] / "assets" / "training_methods.parquet"
FAMILY = ("data", "arch", "width", "epochs", "ema")  # what packs must share for their methods to be compared
METRICS = {"fpr95": "FPR@TPR95", "auroc": "AUROC", "aupr_in": "AUPR-In", "aupr_out": "AUPR-Out"}
LOWER = ("fpr95",)  # metrics of which less is better
CONVENTION = "odin_grid"  # the paper's
METHOD, DATA = "adversarial-mixup", "cifar10"  # whose claims these are, and on what
ARCHS = ("resnet18", "vgg16")
EQUAL = 1.0  # percent of improvement below which nothing is called better: a few pictures
EXISTING = (("standard", "msp"), ("standard", "odin"), ("mixup", "msp"), ("m-tlat", "msp"))  # (method, detector): the other bars of the paper's charts

STAND_INS = {
    "SVHN": ("chars74k", "letters and digits in street photographs, as house numbers are; another set"),
    "iSUN": ("sun_scenes", "scenes of the same SUN database, cropped instead of resized"),
    "ImageNet (resize)": ("imagenet_resize", "whole ImageNet pictures resized, fewer and others"),
    "ImageNet (crop)": ("imagenet_crop", "crops of ImageNet pictures, fewer and others"),
    "LSUN (resize)": (None, "no set of resized scenes here"),
    "LSUN (crop)": ("sun_scenes", "crops of scenes, of another database"),
    "Uniform": ("uniform", "the same noise"),
    "Gaussian": ("gaussian", "the same noise"),
}
"""{set of the paper: (our set that is nearest in kind or None, how near it is)}. A set that stands in for two counts once."""


@dataclass(frozen=True)
class Claim:
    """One thing that the paper says of Adversarial-Mixup with Maximum Softmax.

    Attributes:
        arch: a name of `ARCHS`, or "both". sets: as the paper names them. metric: a name of `METRICS`.
        value: percent better, or None where the paper says that it is not better.
        text: the claim in our words. against: (method, detector) pairs; the mean over them counts.
    """

    arch: str
    sets: tuple
    metric: str
    value: float | None
    text: str
    against: tuple = (("mixup", "msp"),)

    @property
    def archs(self):
        return ARCHS if self.arch == "both" else (self.arch,)

    @property
    def ours(self):
        """Return our sets that stand in for the paper's."""
        return tuple(dict.fromkeys(STAND_INS[name][0] for name in self.sets if STAND_INS[name][0]))


_OUTSIDE = tuple(name for name in STAND_INS if name not in ("SVHN", "Gaussian"))

CLAIMS = (
    Claim("both", tuple(STAND_INS), "fpr95", 78.0, "78 % better than the existing methods on average (it does not say by which metric)", EXISTING),
    Claim("resnet18", _OUTSIDE, "fpr95", 61.0, "FPR@TPR95 is 61 % lower than with Mixup, on average over all sets but SVHN and Gaussian"),
    Claim("resnet18", ("LSUN (crop)",), "fpr95", 54.0, "FPR@TPR95 is 54 % lower on LSUN (crop)"),
    Claim("resnet18", ("Uniform",), "fpr95", 100.0, "FPR@TPR95 is up to 100 % lower on Uniform"),
    Claim("vgg16", ("ImageNet (crop)",), "fpr95", 82.0, "FPR@TPR95 is 82 % lower on ImageNet (crop)"),
    Claim("vgg16", ("Uniform",), "fpr95", 98.0, "FPR@TPR95 is up to 98 % lower on Uniform"),
    Claim("both", ("SVHN",), "fpr95", None, "SVHN does not improve: Mixup is better there"),
    Claim("both", ("Gaussian",), "fpr95", None, "Gaussian does not improve"),
)


def read_comparison(file=SHIPPED):
    """Return the table that is shipped, a DataFrame, or None where there is none."""
    return pd.read_parquet(file) if Path(file).is_file() else None


def improvement(table, against="mixup", *, by=None):
    """Say by how many percent each training method is better than one of them, set by set.

    Args: table: see the module; against: a training method; by: the detector that judges it, by default the same that judges the others.
    Returns: DataFrame of `FAMILY`, method, detector, set, convention and the four `METRICS`, percent, positive = better. Figures are means over
        seeds before they are divided. NaN where that of `against` is 0, which no percentage is of: read the figures themselves there.
    Source: the paper calls its figures relative and prints no table, so this reading is ours: 100 (FPR_against - FPR) / FPR_against, and
        100 (x - x_against) / x_against for AUROC and AUPR.
    """
    case = [*FAMILY, "set", "convention"]
    means = table.groupby([*case, "method", "detector"], as_index=False)[list(METRICS)].mean()
    base = means[(means.method == against) & (means.detector == (by or means.detector))].drop(columns=["method", *(["detector"] if by else [])])
    found = means[(means.method != against) | (means.detector != (by or means.detector))]
    found = found.merge(base, on=case if by else [*case, "detector"], suffixes=("", "_against"))
    for metric in METRICS:
        other = found[f"{metric}_against"].where(lambda x: x != 0)
        gained = other - found[metric] if metric in LOWER else found[metric] - other
        found[metric] = 100 * (gained / other)
    return found[[*FAMILY, "method", "detector", "set", "convention", *METRICS]]


def checked(table):
    """Hold each claim against what was measured.

    Args: table: see the module. Of an architecture's families the widest counts, of those as wide the longest trained: the nearest to the paper.
    Returns: DataFrame with a row a claim: arch, sets, ours, metric, claimed (percent; NaN where it claims none), measured (mean of the relative improvements,
        percent; NaN if there are none), counted and wanted (how many there are and should be: architectures x others x sets), verdict, text.
        verdict: "reproduced": at least the claimed percentage, or no improvement where the paper says so; "in part": less, but better;
        "not reproduced": no better, or better where the paper says it is not; "not measured". Below `EQUAL` nothing is called better.
    """
    rows = []
    table = table[table.convention == CONVENTION]
    families = {arch: _nearest(table, arch) for arch in ARCHS}

    @cache
    def better(arch, method, detector):
        family = families[arch]
        told = ((family.method == METHOD) & (family.detector == "msp")) | ((family.method == method) & (family.detector == detector))
        each = improvement(family[told], method, by=detector)
        return each[(each.method == METHOD) & (each.detector == "msp")]

    for claim in CLAIMS:
        found = []
        for arch in claim.archs:
            for other in claim.against:
                each = better(arch, *other)
                found += each[each.set.isin(claim.ours)][claim.metric].dropna().tolist()
        measured = sum(found) / len(found) if found else float("nan")
        rows.append(
            {
                "arch": claim.arch,
                "sets": claim.sets,
                "ours": claim.ours,
                "metric": claim.metric,
                "claimed": claim.value,
                "measured": measured,
                "counted": len(found),
                "wanted": len(claim.archs) * len(claim.against) * len(claim.ours),
                "verdict": verdict(claim.value, measured),
                "text": claim.text,
            }
        )
    return pd.DataFrame(rows)


def verdict(claimed, measured):
    """Return in a word or two what became of a claim, as `checked` says. Args: claimed: percent or None; measured: percent or NaN."""
    if measured != measured:
        return "not measured"
    if claimed is None:
        return "not reproduced" if measured >= EQUAL else "reproduced"
    if measured >= claimed:
        return "reproduced"
    return "in part" if measured >= EQUAL else "not reproduced"


def spread(table, values=(*METRICS, "accuracy", "confidence_known", "confidence")):
    """Say how far seeds differ, in the mean over the sets.

    Returns: DataFrame of `FAMILY`, method, detector, convention, value (its name), seeds (how many), mean, low and high (over seeds), percentages.
    """
    case = [*FAMILY, "method", "detector", "convention"]
    each = table.groupby([*case, "seed"], as_index=False)[list(values)].mean()
    long = each.melt(case, list(values), var_name="value", value_name="percent")
    return long.groupby([*case, "value"], as_index=False).percent.agg(seeds="count", mean="mean", low="min", high="max")


def _nearest(table, arch):
    """Return the rows of the family that `checked` asks, none where no family of this architecture has the method."""
    of = table[(table.data == DATA) & table.arch.str.contains(arch)]
    families = of[of.method == METHOD][list(FAMILY)].drop_duplicates().sort_values(["width", "epochs"], kind="stable")
    return of.merge(families.tail(1), on=list(FAMILY))
