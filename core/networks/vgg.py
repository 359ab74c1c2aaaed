"""VGG-11/16 for small pictures, with or without batch normalisation: five pooled stages, one linear head.

Source: Simonyan & Zisserman, ICLR 2015; the two 4,096-unit layers are left out, as is usual on CIFAR.
"""

from torch import nn

STAGES = {11: (1, 1, 2, 2, 2), 16: (2, 2, 3, 3, 3)}
CHANNELS = (1, 2, 4, 8, 8)  # times the width


class VGG(nn.Module):
    """Args: depth: 11 or 16; classes; width: channels of the first stage; norm: with batch normalisation."""

    def __init__(self, *, depth, classes=10, width=64, norm=False):
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for factor, count in zip(CHANNELS, STAGES[depth], strict=True):
            for _ in range(count):
                layers.append(nn.Conv2d(inputs, factor * width, 3, padding=1))
                if norm:
                    layers.append(nn.BatchNorm2d(factor * width))
                layers.append(nn.ReLU())
                inputs = factor * width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(inputs, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d) and m.bias is not None:  # without it the plain 16-layer net does not start to learn
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.linear(self.pool(self.features(x)).flatten(1))
