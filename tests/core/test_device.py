"""Devices and precision by name."""

import os

import pytest
import torch

from core.device import autocast, pick_device, share_cores
from core.errors import InputError


def test_the_named_device_or_the_best():
    assert pick_device("cpu") == torch.device("cpu")
    best = pick_device()
    assert best.type == ("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")


def test_a_device_that_is_not_there_is_explained(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no cuda device; use --device cpu"):
        pick_device("cuda:0")
    with pytest.raises(InputError, match="no device named 'abacus'; the known ones are cpu, cuda, mps"):
        pick_device("abacus")


def test_precision_decides_what_a_layer_computes_in():
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast("cpu"):
        assert layer(x).dtype == torch.float32
    with autocast("cpu", "bf16"):
        assert layer(x).dtype == torch.bfloat16
    with pytest.raises(InputError, match="no precision named 'fp16'"):
        autocast("cpu", "fp16")


@pytest.mark.parametrize(("among", "threads"), [(1, 7), (3, 2), (20, 1)])
def test_a_thread_gets_its_share_of_the_cores_but_one(monkeypatch, among, threads):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    try:
        share_cores(among)
        assert torch.get_num_threads() == threads
        monkeypatch.setenv("OMP_NUM_THREADS", "5")
        share_cores(7)
        assert torch.get_num_threads() == threads  # the environment decides
    finally:
        torch.set_num_threads(before)
