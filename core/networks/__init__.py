"""Classifiers by name: our own for small pictures, and every torchvision classifier.

This table needs no torch. `width` is the number of channels of a network's first stage.
"""

from core.table import Entry

_HE = "He et al., CVPR 2016"
_VGG = "Simonyan & Zisserman, ICLR 2015"
_WIDE = "Zagoruyko & Komodakis, BMVC 2016"

NETWORKS = {
    **{
        f"cifar_resnet{depth}": Entry(f"ResNet-{depth} (CIFAR)", "core.networks.cifar_resnet:CifarResNet", {"depth": depth, "width": 16}, _HE)
        for depth in (20, 32, 44, 56)
    },
    **{f"cifar_resnet{depth}": Entry(f"ResNet-{depth} (CIFAR stem)", "core.networks.resnet:ResNet", {"depth": depth, "width": 64}, _HE) for depth in (18, 34)},
    **{
        f"cifar_vgg{depth}{'_bn' if norm else ''}": Entry(
            f"VGG-{depth}{' with batch norm' if norm else ''} (CIFAR)",
            "core.networks.vgg:VGG",
            {"depth": depth, "width": 64, "norm": norm},
            _VGG,
        )
        for depth in (11, 16)
        for norm in (False, True)
    },
    "wrn28_10": Entry("WRN-28-10", "core.networks.wide_resnet:WideResNet", {"depth": 28, "width": 160}, _WIDE),
    "wrn40_2": Entry("WRN-40-2", "core.networks.wide_resnet:WideResNet", {"depth": 40, "width": 32}, _WIDE),
    "resnext29": Entry("ResNeXt-29 32x4d", "core.networks.resnext:ResNeXt", {"depth": 29, "width": 256}, "Xie et al., CVPR 2017"),
}
