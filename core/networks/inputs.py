"""How the networks of each family expect their pictures: what a person gets who says nothing of it."""

from core.images.preprocess import Preprocessing
from core.networks import NETWORKS
from core.networks.build import TIMM, import_timm

HALF = (0.5, 0.5, 0.5)
TRANSFORMING = ("googlenet", "inception_v3")  # trained on values from -1 to 1: torchvision's `transform_input`, which is not made here


def usual_preprocessing(arch, **options):
    """Return the usual `Preprocessing` of an architecture.

    Our own networks see 32 pixels; torchvision's and timm's what their newest published weights were tested with: size, short side, mean and
    deviation. Where nothing is published it is 224 pixels. Mean and deviation are ImageNet's unless something else is published.

    Args: arch, **options: as `core.networks.build.create`.
    """
    if arch in NETWORKS:
        return Preprocessing()
    found = _timm(arch.removeprefix(TIMM)) if arch.startswith(TIMM) else _torchvision(arch)
    if arch.startswith("vit_") and options.get("image_size", 224) != found["size"]:
        found |= {"size": options.get("image_size", 224), "resize": None}
    return Preprocessing(**found)


def categories(arch):
    """Return the class names of torchvision's newest published weights, or None for other architectures."""
    weights = _published(arch)
    return weights and tuple(weights.meta["categories"])


def _torchvision(arch):
    weights = _published(arch)
    if weights is None:
        return {"size": 224}
    see = weights.transforms()
    mean, std = (HALF, HALF) if arch in TRANSFORMING else (tuple(see.mean), tuple(see.std))
    return {"size": see.crop_size[0], "resize": _margin(see.resize_size[0], see.crop_size[0]), "mean": mean, "std": std}


def _published(arch):
    from torchvision.models import get_model_weights

    try:
        return get_model_weights(arch).DEFAULT
    except ValueError:  # no name of torchvision's
        return None


def _timm(name):
    timm = import_timm(name)
    published = timm.get_pretrained_cfg(name)
    if published is None:
        return {"size": 224}
    size = published.input_size[-1]
    return {"size": size, "resize": _margin(int(size / (published.crop_pct or 1)), size), "mean": tuple(published.mean), "std": tuple(published.std)}


def _margin(resize, size):
    return resize if resize > size else None
