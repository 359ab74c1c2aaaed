"""Measure whether a map can be believed.

- Deletion and insertion (Petsiuk, Das & Saenko, BMVC 2018): pixels leave the picture for the mean colour, or return into a blurred one, in the
  order of the map. Two floors show what an order is worth that knows nothing of the network: a random one, and edges.
- Pointing game against true masks: whether the highest pixel lies on the object (Zhang et al., ECCV 2016), and how much of the positive map
  does (Wang et al., 2020).
- Randomised weights (Adebayo et al., NeurIPS 2018): from the head down, weights are shuffled within each layer, which keeps their scale. A map of the
  trained network has to change; the rank correlation with the new one says by how much.
"""

import copy

import torch
from torch import nn

from core.blocks import WEIGHTED
from core.corruptions.common import gaussian
from core.explanation.common import classes_of, forward_of


def probability_of(network, classes):
    """Return a function that measures the softmax probability of each picture's class: (N, 3, S, S) -> (N,)."""
    run = forward_of(network)

    def probability(images):
        return run(images).softmax(1).gather(1, classes[:, None])[:, 0]

    return probability


def deletion(measure, images, maps, *, steps=32):
    """Delete pixels, the highest of the map first.

    Args: measure: (N, 3, S, S) -> (N,), such as `probability_of`. images: (N, 3, S, S), preprocessed. maps: (N, S, S).
        steps: how many equal parts the pixels leave in.
    Returns: (N, steps + 1): the measure after each step, from the whole picture to none. A lower area is better.
    """
    return _curve(measure, images, torch.zeros_like(images), maps, steps)


def insertion(measure, images, maps, *, steps=32):
    """Put pixels into the blurred picture, the highest of the map first. Args, Returns: as `deletion`; a higher area is better."""
    return _curve(measure, blurry(images), images, maps, steps)


def blurry(images):
    """Blur pictures (N, 3, S, S) so far that little of what they show is left.

    The blur is Gaussian, its deviation a twelfth of the side: the published 5 pixels of 224 leave too much of a small picture.
    """
    sigma = images.shape[-1] / 12
    return gaussian(images, sigma, edge="mirror", truncate=2.0)


def area(curve):
    """Return the (N,) areas under curves over the share of pixels, 0 to 1, by trapezoids."""
    return torch.trapezoid(curve, dx=1 / (curve.shape[1] - 1), dim=1)


def hits(maps, masks):
    """Tell whether the highest pixel of each map lies on the object.

    Args: maps: (N, S, S); masks: (N, S, S) bool, none of them empty. Returns: (N,) bool.
    """
    return masks.flatten(1).gather(1, maps.flatten(1).argmax(1, keepdim=True))[:, 0]


def energy(maps, masks):
    """Measure which share of the positive map lies on the object. Args: as `hits`. Returns: (N,) in [0, 1], 0 for a map without a positive pixel."""
    positive = maps.clamp_min(0)
    return (positive * masks).sum((1, 2)) / positive.sum((1, 2)).clamp_min(1e-12)


def randomised(network, share, *, generator):
    """Copy a network and shuffle the weights of its last layers.

    Args: share: of the layers with weights, counted from the head, in (0, 1]. generator: of the shuffles, on the CPU.
    Returns: the copy; batch normalisation is left as it is. The same generator state gives nested networks: a larger share changes more of the same.
    """
    made = copy.deepcopy(network)
    layers = [m for m in made.modules() if isinstance(m, WEIGHTED)]
    with torch.no_grad():
        for layer in reversed(layers[len(layers) - max(1, round(share * len(layers))) :]):
            for values in layer.parameters(recurse=not isinstance(layer, nn.Conv2d | nn.Linear)):
                order = torch.randperm(values.numel(), generator=generator).to(values.device)
                values.copy_(values.flatten()[order].view_as(values))
    return made


def sanity(explain, network, images, *, shares=(0.05, 0.5, 1.0), seed=0):
    """Compare the maps of a network with those of copies whose weights are shuffled from the head down.

    Args: explain: (network, images, target=(N,)) -> (N, S, S); the class is the one that the trained network predicts. shares: as `randomised`.
    Returns: (len(shares), N): Spearman's rank correlation of the signed maps. Near 0 = the map depends on what was learnt.
    """
    classes = classes_of(network, images)
    trained = explain(network, images, target=classes)
    copies = (randomised(network, share, generator=torch.Generator().manual_seed(seed)) for share in shares)
    return torch.stack([spearman(trained, explain(each, images, target=classes)) for each in copies])


def spearman(maps, others):
    """Return the (N,) rank correlations of maps (N, S, S), ties counted by their mean rank; 0 where a map is constant."""
    a, b = (_ranks(m.flatten(1)) for m in (maps, others))
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp_min(1e-12)


def random_maps(images, *, generator):
    """Return (N, S, S) uniform noise: a map that knows nothing. Args: generator: on the CPU."""
    return torch.rand(len(images), *images.shape[2:], generator=generator).to(images.device)


def edge_maps(images):
    """Return (N, S, S) Sobel gradients of the mean over colours: a map that knows the picture and not the network."""
    slope = images.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    grey = nn.functional.pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return torch.conv2d(grey, torch.stack([slope, slope.T])[:, None]).norm(dim=1)


def _curve(measure, before, after, maps, steps):
    """Return (N, steps + 1) measures of pictures that turn from `before` to `after`, the highest pixels of the map first."""
    ranks = maps.flatten(1).argsort(dim=1, descending=True, stable=True).argsort(1).view_as(maps)
    found = []
    for step in range(steps + 1):
        turned = (ranks < step * ranks[0].numel() / steps)[:, None]
        with torch.no_grad():
            found.append(measure(torch.where(turned, after, before)))
    return torch.stack(found, 1)


def _ranks(values):
    """Rank (N, P) values along the second axis; equal values share their mean rank."""
    ordered, order = values.sort(1)
    first, last = (torch.searchsorted(ordered, ordered, right=right) for right in (False, True))
    return torch.empty_like(values, dtype=torch.float64).scatter_(1, order, (first + last - 1).double() / 2)
