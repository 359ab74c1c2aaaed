"""Sizes by hand."""

import torch
from torch import nn

from core.compression.size import bytes_of, zeros_of


def layer(rows=()):
    made = nn.Linear(8, 4)
    with torch.no_grad():
        made.weight.fill_(1.0)
        made.weight[list(rows)] = 0
    return made


def test_a_whole_layer():
    assert bytes_of(layer()) == 4 * (32 + 4)
    assert bytes_of(layer(), bits=8) == 32 + 4 * 4 + 4 * 4  # weights, scales, biases


def test_pruned_channels_are_left_out_and_marked():
    assert bytes_of(layer([1, 2, 3])) == 4 * 8 + 1 + 4 * 4
    assert bytes_of(layer([1, 2, 3]), bits=8) == 8 + 4 + 1 + 4 * 4
    assert zeros_of(layer([1, 2, 3])) == 0.75


def test_scattered_zeros_are_left_out_and_marked_one_by_one():
    made = layer()
    with torch.no_grad():
        made.weight[:, ::2] = 0
    assert bytes_of(made) == 4 * 16 + 4 + 4 * 4
    assert bytes_of(made, bits=8) == 16 + 4 + 4 * 4 + 4 * 4


def test_norms_count_and_counters_do_not():
    assert bytes_of(nn.Sequential(layer(), nn.BatchNorm1d(4))) == bytes_of(layer()) + 4 * 4 * 4
