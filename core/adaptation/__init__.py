"""Test-time adaptation methods by name: how a copy of a network changes with each batch, without labels. This table needs no torch.

A method is made around a network, which stays as it is, and then fed batch by batch: `make("tent", network, preprocessing).adapt(images)`
-> (N, C) logits, as `core.adaptation.method.Method` says. `needs` names what it cannot do without: "batch norm"; "norm", any normalisation
with a scale and a shift; "head", a linear one; "pictures" or "labels" of the source, the data that the network was trained on.
"""

from core.adaptation.formulas import FORMULAS
from core.table import Entry, look_up, with_formulas

_NADO, _SCHNEIDER, _DOEBLER = "Nado et al., 2020", "Schneider et al., NeurIPS 2020", "Döbler et al., CVPR 2023"

ADAPTATIONS = {
    "source": Entry("Source model", "core.adaptation.source:Source"),
    "bn": Entry("BN-1 (batch statistics)", "core.adaptation.bn:BN", {}, _NADO, ("batch norm",)),
    "bn_alpha": Entry("BN-alpha (blended statistics)", "core.adaptation.bn:BNAlpha", {"alpha": 0.1}, _SCHNEIDER, ("batch norm",)),
    "tent": Entry("TENT", "core.adaptation.tent:Tent", {"lr": 1e-3}, "Wang et al., ICLR 2021", ("norm",)),
    "come": Entry("COME", "core.adaptation.come:COME", {"lr": 1e-3}, "Zhang et al., ICLR 2025", ("norm",)),
    "eata": Entry(
        "EATA",
        "core.adaptation.eata:EATA",
        {"lr": 1e-3, "margin": 0.4, "distance": 0.4, "momentum": 0.9, "fisher": 1.0, "fisher_pictures": 2000, "fisher_batch": 200},
        "Niu et al., ICML 2022",
        ("norm", "pictures"),
    ),
    "sar": Entry(
        "SAR",
        "core.adaptation.sar:SAR",
        {"lr": 1e-3, "inertia": 0.9, "rho": 0.05, "margin": 0.4, "momentum": 0.9, "floor": 0.2},
        "Niu et al., ICLR 2023",
        ("norm",),
    ),
    "cotta": Entry(
        "CoTTA",
        "core.adaptation.cotta:CoTTA",
        {"lr": 1e-3, "momentum": 0.999, "threshold": 0.92, "views": 32, "restore": 0.01},
        "Wang et al., CVPR 2022",
    ),
    "rotta": Entry(
        "RoTTA",
        "core.adaptation.rotta:RoTTA",
        {"lr": 1e-3, "alpha": 0.05, "nu": 1e-3, "capacity": 64, "every": 64},
        "Yuan et al., CVPR 2023",
        ("batch norm",),
    ),
    "lame": Entry("LAME", "core.adaptation.lame:LAME", {"neighbours": 5, "steps": 100}, "Boudiaf et al., CVPR 2022", ("head",)),
    "roid": Entry(
        "ROID",
        "core.adaptation.roid:ROID",
        {"lr": 1e-3, "temperature": 1 / 3, "momentum": 0.9, "keep": 0.99},
        "Marsden, Döbler & Yang, WACV 2024",
        ("norm",),
    ),
    "rmt": Entry(
        "RMT",
        "core.adaptation.rmt:RMT",
        {"lr": 1e-3, "momentum": 0.999, "warmup": 25, "source_batch": 128, "replay": 1.0, "contrast": 1.0, "temperature": 0.1, "width": 128},
        _DOEBLER,
        ("head", "pictures", "labels"),
    ),
    "dplot": Entry(
        "DPLOT",
        "core.adaptation.dplot:DPLOT",
        {"lr": 1e-3, "lr_all": 1e-4, "momentum": 0.999, "warmup": 25, "source_batch": 128, "threshold": 0.75, "paired": True, "blocks": None},
        "Yu et al., CVPR 2024",
        ("head", "pictures", "labels"),
    ),
    "dplot_gated": Entry(
        "DPLOT, gated",
        "core.adaptation.gated:GatedDPLOT",
        {
            **{"lr": 1e-3, "lr_all": 1e-4, "momentum": 0.999, "warmup": 25, "source_batch": 128, "threshold": 0.75, "paired": True, "blocks": None},
            **{"accept": 0.2, "reject": 0.05, "push": 1.0},
        },
        "our own, after Yu et al.",
        ("head", "pictures", "labels"),
    ),
}
ADAPTATIONS = with_formulas(ADAPTATIONS, FORMULAS)
SETTINGS = {
    "reset": "each corruption in turn, the method reset at each shift",
    "continual": "each corruption in turn, never reset",
    "gradual": "each corruption in turn, severity 1-2-3-4-5-4-3-2-1",
    "mixed": "pictures of all corruptions in every batch",
    "correlated": "each corruption in turn, classes in clumps (Dirichlet)",
}


def make(name, network, preprocessing, **options):
    """Make a method around a copy of a network.

    Args: **options: source, generator, progress, stop as `core.adaptation.method.Method`; parameters instead of the table's.
    Raises: InputError for an unknown name, or where the network or the source lacks what the method needs.
    """
    entry = look_up(ADAPTATIONS, name, kind="adaptation method")
    return entry.load()(network, preprocessing, **{**entry.parameters, **options})
