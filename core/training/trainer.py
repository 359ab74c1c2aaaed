"""Train a classifier: one schedule for every method, so that a comparison of methods is fair.

SGD with Nesterov momentum under a one-cycle schedule (Smith & Topin, 2018), random crops and flips
drawn on the device, a moving average of the weights, a checkpoint after every epoch. A run that was killed
resumes on the same curve: each epoch's randomness comes from (seed, epoch) alone.

Several processes (torchrun) share each batch: see `core.training.processes`. Plain torch does it in the few lines
there; Lightning Fabric would add a dependency, and DistributedDataParallel expects one forward pass for a
backward pass, where attacks take two.
"""

import copy
import io
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from core.device import autocast
from core.disk import write_whole
from core.errors import InputError
from core.memory import needing, within_memory
from core.probe import twin
from core.training.processes import average_, count, rank


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of a run.

    `batch_size` counts the pictures of all processes; `peak` is the highest learning rate, `warmup` the share of steps until it; `ema` is
    what the moving average of the weights keeps in each step, 0 for none; `method` and `settings` name the loss, so that a checkpoint of
    another one is not resumed.
    """

    epochs: int
    batch_size: int = 256
    peak: float = 0.3
    warmup: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    crop: int = 4
    flip: bool = True
    seed: int = 0
    precision: str = "fp32"
    ema: float = 0.0
    method: str = "standard"
    settings: dict = field(default_factory=dict)


@dataclass
class Curve:
    """Per epoch: mean training loss (nats), accuracy on the validation pictures (fraction), seconds, and what `train` was asked to watch."""

    loss: list = field(default_factory=list)
    accuracy: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    watched: list = field(default_factory=list)


def train(network, images, labels, preprocessing, recipe, *, loss, validation, device="cpu", checkpoint=None, progress=None, stop=None, watch=None):
    """Train a copy of a network.

    Args:
        network: fresh weights; it is not changed.
        images: (N, 3, S, S) uint8; labels: (N,) int64.
        loss: a function of `core.training.METHODS`, called as loss(classify, pixels in [0, 1], labels, generator=..., **recipe.settings).
        validation: (images, labels) that accuracy is measured on after each epoch.
        checkpoint: file to resume from if it is there, written after each epoch.
        progress: called with (steps done, steps in all, curve); stop: a `threading.Event` that ends the run early.
        watch: called with the network after each epoch; returns {name: number}, kept in the curve.
    Returns: (trained network in eval mode on `device`, the moving average where there is one, Curve).
    Raises: InputError if a class has no pictures, the loss stops being a number, or there is no memory for a batch.
    """
    _check(labels, recipe, validation)
    shown, shown_labels = validation
    network = copy.deepcopy(network).to(device, memory_format=torch.channels_last).train()
    with torch.no_grad():
        outputs = twin(network)[0](preprocessing.normalise(images[:1].to(device))).shape[1]
    if labels.max() >= outputs:
        raise InputError(f"The labels go up to {labels.max()} but the network has {outputs} outputs; set classes.", key="training.outputs")
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, recipe.peak, momentum=recipe.momentum, nesterov=True)
    steps = len(images) // recipe.batch_size or 1
    total = max(recipe.epochs * steps, 8)  # a warm-up of one step alone makes OneCycleLR divide by zero
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.peak, total_steps=total, pct_start=recipe.warmup, cycle_momentum=False)
    curve = Curve()
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True) if recipe.ema else None
    state = {"network": network, "optimiser": optimiser, "schedule": schedule, **({"average": average} if average else {})}
    if checkpoint and Path(checkpoint).is_file():
        _resume(checkpoint, recipe, state, curve)
    result = average.module if average else network

    def classify(pixels):
        return network(preprocessing.normalise(pixels).to(memory_format=torch.channels_last))

    for epoch in range(len(curve.loss), recipe.epochs):
        began, total = time.perf_counter(), 0.0
        generator = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
        order = torch.randperm(len(images), generator=generator)
        for step, chosen in enumerate(order[: steps * recipe.batch_size].split(recipe.batch_size)):
            if stop is not None and stop.is_set():
                return result.eval(), curve
            pixels = augment(images[chosen].to(device), recipe.crop, flip=recipe.flip, generator=generator)  # the same in every process
            pixels, truth = (part[rank() :: count()] for part in (pixels.float() / 255, labels[chosen].to(device)))
            with needing(len(chosen)), autocast(device, recipe.precision):
                value = loss(classify, pixels, truth, generator=generator, **recipe.settings)
            (mean,) = average_([value.detach().clone()])
            if not torch.isfinite(mean):
                raise InputError(f"The loss became {mean.item()} in epoch {epoch + 1}; lower the learning rate.", key="training.diverged")
            optimiser.zero_grad(set_to_none=True)
            with needing(len(chosen)):
                value.backward()
            average_([p.grad for p in network.parameters() if p.grad is not None])
            optimiser.step()
            schedule.step()
            if average:
                average.update_parameters(network)
            total += mean.item()
            if progress:
                progress(epoch * steps + step + 1, recipe.epochs * steps, curve)
        curve.loss.append(total / steps)
        average_([b for b in result.buffers() if b.is_floating_point()])  # each process has seen other pictures
        curve.accuracy.append(accuracy(result, shown, shown_labels, preprocessing, device=device, precision=recipe.precision))
        if watch:
            curve.watched.append(watch(result))
        curve.seconds.append(time.perf_counter() - began)
        if checkpoint and rank() == 0:
            _save(checkpoint, recipe, state, curve)
    return result.eval(), curve


def augment(images, crop, *, flip, generator):
    """Shift each picture by up to `crop` pixels (edges reflected) and mirror half of them.

    Args: images: (N, C, H, W), any dtype. Returns: the same shape and dtype.
    """
    n, _, height, width = images.shape
    padded = torch.nn.functional.pad(images.float(), (crop,) * 4, mode="reflect").to(images.dtype) if crop else images
    top, left = torch.randint(0, 2 * crop + 1, (2, n), generator=generator)
    rows = top[:, None] + torch.arange(height)  # (N, H)
    columns = left[:, None] + torch.arange(width)  # (N, W)
    if flip:
        mirrored = torch.rand(n, generator=generator) < 0.5
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    picture = torch.arange(n)[:, None, None]
    taken = padded.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]]  # (N, H, W, C)
    return taken.permute(0, 3, 1, 2)


def accuracy(network, images, labels, preprocessing, **options):
    """Return the share of pictures whose class is right, as a fraction. Args: as `logits_of`."""
    return (logits_of(network, images, preprocessing, **options).argmax(1) == labels).double().mean().item()


@torch.inference_mode()
def logits_of(network, images, preprocessing, *, device="cpu", precision="fp32", batch_size=500):
    """Return the (N, C) float32 logits of (N, 3, S, S) uint8 pictures, on the CPU; the network's mode is put back afterwards."""

    def classify(network, batch):
        with autocast(batch.device, precision):
            return network(preprocessing.normalise(batch).to(memory_format=torch.channels_last)).float().cpu()

    mode = network.training
    network.eval()
    found = [logits for _, logits, _ in within_memory(classify, network, images, batch_size, device=device)]
    network.train(mode)
    return torch.cat(found)


def _check(labels, recipe, validation):
    if recipe.epochs < 1 or not len(validation[0]):
        raise InputError("Training needs at least one epoch and one validation picture.", key="training.empty")
    counts = torch.bincount(labels) if len(labels) and labels.min() >= 0 else torch.tensor([0])
    if len(counts) < 2 or (counts == 0).any():
        raise InputError(f"Training needs pictures of at least two classes and of each class; found {counts.tolist()}.", key="training.classes")


def read_curve(file):
    """Return the `Curve` of a checkpoint, empty where there is no such file."""
    saved = torch.load(file, map_location="cpu", weights_only=True) if Path(file).is_file() else {"curve": {}}
    return Curve(**saved["curve"])


def _save(file, recipe, state, curve):
    """Write a checkpoint; the old one stays whole until the new one is."""
    whole = {"recipe": asdict(recipe), "curve": asdict(curve), **{name: part.state_dict() for name, part in state.items()}}
    whole["schedule"] = {k: v for k, v in whole["schedule"].items() if not callable(v)}
    data = io.BytesIO()  # torch tells of a full disk in words that nobody understands
    torch.save(whole, data)
    write_whole(file, data.getbuffer())


def _resume(file, recipe, state, curve):
    saved = torch.load(file, map_location="cpu", weights_only=True)
    if saved["recipe"] != asdict(recipe):
        raise InputError(f"{file} is the checkpoint of another recipe; remove it or train as it says.", key="training.resume")
    for name, part in state.items():
        part.load_state_dict(saved[name])
    for name, values in saved["curve"].items():
        getattr(curve, name).extend(values)
