"""Wide residual networks WRN-28-10 and WRN-40-2, with activations before the convolutions.

Source: Zagoruyko & Komodakis, BMVC 2016. Block outputs are sums that no ReLU has seen yet;
FeatureNorm applies its own.
"""

from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = None if inputs == outputs and stride == 1 else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        active = self.relu1(self.bn1(x))
        out = self.conv2(self.relu2(self.bn2(self.conv1(active))))
        return out + (x if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    """Args: depth: 6n+4; classes; width: channels of the first stage (16 times the widening factor)."""

    def __init__(self, *, depth, classes=10, width):
        super().__init__()
        blocks, stem = (depth - 4) // 6, 16
        self.conv1 = nn.Conv2d(3, stem, 3, 1, 1, bias=False)
        inputs, stages = stem, []
        for i in range(3):
            outputs = width << i
            stage = [Block(inputs, outputs, 1 if i == 0 else 2), *(Block(outputs, outputs, 1) for _ in range(blocks - 1))]
            stages.append(nn.Sequential(*stage))
            inputs = outputs
        self.layer1, self.layer2, self.layer3 = stages
        self.bn = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return self.linear(self.pool(self.relu(self.bn(x))).flatten(1))
