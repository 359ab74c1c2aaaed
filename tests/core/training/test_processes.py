"""Two processes on one machine train as one does; alone nothing is exchanged."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.training.processes import average_, count, processes, rank

ROOT = Path(__file__).parents[3]

SCRIPT = """
import sys, torch
from torch import nn
from core.images.preprocess import Preprocessing
from core.training.processes import processes, rank
from core.training.standard import loss
from core.training.trainer import Recipe, train

torch.set_num_threads(1)
torch.manual_seed(0)
network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
labels = torch.arange(64) % 2
images = torch.randint(0, 256, (64, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
images[labels == 0, 0] //= 2
out = sys.argv[1]
recipe = Recipe(epochs=2, batch_size=16, peak=0.1, crop=1, ema=0.5)
with processes(torch.device("cpu")) as device:
    trained, curve = train(network, images, labels, Preprocessing(8), recipe, loss=loss, validation=(images, labels), device=device, checkpoint=out + ".run")
    if rank() == 0:
        torch.save({"weights": trained.state_dict(), "loss": curve.loss, "accuracy": curve.accuracy}, out)
"""


def trained(folder, *launcher):
    """Train by the script, in this process or in those of a launcher. Returns: {weights, loss, accuracy}."""
    file = folder / ("two.pt" if launcher else "one.pt")
    script = folder / "script.py"
    script.write_text(SCRIPT)
    if launcher:
        command = [sys.executable, *launcher, str(script), str(file)]
        done = subprocess.run(command, cwd=ROOT, env=None, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    else:
        threads = torch.get_num_threads()
        with torch.random.fork_rng(devices=[]), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [str(script), str(file)])
            runpy.run_path(str(script))
        torch.set_num_threads(threads)
    return torch.load(file, weights_only=True)


def test_two_processes_take_the_steps_of_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = trained(tmp_path)
    two = trained(tmp_path, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    assert all(torch.allclose(value, two["weights"][name], atol=1e-5) for name, value in one["weights"].items())
    assert torch.allclose(torch.tensor(one["loss"]), torch.tensor(two["loss"]), atol=1e-5)
    assert one["accuracy"] == two["accuracy"]
    assert not [f for f in tmp_path.iterdir() if f.suffix == ".part"]


def test_alone_there_is_nothing_to_exchange(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    numbers = [torch.tensor([1.0, 2.0])]
    with processes(torch.device("cpu")) as device:
        assert (rank(), count(), device) == (0, 1, torch.device("cpu"))
        assert average_(numbers)[0] is numbers[0] and numbers[0].tolist() == [1, 2]
