"""Tell from a state dict's keys and shapes which network it belongs to, and key by key what keeps it from fitting.

Candidates are networks without values (`core.networks.build.sketch`), so that the largest costs a fifth of a second. Which are made is told
by one key of each family; timm's thousand networks are compared by name only, never searched.
"""

import math
import re
from dataclasses import dataclass, field

from core.errors import InputError
from core.networks import NETWORKS
from core.networks.build import compare, head_size, known_names, sketch

WIDTHS = {  # module of our own networks: the weight whose outputs are as many as the width
    "core.networks.cifar_resnet": "conv1.weight",
    "core.networks.resnet": "conv1.weight",
    "core.networks.resnext": "layer1.0.conv3.weight",
    "core.networks.vgg": "features.0.weight",
    "core.networks.wide_resnet": "layer1.0.conv2.weight",
}
TELLS = {  # a key that networks of a family have: the names of the family
    "layer4.0.conv2.weight": r"(wide_)?resnex?t\d.*",
    "features.denseblock1.denselayer1.conv1.weight": r"densenet.*",
    "Conv2d_1a_3x3.conv.weight": r"inception.*",
    "inception3a.branch1.conv.weight": r"googlenet",
    "features.3.squeeze.weight": r"squeezenet.*",
    "stage2.0.branch2.0.weight": r"shufflenet.*",
    "trunk_output.block1.block1-0.f.se.fc1.weight": r"regnet_y.*",
    "trunk_output.block1.block1-0.f.a.0.weight": r"regnet_x.*",
    "conv_proj.weight": r"vit_.*",
    "layers.8.0.layers.0.weight": r"mnasnet.*",
    "blocks.0.layers.0.layers.MBconv.layers.pre_norm.weight": r"maxvit.*",
    "features.1.0.attn.cpb_mlp.0.weight": r"swin_v2.*",
    "features.1.0.attn.relative_position_bias_table": r"swin_[a-z]",
    "features.1.0.layer_scale": r"convnext.*",
    "features.1.conv.0.0.weight": r"mobilenet_v2",
    "features.1.block.0.0.weight": r"mobilenet_v3.*",
    "features.1.0.block.1.fc1.weight": r"efficientnet_b.*",
    "features.1.0.block.0.0.weight": r"efficientnet_v2.*",
    "classifier.6.weight": r"alexnet|vgg.*",
}


@dataclass(frozen=True)
class Fit:
    """How a state dict fits a network.

    Attributes:
        arch, width, options: what `core.networks.build.create` makes the network with; classes: outputs, or None where no head was found.
        missing, unexpected: keys that the network has and the file has not, and the other way round.
        shapes: (key, shape found, shape expected) of each key whose shapes differ.
    """

    arch: str
    width: int | None
    classes: int | None
    options: dict = field(default_factory=dict)
    missing: tuple = ()
    unexpected: tuple = ()
    shapes: tuple = ()

    @property
    def exact(self):
        return not self.problems

    @property
    def problems(self):
        """Return what does not fit, a plain line a key."""
        differing = [f"{key} is {found}, expected {expected}" for key, found, expected in self.shapes]
        return [*differing, *(f"{key} is missing" for key in self.missing), *(f"{key} is unknown" for key in self.unexpected)]


def guess(state, *, known=None):
    """Compare a state dict with the networks that its keys point to.

    Args: state: as `core.networks.build.read_state` returns it; known: names to compare with instead, such as one of timm's.
    Returns: list of `Fit`, exact ones first, then by the number of problems; empty where no key points to a family. The two stems of
        our own ResNet-18 and 34 have the same shapes: both are listed, the usual one first.
    """
    fits = []
    for arch, options in _own(state) if known is None else ((name, {}) for name in known):
        try:
            fits.append(fit(state, arch, **options))
        except InputError:
            continue
    if known is None and not any(f.exact for f in fits):
        for arch in _pointed_to(state):
            try:
                fits.append(fit(state, arch))
            except InputError:
                continue
            if fits[-1].exact:  # torchvision has no two networks of the same shapes
                break
    return sorted(fits, key=lambda f: len(f.problems))


def fit(state, arch, *, width=None, **options):
    """Compare a state dict with one architecture, whose width and number of classes are read off the state where they are not given.

    Returns: Fit. Raises: InputError as `core.networks.build.create`.
    """
    if arch in NETWORKS and width is None:
        weight = state.get(WIDTHS[NETWORKS[arch].target.partition(":")[0]])
        width = len(weight) if weight is not None and weight.ndim == 4 else None
    if arch.startswith("vit_") and "image_size" not in options:
        options |= _image_size(state)
    classes = head_size(state)
    network = sketch(arch, classes=classes, width=width, **options)
    return Fit(arch, width, classes, options, *compare(network, state))


def _pointed_to(state):
    """Return the names of torchvision's family that a key of the state belongs to."""
    family = next((names for key, names in TELLS.items() if key in state), None)
    return [name for name in known_names() if name not in NETWORKS and re.fullmatch(family, name)] if family else []


def _own(state):
    """Yield (arch, options) of our own networks that the keys point to; a depth that has no name of its own is an option."""
    blocks, bottleneck = _blocks(state, "layer1."), "layer1.0.conv3.weight" in state
    if blocks and "layer4.0.conv1.weight" not in state:
        if bottleneck:
            outputs, inputs = (*getattr(state.get("layer1.0.conv2.weight"), "shape", ()), 0, 0)[:2]
            groups = outputs // max(1, inputs)
            yield _named({29: "resnext29"}, 9 * blocks + 2, {} if groups == 32 else {"groups": groups})
        elif "bn.weight" in state:
            yield _named({28: "wrn28_10", 40: "wrn40_2"}, 6 * blocks + 4)
        else:
            yield _named({depth: f"cifar_resnet{depth}" for depth in (20, 32, 44, 56)}, 6 * blocks + 2)
    elif blocks and not bottleneck and _side(state, "conv1.weight") == 3:
        arch = "cifar_resnet34" if blocks > 2 else "cifar_resnet18"
        yield arch, {}
        yield arch, {"stem_padding": 2}
    elif _side(state, "features.0.weight") == 3 and "classifier.6.weight" not in state:
        convolutions = sum(value.ndim == 4 for key, value in state.items() if key.startswith("features."))
        norm = any(key.startswith("features.") and key.endswith("running_mean") for key in state)
        yield f"cifar_vgg{11 if convolutions <= 8 else 16}{'_bn' * norm}", {}


def _named(names, depth, options=None):
    """Return (arch, options) of a depth. Args: names: {depth: arch} of one family, the last of which stands for depths without a name."""
    if depth in names:
        return names[depth], options or {}
    return list(names.values())[-1], {**(options or {}), "depth": depth}


def _blocks(state, stage):
    """Return how many blocks a stage has."""
    return len({key.split(".")[1] for key in state if key.startswith(stage)})


def _side(state, key):
    """Return the width of a convolution's kernel, or None where there is no such convolution."""
    return state[key].shape[-1] if key in state and state[key].ndim == 4 else None


def _image_size(state):
    """Return {"image_size": pixels} of a vision transformer of torchvision's, as its positions say; {} where they do not, or say the usual 224."""
    positions, patches = state.get("encoder.pos_embedding"), _side(state, "conv_proj.weight")
    if positions is None or positions.ndim != 3 or not patches:
        return {}
    size = patches * math.isqrt(max(0, positions.shape[1] - 1))
    return {} if size == 224 else {"image_size": size}
