"""ResNeXt-29 for small pictures: three stages of three grouped bottlenecks (32x4d).

Source: Xie et al., CVPR 2017, section 5.3.
"""

from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, groups):
        super().__init__()
        inner = outputs // 2
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu3 = nn.ReLU()
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu2(self.bn2(self.conv2(out)))))
        return self.relu3(out + self.shortcut(x))


class ResNeXt(nn.Module):
    """Args: depth: 9n+2; classes; width: channels of the first stage, a multiple of twice the groups; groups."""

    def __init__(self, *, depth, classes=10, width=256, groups=32):
        super().__init__()
        blocks, stem = (depth - 2) // 9, 64
        self.conv1 = nn.Conv2d(3, stem, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu1 = nn.ReLU()
        inputs, stages = stem, []
        for i in range(3):
            outputs = width << i
            stage = [Block(inputs, outputs, 1 if i == 0 else 2, groups), *(Block(outputs, outputs, 1, groups) for _ in range(blocks - 1))]
            stages.append(nn.Sequential(*stage))
            inputs = outputs
        self.layer1, self.layer2, self.layer3 = stages
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(self.pool(x).flatten(1))
