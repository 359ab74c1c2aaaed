"""Explanations by name: where in the picture the evidence lies. This table needs no torch.

Each is a function (network, images (N, 3, S, S) preprocessed, *, target=None, block=None, ...) -> (N, S, S) float32: a signed map,
positive where the picture speaks for the class, or, for those of `OF_NORM`, where it raises the FeatureNorm of the block (speaks for known);
ContraCAM's, in [0, 1], says what sets the picture apart from others.
None of them changes or hooks the network.
"""

from core.explanation.formulas import FORMULAS
from core.table import Entry, look_up, with_formulas

_IG, _OCCLUSION = "Sundararajan et al., ICML 2017", "Zeiler & Fergus, ECCV 2014"
_STEPS, _WINDOW = {"steps": 32}, {"window": None, "stride": None}

EXPLANATIONS = {
    "gradcam": Entry("Grad-CAM", "core.explanation.gradcam:gradcam", {}, "Selvaraju et al., ICCV 2017"),
    "integrated_gradients": Entry("Integrated Gradients", "core.explanation.integrated:integrated_gradients", _STEPS, _IG),
    "occlusion": Entry("Occlusion", "core.explanation.occlusion:occlusion", _WINDOW, _OCCLUSION),
    "rsp": Entry("RSP", "core.explanation.rsp:rsp", {"rivals": 1, "tilt": 2.0}, "Nam, Choi & Lee, AAAI 2021", needs=("a ReLU network",)),
    "contracam": Entry("ContraCAM", "core.explanation.contracam:contracam", {"iterations": 3, "temperature": 1.0}, "Mo et al., NeurIPS 2021"),
    "mask": Entry("Masks", "core.explanation.mask:mask", {"steps": 80}, "Kim et al., IEEE TIP 2022; Fong & Vedaldi, ICCV 2017"),
    "norm_gradients": Entry("Integrated Gradients of FeatureNorm", "core.explanation.integrated:norm_gradients", _STEPS, f"our own, after {_IG}"),
    "norm_occlusion": Entry("Occlusion of FeatureNorm", "core.explanation.occlusion:norm_occlusion", _WINDOW, f"our own, after {_OCCLUSION}"),
}
EXPLANATIONS = with_formulas(EXPLANATIONS, FORMULAS)
DEFAULT = "gradcam"
OF_NORM = ("norm_gradients", "norm_occlusion")  # they explain the FeatureNorm of a block, whatever the class
CLASSLESS = ("contracam",)  # what sets a picture apart, whatever the class


def explain(name, network, images, *, target=None, block=None, **parameters):
    """Explain pictures with one method.

    Args:
        name: of EXPLANATIONS. network: a classifier, never changed. images: (N, 3, S, S) float, preprocessed.
        target: index of a class, or (N,) of them; by default the predicted one.
        block: a module's name; by default the last block. Integrated Gradients and occlusion of the class do not need one.
        **parameters: instead of the table's.
    Returns: (N, S, S) float32, signed.
    Raises: InputError for an unknown name or block, or a method that this network cannot have.
    """
    entry = look_up(EXPLANATIONS, name, kind="explanation")
    return entry.load()(network, images, target=target, block=block, **{**entry.parameters, **parameters})
